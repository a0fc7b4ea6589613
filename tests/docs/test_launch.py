"""Does docs/launch.json do in VS Code what the stepping guide says? Asked of debugpy, its debugger, without VS Code."""
import itertools
import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
if not (ROOT / "docs" / "walk.py").exists():
    pytest.skip("docs/ is not here: this is no checkout", allow_module_level=True)
pytest.importorskip("debugpy", reason="debugpy, the debugger of VS Code, is not installed (pip install debugpy)")
sys.path[:0] = [str(ROOT / "docs")]

import walk  # noqa: E402  (it lies in the folder named above)

LAUNCHES = {each["name"]: each for each in json.loads((ROOT / "docs" / "launch.json").read_text())["configurations"]}


class Adapter:
    """The debug adapter that VS Code starts, spoken to as VS Code does."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-m", "debugpy.adapter"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=walk.reader())
        self.numbers = itertools.count(1)

    def send(self, command, **arguments):
        number = next(self.numbers)
        text = json.dumps({"seq": number, "type": "request", "command": command, "arguments": arguments}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(text) + text)
        self.process.stdin.flush()
        return number

    def read(self):
        size = int(self.process.stdout.readline().split(b":")[1])
        self.process.stdout.readline()
        return json.loads(self.process.stdout.read(size))

    def wait(self, **wanted):
        """The next message that has these entries."""
        while True:
            message = self.read()
            assert message.get("success", True), message
            if all(message.get(key) == value for key, value in wanted.items()):
                return message

    def ask(self, command, **arguments):
        return self.wait(type="response", request_seq=self.send(command, **arguments)).get("body")

    def frame(self):
        """(end of the path, function) of where the program stands once it has stopped."""
        self.thread = self.wait(event="stopped")["body"]["threadId"]
        top = self.ask("stackTrace", threadId=self.thread, levels=1)["stackFrames"][0]
        return "/".join(pathlib.Path(top["source"]["path"]).parts[-2:]), top["name"]


@pytest.mark.parametrize("name", LAUNCHES)
def test_one_f11_leads_from_the_loop_to_the_formula(name):
    text = json.dumps(LAUNCHES[name]).replace("${workspaceFolder}", str(ROOT)).replace(
        "${file}", str(ROOT / "lessons" / "2_3_lrp.py"))
    launch = {**json.loads(text), "console": "internalConsole", "python": [sys.executable]}
    assert launch["type"] == "debugpy" and launch["justMyCode"] is False
    adapter = Adapter()
    try:
        adapter.ask("initialize", adapterID="debugpy", pathFormat="path", linesStartAt1=True, columnsStartAt1=True)
        adapter.send("launch", **launch)
        adapter.wait(event="initialized")
        adapter.ask("setBreakpoints", source={"path": str(ROOT / "minixnn" / "passes.py")},
                    breakpoints=[{"line": walk.marked_line("minixnn/passes.py")}])
        adapter.ask("configurationDone")
        assert adapter.frame() == ("minixnn/passes.py", "lrp")
        adapter.ask("stepIn", threadId=adapter.thread)
        assert adapter.frame() == ("rules/lrp.py", "epsilon")
        adapter.ask("disconnect", terminateDebuggee=True)
    finally:
        adapter.process.kill()
        adapter.process.wait()
