"""Is what newcomers are told to type what the machine checks, and does the package carry what it needs and no more?"""
import pathlib
import re
import subprocess
import sys
import zipfile

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib                     # pytest brings it along there

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def config():
    """The table [project] of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def commands(text):
    """The lines that set up the virtual environment and use it."""
    return [line for line in text.splitlines() if line.startswith("python3 -m venv .venv ")]


def shell_variable(name):
    line, = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith(f"{name}=")]
    return line.removeprefix(f"{name}=").strip("'")


def test_importing_minixnn_brings_numpy_and_nothing_heavier():
    code = ("import sys, minixnn; "
            "heavy = {'matplotlib', 'cupy', 'torch', 'onnx', 'PIL', 'scipy', 'hypothesis'} & set(sys.modules); "
            "sys.exit(', '.join(sorted(heavy)) or 0)")
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, stderr=subprocess.PIPE)
    assert process.returncode == 0, f"import minixnn imported {process.stderr}"


def test_readme_has_exactly_two_commands_and_ci_runs_them_word_for_word():
    told = commands((ROOT / "README.md").read_text(encoding="utf-8"))
    assert told == [shell_variable("LESSONS"), shell_variable("TESTS")]


def test_ci_runs_the_commands_that_it_names():
    steps = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.lstrip().startswith("step ")]
    for name in ("TESTS", "LESSONS", "PEERS_TESTS", "FAMILIES", "SITE"):
        assert any(f"${name}" in line for line in steps), f".ci/run names {name} and does not run it"


def test_wherever_the_peers_command_is_written_it_is_the_one_that_ci_runs():
    """Told in prose as two lines: one to install, one to run."""
    installs, run = [shell_variable(f"{name}_INSTALL") for name in ("PEERS", "FAMILIES")], shell_variable("PEERS_TESTS")
    pages = [path for pattern in ("*.md", "docs/**/*.rst", "docs/**/*.md", "tests/peers/*.md", "tests/peers/*.py")
             for path in ROOT.glob(pattern)]
    for page in pages:
        for line in page.read_text(encoding="utf-8").splitlines():
            if ".venv-peers/bin/pip" in line:
                assert line.strip() in installs, f"{page.name} says {line.strip()!r}, .ci/run does {installs}"
            elif ".venv-peers/bin/python -m pytest" in line:
                assert line.strip() == run, f"{page.name} says {line.strip()!r}, .ci/run does {run!r}"


def test_only_the_comparison_with_torch_asks_for_torch(config):
    extras = config["optional-dependencies"]
    assert {"lessons", "test", "docs", "pictures", "gpu12", "gpu13", "onnx", "peers"} <= set(extras)
    asking = [name for name, needed in extras.items() if any(line.startswith("torch") for line in needed)]
    assert asking == ["peers"]


def test_the_version_is_the_same_everywhere(config):
    import minixnn
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert "version" in config["dynamic"] and f"version: {minixnn.__version__}\n" in citation
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]\n" in changes or f"## [{minixnn.__version__}] - " in changes


def test_the_changelog_has_the_form_of_keep_a_changelog():
    lines = [line for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert lines[0] == "# Changelog" and lines[1] == "## [Unreleased]"
    assert all(re.fullmatch(r"## \[(Unreleased|\d+\.\d+\.\d+)\]( - \d{4}-\d\d-\d\d)?", line)
               for line in lines[1:] if not line.startswith("###"))
    kinds = [line[4:] for line in lines if line.startswith("###")]
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The names inside a wheel built from this tree, without asking an index for anything."""
    pytest.importorskip("setuptools", minversion="77", reason="building without isolation needs setuptools here")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "MANIFEST.in", "LICENSE", "README.md", "minixnn", "lessons", "tests"):
        (source / name).symlink_to(ROOT / name)
    process = subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
                              "--no-index", "--wheel-dir", str(folder), str(source)],
                             text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.returncode == 0, process.stdout
    path, = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_the_wheel_carries_all_of_minixnn_and_its_data(wheel):
    inside = [path for path in (ROOT / "minixnn").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    missing = {path.relative_to(ROOT).as_posix() for path in inside} - set(wheel)
    assert not missing


def test_the_wheel_carries_nothing_but_minixnn_and_the_licences(wheel):
    outside = [name for name in wheel if not name.startswith("minixnn")]
    assert not outside
    licences = [name for name in wheel if ".dist-info" in name and "LICENSE" in name]
    assert len(licences) == 1 + len(list((ROOT / "minixnn" / "data").glob("LICENSE-*.txt"))), licences
