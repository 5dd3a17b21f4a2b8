"""Find out whether somebody is looking: we draw progress only on a terminal and in a notebook."""

from __future__ import annotations

import sys


def visible() -> bool:
    """Whether standard error is a terminal, or this runs in a notebook."""
    return sys.stderr.isatty() or in_notebook()


def in_notebook() -> bool:
    """Whether this runs in a notebook's kernel."""
    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"
