"""Exercises that mark themselves: write a few lines, and see the smallest input on which they are wrong.

    python -m lessons.exercises start my_work           copy the tasks into the folder my_work
    python -m lessons.exercises my_work                 check them in order, and stop at the first that is not done
    python -m lessons.exercises --help                  hints, watching, progress, reports

docs/exercises.md says more, also to lecturers. `tasks` has what students get, `answers` the model answers, `judges`
what is asked of each function and what is known to go wrong; `marking.py` searches, shrinks and explains.
"""
