"""python -m minixnn: see `cli/main.py`."""
import sys

from minixnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
