"""``python -m gluon_lr.chapter``: the project's best-known command."""

from .cli import run
from .studies.chapter.__main__ import main

if __name__ == "__main__":
    run(main, "chapter")
