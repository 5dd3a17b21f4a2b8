"""Find out whether a module was installed, and so has a package's name and version, or is the user's own."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import os
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, Optional, Tuple

_OURS = __name__.partition(".")[0]


def installed(name: str) -> Optional[str]:
    """The package that a loaded module came with and its version; None where the module is the user's own.

    Python's own modules and ours have no version: what records keep of them does not change with it.

    Example:
        >>> installed("json.decoder"), installed("__main__")
        ('Python', None)
    """
    top = name.partition(".")[0]
    module = sys.modules.get(top)
    if top == _OURS:
        return _OURS
    if module is None or name == "__main__":
        return None
    spec = getattr(module, "__spec__", None)
    place = getattr(module, "__file__", None) or getattr(spec, "origin", None)
    if place is None:  # a namespace package
        place = next(iter(getattr(module, "__path__", ())), None)
    owner = _owner(place)
    return f"{top} {_version(top)}" if owner == "installed" else owner


def _owner(place: Optional[str]) -> Optional[str]:
    if place in ("built-in", "frozen"):
        return "Python"
    if place is None:
        return None
    if {"site-packages", "dist-packages"} & set(Path(place).parts):
        return "installed"
    return "Python" if any(root in Path(place).parents for root in _standard_library()) else None


@functools.lru_cache(maxsize=1)
def _standard_library() -> Any:
    return tuple({Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")})


@functools.lru_cache(maxsize=None)
def _version(top: str) -> str:
    version = getattr(sys.modules[top], "__version__", None)
    if isinstance(version, str):
        return version
    try:
        return metadata.version(top)
    except metadata.PackageNotFoundError:
        return ""


def own_files() -> Tuple[Tuple[str, int], ...]:
    """The files of the user's own modules that are loaded, each with the time of its last change."""
    found = {}
    for name, module in list(sys.modules.items()):
        own = issubclass(type(module), ModuleType)  # and not vars(), which would load what is imported lazily
        file = object.__getattribute__(module, "__dict__").get("__file__") if own else None
        if isinstance(file, str) and name.partition(".")[0] != _OURS and _owner(file) is None:
            with contextlib.suppress(OSError):  # of a module that was never a file
                found[file] = os.stat(file).st_mtime_ns
    return tuple(sorted(found.items()))


def is_global(value: Any, module: str, qualname: str) -> bool:
    """Whether ``module`` has ``value`` under this name. It has not if the value was made within a function or poses as
    another one."""
    found: Any = sys.modules.get(module)
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found is value


def imported(name: str, level: int, variables: Dict[str, Any]) -> Optional[ModuleType]:
    """A module of the user's own that a function with these global variables imports; None for any other."""
    try:
        absolute = importlib.util.resolve_name("." * level + name, variables.get("__package__") or "")
        spec = importlib.util.find_spec(absolute.partition(".")[0])
        if spec is None or _owner(spec.origin or next(iter(spec.submodule_search_locations or ()), None)) is not None:
            return None
        module = importlib.import_module(absolute)
    except (ImportError, ValueError, AttributeError):
        return None
    return None if installed(absolute) else module
