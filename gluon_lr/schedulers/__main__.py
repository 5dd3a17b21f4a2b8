"""``python -m gluon_lr.schedulers``: draw the gallery, or print one schedule as CSV."""

from __future__ import annotations

import ast
import inspect
import math
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from .. import schedulers
from ..cli import Parser, file, positive_int, run
from ..errors import UsageError
from ..files import writable_folder
from .arguments import refuse_unknown
from .base import Scheduler

NAMES = [
    name for name in schedulers.__all__ if name not in ("Scheduler", "ForeignScheduler", "FunctionScheduler", "pure")
]


_LONGEST = 1_000_000  # lines, as --n allows


def parse_schedule(name: str, arguments: List[str], n: Optional[int] = None) -> Tuple[Scheduler, List[float]]:
    """The schedule called ``name`` with ``arguments`` such as ``max_update=40``, which are Python literals, and its
    first ``n`` rates; by default those from t = 0 to its end, or 100 where it has none.

    Raises:
        UsageError: the name or an argument is unknown, a value is none that gives finite rates, or the schedule is too
            long to be printed whole.

    Example:
        >>> parse_schedule("CosineScheduler", ["max_update=4", "base_lr=1.0"], 2)
        (CosineScheduler(max_update=4, base_lr=1.0, final_lr=0.0), [1.0, 0.8535533905932737])
    """
    known = {key.lower().replace("scheduler", ""): key for key in NAMES}
    key = name.lower().replace("scheduler", "").replace("-", "")
    if key not in known:
        raise UsageError(f"unknown schedule {name!r}: expected one of {', '.join(NAMES)}")
    kind = getattr(schedulers, known[key])
    accepted = list(inspect.signature(kind.__init__).parameters)[1:]
    values: Dict[str, Any] = {}
    for argument in arguments:
        option, equals, text = argument.partition("=")
        if not equals:
            raise UsageError(
                f"{argument!r} is no argument of {known[key]}: expected {', '.join(accepted)}, as name=value"
            )
        refuse_unknown(kind, [option])
        if option in values:
            raise UsageError(f"{option} is given twice: expected once")
        try:
            values[option] = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            values[option] = text
    try:
        schedule = kind(**values)
        rates = schedule.values(_whole_length(schedule) if n is None else n).tolist()
        if not all(math.isfinite(rate) for rate in rates):
            raise ValueError("its rates are not all finite")
    except UsageError:
        raise
    except (TypeError, ZeroDivisionError, ValueError, OverflowError) as error:
        missing = [name for name in _required(kind) if name not in values]
        what = f"needs {' and '.join(missing)}, as name=value" if missing else str(error)
        raise UsageError(f"{known[key]}: {what}. It takes {', '.join(accepted)}") from error
    return schedule, rates


def _required(kind: type) -> List[str]:
    """The arguments of a schedule that have no default."""
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    return [parameter.name for parameter in parameters if parameter.default is parameter.empty]


def _whole_length(schedule: Scheduler) -> int:
    """How many t there are from 0 to the end of ``schedule``, or 100 where it has no end."""
    if not schedule.length:
        return 100
    if schedule.length >= _LONGEST:
        raise UsageError(f"the schedule is {schedule.length:g} long: say with --n how many rates to print")
    return math.ceil(schedule.length) + 1


def main(argv: Optional[List[str]] = None) -> int:
    """The command line; the exit code."""
    parser = Parser(
        "schedulers",
        description="Draw every policy on one sheet, or print one as CSV: CosineScheduler max_update=40 base_lr=0.5. "
        "Writes one PNG (or nothing, with a schedule's name); takes seconds.",
    )
    parser.add_argument("name", nargs="?", help="a schedule, such as CosineScheduler or one-cycle; default: draw all")
    parser.add_argument("arguments", nargs="*", help="its arguments, as name=value")
    parser.add_argument("--n", type=positive_int, help="how many t to print, from 0 (default: to its end, or 100)")
    parser.add_argument("--out", type=file, metavar="FILE", help="the sheet (default my_runs/schedulers.png)")
    options = parser.parse_args(argv)
    if options.name is None:
        if options.n is not None:
            raise UsageError("--n says how many rates of one schedule to print: name it too, or leave --n out")
        from ..report.figures import save_png
        from ..report.gallery import gallery

        path = options.out or writable_folder(Path("my_runs")) / "schedulers.png"
        print(save_png(gallery(), path))
        return 0
    if options.out is not None:
        raise UsageError("--out is where the sheet of all schedules goes: leave it out, one schedule is printed")
    _, rates = parse_schedule(options.name, options.arguments, options.n)
    print("t,rate")
    for t, rate in enumerate(rates):
        print(f"{t},{rate!r}")
    return 0


if __name__ == "__main__":
    run(main, "schedulers")
