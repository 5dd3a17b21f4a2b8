"""``gluon-lr``, or ``python -m gluon_lr``: one door to every command."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Dict, List, NoReturn, Optional, Tuple

from . import __version__
from .cli import run

# name: (module with its main, what it does, how long it takes)
COMMANDS: Dict[str, Tuple[str, str, str]] = {
    "chapter": ("studies.chapter", "train the book's five networks, published beside reproduced", "7 min; --quick 1"),
    "tutorial": ("studies.tutorial", "the finder, then three rates on CIFAR-10", "5 min a seed; --quick 1"),
    "article": ("studies.article", "nine schedules on an MLP", "10 min a seed; --quick 1"),
    "talk": ("studies.talk", "schedules × rates with a vision transformer", "20 min a seed; --quick 1"),
    "beyond": ("studies.beyond", "schedules of other things than the rate", "6 min a seed; --quick 1"),
    "exercises": ("studies.exercises", "the chapter's exercises, worked", "20 min a seed; --quick 1"),
    "find": ("finder", "search for a learning rate of your own net", "about 150 updates"),
    "schedulers": ("schedulers", "draw every policy, or print one as CSV", "seconds"),
    "data": ("data", "fetch, verify or find a dataset", "minutes"),
}


def usage() -> str:
    """The list of commands, a line each."""
    lines = [f"  {name:10} {does} ({takes})" for name, (_, does, takes) in COMMANDS.items()]
    return "\n".join(["usage: gluon-lr COMMAND [options]; gluon-lr COMMAND --help lists them", "", *lines])


def main(argv: Optional[List[str]] = None) -> NoReturn:
    """Run the command that the first argument names; without one, list the commands."""
    arguments = sys.argv[1:] if argv is None else argv
    name, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])

    def command(given: Optional[List[str]]) -> int:
        if name in ("-h", "--help"):
            print(usage())
            return 0 if arguments else 2
        if name == "--version":
            print(f"gluon_lr {__version__}")
            return 0
        if name not in COMMANDS:
            print(f"gluon-lr: unknown command {name!r}; expected one of {', '.join(COMMANDS)}", file=sys.stderr)
            return 2
        return import_module(f".{COMMANDS[name][0]}.__main__", __package__).main(given)

    run(command, name, rest)


if __name__ == "__main__":
    main()
