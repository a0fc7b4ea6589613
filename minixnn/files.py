"""A file is written whole or not at all."""
import contextlib
import os
import pathlib
from collections.abc import Iterator


@contextlib.contextmanager
def draft_of(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """`with draft_of(path) as draft:` what is written to `draft`, a file beside `path`, takes its place at the end.

    Where that fails, the file that was at `path` stays as it is, and nothing is left beside it.
    """
    draft = pathlib.Path(f"{os.fspath(path)}.{os.getpid()}.draft")
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
