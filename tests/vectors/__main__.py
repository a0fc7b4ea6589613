"""Hold a library against the vectors:

    python -m tests.vectors LIBRARY              a line for each rule; status 1 where xfails/LIBRARY.txt is not met
    python -m tests.vectors LIBRARY ID           one vector, as ten lines ready for an issue
    python -m tests.vectors LIBRARY --all        every vector that does not agree, in this form
    python -m tests.vectors LIBRARY --expect     write xfails/LIBRARY.txt from this run
    python -m tests.vectors --page FILE          run all libraries, and write the scoreboard
    python -m tests.vectors --zip FILE           what another project needs: this folder, which runs by itself

LIBRARY is a module in adapters/, or a file recorded/LIBRARY.json. In another project the folder is a package like any
other: `python -m vectors LIBRARY`.
"""
import sys
import zipfile

from . import runner, scoreboard


def main(arguments):
    if arguments[:1] == ["--zip"]:
        files = [path for path in sorted(runner.HERE.rglob("*")) if path.is_file() and "__pycache__" not in path.parts
                 and not path.name.startswith("test_")]
        with zipfile.ZipFile(arguments[1], "w", zipfile.ZIP_DEFLATED) as out:
            for path in files:
                out.write(path, f"vectors/{path.relative_to(runner.HERE)}")
        print(f"wrote {arguments[1]}: {len(files)} files")
        return 0
    if arguments[:1] == ["--page"]:
        scoreboard.write(arguments[1])
        return 0
    if not arguments or arguments[0].startswith("-"):
        print(__doc__)
        return 2
    library, *more = arguments
    results = runner.run(runner.adapter(library), only=more[0] if more and not more[0].startswith("-") else None)
    if "--expect" in more:
        runner.write_expected(library, results)
    if more and more[0] != "--expect":
        print("\n\n".join(runner.report(library, result) for result in results if result.verdict != "agrees"
                          or more[0] != "--all"))
        return 0
    print(scoreboard.lines(results))
    problems = runner.unexpected(library, results)
    print("\n".join(problems) or f"as xfails/{library}.txt says")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
