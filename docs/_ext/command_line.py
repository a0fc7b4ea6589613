"""The directive `command-line`: what every command says with --help, written out while the site is built."""
import argparse
import os

from sphinx.util.docutils import SphinxDirective

from minixnn.cli.main import parser


def commands():
    """{"minixnn explain": its parser, ...}, the whole command first."""
    whole = parser()
    found = {"minixnn": whole}
    for action in whole._actions:
        if isinstance(action, argparse._SubParsersAction):
            found.update({f"minixnn {name}": command for name, command in action.choices.items()})
    return found


class CommandLine(SphinxDirective):
    """A section for each command."""

    def run(self):
        os.environ["COLUMNS"] = "96"                    # what argparse takes for the width of the terminal
        lines = []
        for name, command in commands().items():
            lines += [f"``{name}``", "-" * (len(name) + 4), "", ".. code-block:: text", "",
                      *(f"   {line}".rstrip() for line in command.format_help().splitlines()), ""]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app):
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True}
