"""A progress bar on one line of the terminal; nothing is drawn where the output is a file."""
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from minixnn.arrays import Array


def progress(items: Sequence | Array, what: str, quiet: bool = False, finished: Callable | None = None) -> Iterator:
    """Yield from a sequence, drawing how many of its items are done and how long the rest may take.

    Parameters
    ----------
    items : the sequence.
    what : the name of the work, in front of the bar.
    quiet : whether nothing is drawn.
    finished : a function () -> how many are done, where several are taken before the first is done; None counts those
        that were taken.

    Yields
    ------
    The items, in order.
    """
    start, total, drawn = time.perf_counter(), len(items), 0.0
    show = not quiet and total > 1 and sys.stderr.isatty()
    for taken, item in enumerate(items):
        done = taken if finished is None else finished()
        now = time.perf_counter()
        if show and now - drawn > 0.1:          # ten times a second is enough for anybody
            drawn = now
            left = f"{(now - start) / done * (total - done):4.0f} s left" if done else ""
            bar = "#" * (30 * done // total)
            print(f"\r{what} [{bar:<30}] {done}/{total} {left} ", end="", file=sys.stderr, flush=True)
        yield item
    if show:
        print(f"\r{what} [{'#' * 30}] {total}/{total} {time.perf_counter() - start:4.0f} s   ", file=sys.stderr)
