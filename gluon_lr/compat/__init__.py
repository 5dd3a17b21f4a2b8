"""MXNet 1.9.1 on today's Pythons and NumPys: a few patches, applied when ``mxnet`` is first imported.

MXNet is retired; its last wheel was made for NumPy 1.19 and Python 3.8. It still computes the same bits on Python 3.14
and NumPy 2.5 once the names that it looks for are there. :func:`mxnet_spec` finds MXNet for the import hook that
``import gluon_lr`` sets, checks the machine, and runs the patches of ``patches.py`` around MXNet's own import. Each is
applied only where it is needed, and returns a note on what it did. ``python -m gluon_lr.compat`` shows what this
machine has and which patches it needs.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import platform
import re
import sys
import types
import warnings

from .. import NEWEST_PYTHON, OLDEST_PYTHON
from ..errors import MissingDependencyError
from .patches import AFTER, BEFORE

NEWEST_NUMPY = (2, 5)  # what the tests were run with; docs/platforms.md has the table
applied: "dict[str, str]" = {}  # what each patch did in this process


def check_machine() -> None:
    """Refuse a machine or Python on which MXNet was never tried.

    Raises:
        MissingDependencyError: the system is not Linux, the processor is not x86_64, or Python is outside 3.8-3.14.
    """
    supported = "gluon_lr runs on 64-bit x86 Linux with Python {}.{} to {}.{}".format(*OLDEST_PYTHON, *NEWEST_PYTHON)
    if not sys.platform.startswith("linux"):
        raise MissingDependencyError(f"{supported}, this is {sys.platform}. Use a Linux container or, on Windows, WSL")
    if platform.machine() not in ("x86_64", "AMD64") or sys.maxsize < 2**32:
        bits = 64 if sys.maxsize > 2**32 else 32
        raise MissingDependencyError(
            f"{supported}, this is a {bits}-bit Python on {platform.machine()}. "
            "Use another machine, or a container that emulates x86_64"
        )
    if not OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        raise MissingDependencyError(
            "{}, this is Python {}.{}. Make an environment with one of those, for example: "
            "make PYTHON=python3.11".format(supported, *sys.version_info[:2])
        )


def mxnet_spec(hook: object) -> importlib.machinery.ModuleSpec:
    """Ask the other finders where MXNet is, and give it a loader that patches it.

    Raises:
        MissingDependencyError: this machine cannot run MXNet, or it is not installed.
    """
    check_machine()
    finders = [finder for finder in sys.meta_path if finder is not hook and hasattr(finder, "find_spec")]
    spec = next(filter(None, (finder.find_spec("mxnet", None) for finder in finders)), None)
    if spec is None or spec.loader is None:
        # From 3.13 on no NumPy with a wheel satisfies what MXNet declares; its dependencies come with gluon_lr.
        no_deps = " --no-deps" if sys.version_info >= (3, 13) else ""
        raise MissingDependencyError(f"MXNet is not installed: python -m pip install{no_deps} mxnet==1.9.1")
    load = spec.loader.exec_module

    def load_patched(module: types.ModuleType) -> None:
        prepare()
        try:
            with warnings.catch_warnings():
                # NumPy and distutils may warn of names that MXNet asks for; the user can do nothing about it.
                for category in (DeprecationWarning, FutureWarning):
                    warnings.filterwarnings("ignore", category=category, module="mxnet")
                load(module)
            mend()
        except BaseException as error:
            forget_half_imported()
            if isinstance(error, OSError) and ".so" in str(error):
                raise MissingDependencyError(_missing_library(str(error))) from error
            raise

    spec.loader.exec_module = load_patched
    return spec


def prepare() -> None:
    """Do what has to be done before MXNet's own import."""
    import numpy as np

    version = tuple(int(number) for number in re.findall(r"\d+", np.__version__)[:2])
    if version > NEWEST_NUMPY:
        major, minor = NEWEST_NUMPY
        warnings.warn(
            f"NumPy {np.__version__} is newer than {major}.{minor}, the newest that gluon_lr was tested with. "
            f"If something fails: python -m pip install 'numpy<{major}.{minor + 1}'",
            stacklevel=2,
        )
    _apply(BEFORE)


def mend() -> None:
    """Do what has to be done after MXNet's own import."""
    _apply(AFTER)


def _apply(patches: tuple) -> None:
    for patch in patches:
        applied[patch.__name__] = patch() or applied.get(patch.__name__, "")


def forget_half_imported() -> None:
    """Remove what an import of MXNet that failed left in ``sys.modules``, so that the next one starts over."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "mxnet"]:
        del sys.modules[name]


def _missing_library(message: str) -> str:
    library = message.partition(":")[0]
    packages = {"libgomp.so.1": "libgomp1", "libquadmath.so.0": "libquadmath0"}
    remedy = (
        f"apt-get install {packages[library]}"
        if library in packages
        else "install the package that has it (Debian's libgomp1 and libquadmath0 are what slim images lack)"
    )
    return f"MXNet's library does not load ({message}). Remedy: {remedy}"
