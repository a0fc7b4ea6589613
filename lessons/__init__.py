"""The lessons: scripts to be read, run and stepped through. `python -m lessons` runs them all."""
