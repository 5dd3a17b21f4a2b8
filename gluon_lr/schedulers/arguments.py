"""Check the arguments of a schedule, and know what other libraries call them."""

from __future__ import annotations

import inspect
import math
import numbers
from typing import Any, Dict, Optional, Sequence, Tuple

import numpy as np

from ..errors import UsageError

# Names that users of Keras, PyTorch, transformers and MXNet type, and what they may be called here.
WORDS: Dict[str, Tuple[str, ...]] = {
    **dict.fromkeys(
        ("lr", "learning_rate", "initial_lr", "init_lr", "initial_learning_rate", "max_lr", "base_lr"),
        ("base_lr", "max_lr", "lr"),
    ),
    **dict.fromkeys(
        ("eta_min", "min_lr", "end_lr", "lr_end", "end_learning_rate", "target_lr", "final_lr", "stop_factor_lr"),
        ("final_lr", "stop_factor_lr", "low"),
    ),
    **dict.fromkeys(
        ("T_max", "total_steps", "total_iters", "max_epochs", "max_steps", "max_iters", "num_training_steps")
        + ("decay_steps", "epochs", "nepochs", "niters", "length", "max_update"),
        ("max_update", "length", "updates_per_epoch"),
    ),
    **dict.fromkeys(("steps_per_epoch", "iters_per_epoch", "batches_per_epoch"), ("updates_per_epoch",)),
    **dict.fromkeys(("T_0", "first_decay_steps", "first_cycle_steps"), ("first_cycle",)),
    **dict.fromkeys(("T_mult", "t_mul", "cycle_mult"), ("multiplier",)),
    "m_mul": ("decay",),
    **dict.fromkeys(("gamma", "decay_rate", "decay_factor", "alpha", "step_factor"), ("factor", "decay")),
    **dict.fromkeys(("step_size", "drop_every", "epochs_drop"), ("step", "up")),
    **dict.fromkeys(("milestones", "step", "steps", "boundaries"), ("steps", "boundaries", "step")),
    **dict.fromkeys(("values", "lrs"), ("rates",)),
    **dict.fromkeys(
        ("warmup_steps", "num_warmup_steps", "warmup_epochs", "warmup_iters", "warmup_updates"), ("warmup",)
    ),
    **dict.fromkeys(("warmup_begin_lr", "warmup_start_lr", "start_lr", "init_value"), ("begin_lr",)),
    **dict.fromkeys(("warmup_mode", "warmup_strategy"), ("mode",)),
    **dict.fromkeys(("pwr", "exponent"), ("power",)),
    "pct_start": ("rise",),
    **dict.fromkeys(("div_factor", "div"), ("initial_divisor",)),
    **dict.fromkeys(("final_div_factor", "div_final"), ("final_divisor",)),
    **dict.fromkeys(("anneal_strategy", "decay_type"), ("curve",)),
    "step_size_up": ("up",),
    "step_size_down": ("down",),
    "base_momentum": ("low",),
    "max_momentum": ("high",),
    **dict.fromkeys(("scheduler", "lr_scheduler", "base_scheduler", "after_scheduler"), ("schedule",)),
    "schedulers": ("schedules",),
    **dict.fromkeys(("fn", "lr_lambda", "lambda_lr"), ("function",)),
}


def require(condition: bool, message: str) -> None:
    """Raise :class:`UsageError` unless ``condition`` holds."""
    if not condition:
        raise UsageError(message)


def plain(value: Any) -> Any:
    """A number of NumPy's, or an array of NumPy's or MXNet's that holds one number, as Python's; else ``value`` itself.

    Example:
        >>> plain(np.int64(3)), plain(np.array(0.5)), plain("3")
        (3, 0.5, '3')
    """
    if hasattr(value, "asnumpy"):
        value = value.asnumpy()
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else value


def rate_of(value: Any, giver: Any, t: float) -> float:
    """The rate that a function or another library's scheduler gave at t.

    Raises:
        UsageError: it is no number.
    """
    if type(value) is float:
        return value
    number = plain(value)
    try:
        if not isinstance(number, (str, bool, np.bool_)):
            return float(number)
    except (TypeError, ValueError):
        pass
    raise UsageError(f"{named(giver)} gave {named(number)} at t = {t:g}: expected a number, the rate")


def named(value: Any) -> str:
    """``value`` and its type on one short line, for a message.

    Example:
        >>> named("35"), named(35)
        ("'35' (str)", '35')
    """
    text = " ".join(repr(value).split())
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return text if type(value) in (int, float, type(None)) else f"{text} ({type(value).__name__})"


def checked(
    value: Any,
    label: str,
    *,
    least: Optional[float] = None,
    above: Optional[float] = None,
    most: Optional[float] = None,
    below: Optional[float] = None,
    whole: bool = False,
    infinite: bool = False,
) -> Any:
    """``value`` as a plain Python number within limits.

    Args:
        value: the caller's; neither a bool nor NaN counts as a number.
        label: its name in the message.
        least, above, most, below: the limits; default none.
        whole: only whole numbers, and an int is returned; default False.
        infinite: whether infinity is allowed; default False.

    Raises:
        UsageError: naming the value, its type, and what was expected.

    Example:
        >>> checked(np.float32(0.5), "rise", least=0, most=1)
        0.5
    """
    number = plain(value)
    fits = isinstance(number, (int, float)) and not isinstance(number, bool)
    if fits and isinstance(number, float):
        fits = not math.isnan(number) and (infinite or not math.isinf(number))
    if fits and whole:
        fits = number == int(number)
    if (
        not fits
        or (least is not None and number < least)
        or (above is not None and number <= above)
        or (most is not None and number > most)
        or (below is not None and number >= below)
    ):
        limits = (("at least", least), ("more than", above), ("at most", most), ("less than", below))
        bounds = " and ".join(f"{words} {limit:g}" for words, limit in limits if limit is not None)
        unbounded = isinstance(number, float) and not math.isfinite(number) and not infinite
        kind = "a whole number" if whole else "a finite number" if unbounded else "a number"
        raise UsageError(f"{label} is {named(number)}: expected {kind}{' of ' if bounds else ''}{bounds}")
    return int(number) if whole else number


def number(schedule: Any, *names: str, optional: bool = False, **limits: Any) -> None:
    """Turn arguments of a schedule into plain numbers within the limits of :func:`checked`.

    Args:
        schedule: whose attributes they are.
        names: the arguments.
        optional: whether None is allowed; default False.
        limits: passed on.

    Raises:
        UsageError: one is not such a number.
    """
    for name in names:
        value = schedule.__dict__.get(name)
        if not (optional and value is None):
            schedule.__dict__[name] = checked(value, f"{type(schedule).__name__}: {name}", **limits)


def numbers_of(schedule: Any, name: str, **limits: Any) -> None:
    """Make an argument of a schedule a tuple of plain numbers within limits.

    Raises:
        UsageError: it is not a sequence, or an item is not such a number.
    """
    label, value = f"{type(schedule).__name__}: {name}", schedule.__dict__[name]
    items = value.asnumpy() if hasattr(value, "asnumpy") else value
    if isinstance(items, (str, bytes, dict)) or not hasattr(items, "__iter__") or getattr(items, "ndim", 1) != 1:
        raise UsageError(f"{label} is {named(value)}: expected a list of numbers")
    schedule.__dict__[name] = tuple(checked(item, f"{label}[{i}]", **limits) for i, item in enumerate(items))


def ascending(schedule: Any, name: str) -> None:
    """Refuse points that do not ascend.

    Raises:
        UsageError: naming them.
    """
    points = schedule.__dict__[name]
    require(
        all(a < b for a, b in zip(points, points[1:])),
        f"{type(schedule).__name__}: {name} is {named(list(points))}: expected numbers that ascend",
    )


def choice(schedule: Any, name: str, options: Sequence[str]) -> None:
    """Refuse an argument that is not among ``options``.

    Raises:
        UsageError: naming them.
    """
    value = schedule.__dict__[name]
    require(
        isinstance(value, str) and value in options,
        f"{type(schedule).__name__}: {name} is {named(value)}: expected one of {', '.join(options)}",
    )


def flag(schedule: Any, name: str) -> None:
    """Refuse an argument that is neither True nor False.

    Raises:
        UsageError: naming it.
    """
    value = schedule.__dict__[name]
    require(
        isinstance(value, (bool, np.bool_)),
        f"{type(schedule).__name__}: {name} is {named(value)}: expected True or False",
    )
    schedule.__dict__[name] = bool(value)


def refuse_unknown(kind: type, given: Sequence[str], words: Optional[Dict[str, Any]] = None) -> None:
    """Refuse names that are not arguments of ``kind``; the error says what the argument is called here, if it exists.

    Args:
        kind: a class.
        given: the names of arguments.
        words: what to call the words of others: names to try, or a sentence; default :data:`WORDS`.

    Raises:
        UsageError: for the first unknown one.
    """
    parameters = inspect.signature(kind.__init__).parameters.values()
    accepted = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)][1:]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return
    for word in given:
        if word in accepted:
            continue
        ours = (WORDS if words is None else words).get(word, ())
        if isinstance(ours, str):
            advice = ours
        elif any(name in accepted for name in ours):
            advice = f"it is called {next(name for name in ours if name in accepted)} here"
            if "epochs" in word:
                advice += ", in updates: epochs times updates per epoch, or in epochs within a PerEpochScheduler"
        elif "warmup" in (word, *ours):
            advice = f"a warmup goes around it, as in WarmupScheduler({kind.__name__}(...), warmup=...)"
        else:
            advice = f"it takes {', '.join(accepted)}"
        raise UsageError(f"{kind.__name__} has no argument {word!r}: {advice}")
