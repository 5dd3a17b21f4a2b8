"""The variations of the chapter that its command line allows: another rate, your own schedules, another net."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple

from ...cli import function_name, imported

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


def own_schedule(text: str) -> Tuple[str, str]:
    """``NAME=module:function``, for ``type=``.

    Example:
        >>> own_schedule("halved=my_schedules:halved")
        ('halved', 'my_schedules:halved')
    """
    name, equals, function = text.partition("=")
    if not equals or not re.fullmatch(r"[^\W_][\w.+-]*", name):
        raise argparse.ArgumentTypeError(
            f"expected a schedule, as NAME=module:function with a name that begins with a letter or digit, got {text!r}"
        )
    return name, function_name(function)
