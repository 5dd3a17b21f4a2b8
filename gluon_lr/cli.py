"""What all command lines share: errors of one line, exit codes, and arguments that are checked before work begins."""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import io
import logging
import math
import os
import re
import sys
from pathlib import Path
from typing import Any, Callable, List, NoReturn, Optional

from .errors import GluonLRError, UsageError


def program(command: str) -> str:
    """How ``command`` was called: ``gluon-lr chapter``, ``python -m gluon_lr.chapter``, or ``python script.py``."""
    if command.endswith(".py"):
        return f"python {command}"
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    module = getattr(spec, "name", "").replace(".__main__", "")
    if module.startswith("gluon_lr."):
        return f"python -m {module}"
    return f"python -m gluon_lr {command}" if module == "gluon_lr" else f"gluon-lr {command}"


class Parser(argparse.ArgumentParser):
    """An ``ArgumentParser`` whose error is one line that names the remedy, and that takes no abbreviations.

    Args:
        command: the command's name, such as ``chapter``.
        kwargs: passed on.
    """

    def __init__(self, command: str, **kwargs: Any) -> None:
        super().__init__(
            prog=program(command),
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}. See {self.prog} --help\n")


def accept_any_terminal() -> None:
    """Print a question mark where the terminal's encoding lacks a character such as ±."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def run(main: Callable[[Optional[List[str]]], int], command: str, argv: Optional[List[str]] = None) -> NoReturn:
    """Run a command's ``main`` and exit with 0 (success), 1 (failure), 2 (wrong usage) or 130 (interrupted)."""
    prog = program(command)
    accept_any_terminal()
    # Our own log is shown; MXNet's and matplotlib's is not.
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("gluon_lr").setLevel(logging.INFO)
    try:
        try:
            code = main(argv)
        except SystemExit as asked:  # of --help, whose text is still to be written out
            if not isinstance(asked.code, (int, type(None))):
                raise
            code = asked.code or 0
        if sys.stdout is not None:
            sys.stdout.flush()
    except GluonLRError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        fresh = " without --fresh" if "--fresh" in (sys.argv[1:] if argv is None else argv) else ""
        after = "nothing of it is kept" if command == "find" else f"the same command{fresh} goes on from here"
        print(f"{prog}: interrupted; {after}", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        _end_output()  # the reader of our output has closed the pipe
        code = 1
    except OSError as error:
        place = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
        advice = ". Free space or name another folder, then run it again" if place else ""
        print(f"{prog}: {error}{advice}", file=sys.stderr)
        _end_output()  # or what could not be written is tried again at the end
        code = 1
    sys.exit(code)


def _end_output() -> None:
    """Write out what is left; where that fails too, point standard output elsewhere, so that the interpreter's own
    attempt at the end is silent."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        sys.stdout.flush()
        return
    with contextlib.suppress(AttributeError, OSError, ValueError):  # there is none, or it is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def positive_int(text: str) -> int:
    """A whole number of at least 1, for ``type=``."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}") from None
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {value}")
    if value > 1_000_000:
        raise argparse.ArgumentTypeError(f"expected at most 1,000,000, got {value}")
    return value


def seed(text: str) -> int:
    """A seed, a whole number from 0 to 2³² − 1, for ``type=``."""
    from .arguments import MOST_SEED

    if not text.isdecimal() or int(text) > MOST_SEED:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to {MOST_SEED}, got {text!r}")
    return int(text)


def seeds(text: str) -> List[int]:
    """Seeds such as ``0``, ``0-4`` or ``1,3,5-7``, for ``type=``.

    Example:
        >>> seeds("1,3,5-7")
        [1, 3, 5, 6, 7]
    """
    chosen: List[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise argparse.ArgumentTypeError(f"expected seeds such as 0, 0-4 or 1,3,5, got {text!r}")
        low, high = int(first), int(last or first)
        if high < low or high - low >= 1000:
            raise argparse.ArgumentTypeError(f"expected a range of at most 1000 seeds, first-last, got {part!r}")
        if high >= 2**31:
            raise argparse.ArgumentTypeError(f"expected seeds below 2³¹, got {part!r}")
        chosen.extend(range(low, high + 1))
    return list(dict.fromkeys(chosen))


def choice_list(choices: List[str]) -> Callable[[str], List[str]]:
    """A comma-separated selection of ``choices`` in their own order, for ``type=``."""

    def parse(text: str) -> List[str]:
        wanted = [part.strip() for part in text.split(",")]
        unknown = [name for name in wanted if name not in choices]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown {unknown[0]!r}; expected some of {','.join(choices)}")
        return [name for name in choices if name in wanted]

    return parse


def check_context(text: str) -> str:
    """A context's name: ``auto``, ``cpu``, ``gpu`` or ``gpu:1``, for ``type=``; does not check that it exists."""
    kind, colon, index = text.partition(":")
    if kind not in ("auto", "cpu", "gpu") or (colon and (kind != "gpu" or not index.isdecimal())):
        raise argparse.ArgumentTypeError(f"unknown context {text!r}; expected auto, cpu, gpu or gpu:1")
    return text


def folder(text: str) -> Path:
    """The name of a folder, which need not exist, for ``type=``; ``~`` is expanded to a home folder."""
    if not text:
        raise argparse.ArgumentTypeError("an empty name; expected the name of a folder")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"cannot find {text!r}: {error}; expected a folder's name") from error


def file(text: str) -> Path:
    """The name of a file, which need not exist, for ``type=``; a folder is refused."""
    path = folder(text)
    if not path.name or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a folder; expected a file's name")
    return path


def imported(name: str) -> Callable[..., Any]:
    """Import the function ``module:function``; the module may lie in the current folder.

    Raises:
        UsageError: there is no such module, it fails, or there is no such function in it.
    """
    module, _, function = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        code = importlib.import_module(module)
    except ImportError as error:
        raise UsageError(f"cannot import {module!r} for {name!r}: {error}. Run the command where it lies") from error
    except Exception as error:  # of the user's own code
        raise UsageError(f"cannot import {module!r} for {name!r}: {type(error).__name__}: {error}") from error
    if not hasattr(code, function):
        raise UsageError(f"{module} has no {function!r}: expected a function, named as module:function")
    found = getattr(code, function)
    if not callable(found):
        raise UsageError(f"{name} is a {type(found).__name__}: expected a function")
    return found


def function_name(text: str) -> str:
    """``module:function``, for ``type=``."""
    if not re.fullmatch(r"\w+(\.\w+)*:\w+", text):
        raise argparse.ArgumentTypeError(f"expected a function, as module:function, got {text!r}")
    return text


def positive_rate(text: str) -> float:
    """A learning rate above 0, for ``type=``."""
    try:
        rate = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a rate such as 0.1, got {text!r}") from None
    if not (rate > 0 and math.isfinite(rate)):
        raise argparse.ArgumentTypeError(f"expected a finite number above 0, got {text}")
    return rate
