"""The bar of progress: drawn on a terminal only, with the time that is left."""
import io
import itertools
import sys
import time

from minixnn.progress import progress


def test_the_progress_bar_is_drawn_on_a_terminal_only(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True
    screen, clock = Terminal(), itertools.count(0, 0.2)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert list(progress(range(4), "explaining")) == [0, 1, 2, 3]
    assert "explaining [#######" in screen.getvalue() and "4/4" in screen.getvalue() and "s left" in screen.getvalue()
    screen.truncate(0)
    assert list(progress(range(4), "explaining", quiet=True)) == [0, 1, 2, 3] and not screen.getvalue()


def test_the_time_left_counts_what_is_explained_and_not_what_is_read(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    done = iter([0, 0, 0, 3])
    for _ in progress(range(4), "explaining", finished=lambda: next(done)):
        time.sleep(0.11)
    assert terminal.getvalue().count("0/4  ") == 3 and "3/4" in terminal.getvalue()
