"""The command line: `main` parses and runs, `images` reads files, `to_file` explains many images to disk."""
from minixnn.cli.main import main

__all__ = ["main"]
