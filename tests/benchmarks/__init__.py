"""Measurements of speed and memory, side by side with other libraries: see `__main__.py` and `gpu.py`."""
