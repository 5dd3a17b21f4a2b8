"""What ``compare`` takes: numbers of any library, and schedules as functions of the rate."""

from __future__ import annotations

import inspect
import math
import re
from typing import Any, Dict, List, Mapping, Sequence

from mxnet.lr_scheduler import LRScheduler

from ...arguments import real_number, shown
from ...errors import UsageError
from ...experiments.spec import RunSpec

_LONGEST = 216  # bytes of a run's name: most systems allow 255 of a file's, and 39 are for what it ends in
_RATES = ("base_lr", "max_lr")  # what schedules call the rate that they are built on


def rate(name: str, value: Any) -> float:
    """A rate: a finite number, not negative, of Python's, NumPy's or MXNet's, as Python's.

    Raises:
        UsageError: it is none.
    """
    number = real_number(name, value)
    if not (math.isfinite(number) and number >= 0):
        raise UsageError(f"{name} is {number:g}: expected a finite number, at least 0")
    return number


def several(values: Any, name: str, convert: Any, example: str) -> List[Any]:
    """A list of different numbers.

    Raises:
        UsageError: it is empty, no list, or has a number twice.
    """
    try:
        numbers = [convert(f"{name}[{place}]", value) for place, value in enumerate(values)]
    except TypeError as error:
        raise UsageError(f"{name} is {shown(values)}: expected several, such as {example}") from error
    if not numbers:
        raise UsageError(f"nothing to compare: {name} is empty; expected at least one, such as {example}")
    twice = [number for number in numbers if numbers.count(number) > 1]
    if twice:
        raise UsageError(f"{name} has {twice[0]:g} twice: expected each once")
    return numbers


def require_own_names(rates: List[float]) -> List[float]:
    """The rates, whose first six digits name their runs.

    Raises:
        UsageError: two have the same six.
    """
    named: Dict[str, float] = {}
    for number in rates:
        other = named.setdefault(f"{number:g}", number)
        if other != number:
            raise UsageError(f"lrs has {other!r} and {number!r}: expected rates that differ in their first six digits")
    return rates


def require_own_files(specs: Sequence[RunSpec]) -> None:
    """Refuse schedules whose runs would share a file's name, or have one that is too long.

    Raises:
        UsageError: naming the schedules.
    """
    named: Dict[str, RunSpec] = {}
    for spec in specs:
        name = spec.settings["schedule"]
        if len(spec.key.encode()) > _LONGEST:
            raise UsageError(
                f"the name of the schedule {name[:40] + '…'!r} is too long for a file: expected at most {_LONGEST} "
                "bytes with rate, epochs and seed; give it a shorter one"
            )
        other = named.setdefault(spec.key, spec).settings["schedule"]
        if other != name:
            raise UsageError(
                f"the schedules {other!r} and {name!r} would have the same files: give them names that differ in "
                "letters or digits"
            )


def require_context_name(ctx: Any) -> None:
    """Refuse what names no context; whether this machine or a cluster's has it is found where a run begins.

    Raises:
        UsageError: it does not.
    """
    if not isinstance(ctx, str) or not re.fullmatch(r"auto|cpu|gpu(:\d+)?", ctx):
        raise UsageError(f"ctx is {shown(ctx)}: expected auto, cpu, gpu or gpu:1")


def require_functions(schedules: Any) -> None:
    """Refuse what is not name → function of the rate, with the line to write instead.

    Raises:
        UsageError: naming the first entry.
    """
    if not isinstance(schedules, Mapping):
        raise UsageError(f"schedules is {shown(schedules)}: expected a dict, name → function of the rate")
    if not schedules:
        raise UsageError("nothing to compare: schedules is empty; expected name → function of the rate")
    for name, make in schedules.items():
        if not isinstance(name, str):
            raise UsageError(f"the name of a schedule is {shown(name)}: expected text")
        where = f"schedules[{name!r}]"
        if not re.fullmatch(r"[^\W_][^$|<>`−\x00-\x1f]*", name):
            raise UsageError(
                f"the name of a schedule is {name!r}: expected a letter or digit first, and after it none of "
                "$ | < > ` − or a line break, since tables and pictures show it"
            )
        try:
            number = None if callable(make) else rate(where, make)
        except UsageError:
            number = None
        if number is not None:
            raise UsageError(
                f"{where} is {number:g}, a number: expected a function of the rate; write "
                f"{{{name!r}: lambda lr: lr}} with lrs=[{number:g}]"
            )
        if not callable(make):
            raise UsageError(
                f"{where} is {shown(make)}: expected a function of the rate, such as "
                f"{{{name!r}: lambda lr: CosineScheduler(400, lr)}}"
            )
        if isinstance(make, type) and issubclass(make, LRScheduler):
            first = next(iter(_parameters(make)), "nothing")
            if first not in _RATES:
                raise UsageError(
                    f"{where} is the class {make.__name__}, which takes {first} first: expected a function of the "
                    f"rate; write {{{name!r}: lambda lr: {make.__name__}(…, base_lr=lr)}}"
                )
        if isinstance(make, LRScheduler):
            raise UsageError(
                f"{where} is {_call(make)}, a schedule: expected a function of the rate; write "
                f"{{{name!r}: lambda lr: {_call(make, 'lr')}}}"
            )


def _parameters(kind: type) -> Dict[str, inspect.Parameter]:
    """The arguments of a class, asked of ``__init__``: Python 3.8 shows those of ``__new__`` for the class itself."""
    return dict(list(inspect.signature(kind.__init__).parameters.items())[1:])


def _call(schedule: Any, rate: str = "") -> str:
    """The call that makes a schedule, ours or MXNet's; with ``rate`` in the place of its base rate."""
    arguments: List[str] = []
    positional = True
    for name, parameter in _parameters(type(schedule)).items():
        value = getattr(schedule, name, parameter.default)
        is_rate = rate and name in _RATES
        if not is_rate and (value is parameter.default or repr(value) == repr(parameter.default)):
            positional = False
            continue
        text = rate if is_rate else _call(value, rate) if isinstance(value, LRScheduler) else repr(value)
        arguments.append(text if positional else f"{name}={text}")
        positional = positional and name != "base_lr"
    return f"{type(schedule).__name__}({', '.join(arguments)})"
