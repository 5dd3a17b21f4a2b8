"""The variations of the chapter that its command line allows: another rate, your own schedules, another net."""

from __future__ import annotations

import argparse
import importlib
import math
import os
import re
import sys
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from ...errors import UsageError

RATE = 0.5  # the chapter's


@dataclass(frozen=True)
class Variation:
    """How trainings differ from the chapter's.

    Attributes:
        lr: the constant rate; the other schedules' rates are scaled with it.
        schedules: name → ``module:function``; the function takes the rate, the epochs and the updates of an epoch,
            and gives a scheduler of updates.
        net: ``module:function`` of a function of the context that gives a net; None for LeNet.
    """

    lr: float = RATE
    schedules: Mapping[str, str] = field(default_factory=dict)
    net: Optional[str] = None

    @property
    def folder(self) -> str:
        """The name of a folder for such trainings; empty for the chapter's own. Your own schedules go into the same
        folder as the five."""
        words = [f"lr-{self.lr:g}"] if self.lr != RATE else []
        words += [re.sub(r"[^\w.]+", "-", self.net)] if self.net else []
        return "_".join(words)

    def settings(self, run: str) -> Dict[str, Any]:
        """What a run's specification adds to the chapter's; empty for the chapter's own runs."""
        from ...identity import identify

        found: Dict[str, Any] = {"lr": self.lr} if self.lr != RATE else {}
        if self.net:
            found["net"] = [self.net, identify(imported(self.net), f"the net {self.net}")]
        if run in self.schedules:
            name = self.schedules[run]
            found["schedule"] = [name, identify(imported(name), f"the schedule {name}")]
        return found


AS_IN_THE_CHAPTER = Variation()


def imported(name: str) -> Callable[..., Any]:
    """Import the function ``module:function``; the module may lie in the current folder.

    Raises:
        UsageError: there is no such module, or no such function in it.
    """
    module, _, function = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), function)
    except ImportError as error:
        raise UsageError(f"cannot import {module!r} for {name!r}: {error}. Run the command where it lies") from error
    except AttributeError as error:
        raise UsageError(f"{module} has no {function!r}: expected a function, named as module:function") from error
    if not callable(found):
        raise UsageError(f"{name} is a {type(found).__name__}: expected a function")
    return found


def function_name(text: str) -> str:
    """``module:function``, for ``type=``."""
    if not re.fullmatch(r"[\w.]+:\w+", text):
        raise argparse.ArgumentTypeError(f"expected a function, as module:function, got {text!r}")
    return text


def own_schedule(text: str) -> Tuple[str, str]:
    """``NAME=module:function``, for ``type=``.

    Example:
        >>> own_schedule("halved=my_schedules:halved")
        ('halved', 'my_schedules:halved')
    """
    name, equals, function = text.partition("=")
    if not equals or not re.fullmatch(r"[\w.+-]+", name):
        raise argparse.ArgumentTypeError(f"expected a schedule, as NAME=module:function, got {text!r}")
    return name, function_name(function)


def positive_rate(text: str) -> float:
    """A learning rate above 0, for ``type=``."""
    try:
        rate = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a rate such as 0.1, got {text!r}") from None
    if not (rate > 0 and math.isfinite(rate)):
        raise argparse.ArgumentTypeError(f"expected a finite number above 0, got {text}")
    return rate
