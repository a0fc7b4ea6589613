"""The command line.

`main` parses and runs. `expected` opens a network and says what it takes, `methods` finds methods and their options,
`reading` turns files into inputs with the help of `images` and `tables`. `explain` and `ledger` are the two commands
that take pictures; `results` and `drawing` write what these find. `to_file` explains many images to disk.
"""
from minixnn.cli.main import main

__all__ = ["main"]
