"""The machine and the versions that a run was made with."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from pathlib import Path
from typing import Any, Dict, Optional

from .. import __version__


def environment(ctx: Any) -> Dict[str, Any]:
    """What a run depends on beyond its specification."""
    import mxnet as mx
    import numpy as np

    return {
        "python": platform.python_version(),
        "gluon_lr": __version__,
        "commit": commit(),
        "mxnet": mx.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads(os.environ.get("OMP_NUM_THREADS", "")),
        "context": str(ctx),
    }


def threads(setting: str) -> Optional[int]:
    """What OMP_NUM_THREADS asks for, of its first level where it has several; None where it asks for nothing.

    Example:
        >>> threads("4"), threads("4,2"), threads("")
        (4, 4, None)
    """
    first = setting.partition(",")[0].strip()
    return int(first) or None if first.isdecimal() else None


@functools.lru_cache(maxsize=None)
def commit() -> Optional[str]:
    """The commit of the clone that this code runs from, ``-dirty`` where files were changed; None without a clone."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def processor() -> str:
    """The processor's name, where the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
