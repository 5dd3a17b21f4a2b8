"""``gluon-lr find module:make_net``: search for a learning rate of your own net, print it and draw it."""

from __future__ import annotations

import argparse
import ast
import contextlib
import traceback
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ..cli import Parser, check_context, folder, function_name, imported, positive_int, positive_rate, run, seed
from ..errors import GluonLRError, UsageError
from ..files import writable_folder

DATASETS = ("fashion-mnist", "cifar10")
# The options of a search of a bare net, and what of a user's Learner they would stand in for.
OF_A_NET = {"data": "data", "batch_size": "data", "data_dir": "data", "loss": "loss",
            "optimizer": "trainer", "param": "trainer"}  # fmt: skip


def main(argv: Optional[List[str]] = None) -> int:
    """The command line; the exit code."""
    options = _parser().parse_args(argv)
    learner = _learner(options)
    if options.out.exists() and not options.out.is_dir():
        raise UsageError(f"--out {options.out} is a file: expected a folder")

    from ..experiments.run import seed_everything
    from . import LRFinder

    seed_everything(options.seed)
    with _failing_in_a_line("the search"):
        result = LRFinder(learner).find(options.lr_start, options.multiplier, lr_stop=options.lr_stop,
                                        repeats=options.repeats)  # fmt: skip
    print(result)
    for rule, suggestion in result.suggestions.items():
        print(f"  {rule:9} {_reading(result.combined.get(rule), suggestion)}")
    for path in _write(result, options.out):
        print(path)
    return 0


def _parser() -> Parser:
    parser = Parser(
        "find",
        description="Search for a learning rate: one update at each of ever greater rates, from the net as it is.\n"
        "Prints what each rule reads off the curve. Writes find.png, find.csv and find.json.\n"
        "Takes as long as about 150 updates, for each of the repeats.",
    )
    add = parser.add_argument
    add("make", type=function_name, metavar="module:function",
        help="a function of the context, for a net, or a Learner with loss, data and trainer of its own")  # fmt: skip
    add("--data", default=DATASETS[0], metavar="DATA",
        help=f"{' or '.join(DATASETS)}, or module:function for a loader (default {DATASETS[0]})")  # fmt: skip
    add("--batch-size", type=positive_int, default=256, help="of the two datasets (default 256)")
    add("--loss", type=function_name, metavar="module:function",
        help="a function of nothing, for a loss (default softmax cross-entropy)")  # fmt: skip
    add("--optimizer", default="sgd", help="by its name in MXNet (default sgd)")
    add("--param", action="append", default=[], metavar="NAME=VALUE",
        help="of the optimizer, such as momentum=0.9; may be given again")  # fmt: skip
    add("--lr-start", type=positive_rate, default=1e-6, metavar="RATE", help="the first rate (default 1e-6)")
    add("--lr-stop", type=positive_rate, default=100.0, metavar="RATE", help="the greatest rate (default 100)")
    add("--multiplier", type=positive_rate, default=1.1, metavar="FACTOR", help="from rate to rate (default 1.1)")
    add("--repeats", type=positive_int, default=1, help="searches that are judged together (default 1)")
    add("--seed", type=seed, default=0, help="of initialization and data (default 0)")
    add("--ctx", type=check_context, default="auto", help="auto, cpu, gpu or gpu:1 (default auto)")
    add("--data-dir", type=folder, metavar="FOLDER", help="folder that holds a folder per dataset")
    add("--out", type=folder, default=Path("my_runs") / "find", help="folder to write to (default my_runs/find)")
    return parser


def _learner(options: Any) -> Any:
    """What is searched: the user's net on the data that the options name, or the user's own learner."""
    from mxnet import gluon

    from .. import optimizers  # noqa: F401  # so that adamw is known by its name
    from ..experiments.run import seed_everything
    from ..training import try_context
    from .learner import Learner, initialize_missing

    context = try_context(options.ctx)
    seed_everything(options.seed)
    net = _call(options.make, context)
    if hasattr(net, "iteration"):  # a learner of the user's own
        _refuse_unused(options)
        return net
    if not isinstance(net, gluon.Block):
        raise UsageError(f"{options.make} gave {net!r}: expected a Gluon net or a Learner")
    initialize_missing(net, [context])
    rule = _parameters(options.param)
    loss = _call(options.loss) if options.loss else gluon.loss.SoftmaxCrossEntropyLoss()
    try:
        trainer = gluon.Trainer(net.collect_params(), options.optimizer, rule)
    except (AssertionError, TypeError, ValueError) as error:
        raise UsageError(f"--optimizer {options.optimizer}: {error}") from error
    data = _data(options)
    with _failing_in_a_line("the net on its data"):
        return Learner(net, data, context, loss, trainer)


def _refuse_unused(options: Any) -> None:
    """Refuse what would have no effect beside a Learner of the user's own."""
    unchanged = _parser()
    for name, part in OF_A_NET.items():
        if getattr(options, name) != unchanged.get_default(name):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{options.make} gave a Learner, and a Learner brings its own {part}: leave {option} out")


def _data(options: Any) -> Any:
    from ..data import load_data_cifar10, load_data_fashion_mnist

    if options.data in DATASETS:
        load = load_data_fashion_mnist if options.data == DATASETS[0] else load_data_cifar10
        return load(options.batch_size, options.data_dir, options.seed)[0]
    try:
        return _call(function_name(options.data))
    except argparse.ArgumentTypeError:
        expected = f"{', '.join(DATASETS)} or module:function"
        raise UsageError(f"--data {options.data}: expected {expected}") from None


def _parameters(given: List[str]) -> Dict[str, Any]:
    """``["momentum=0.9"]`` → ``{"momentum": 0.9}``."""
    values: Dict[str, Any] = {}
    for argument in given:
        name, equals, text = argument.partition("=")
        if not equals:
            raise UsageError(f"--param {argument}: expected NAME=VALUE, such as momentum=0.9")
        try:
            values[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            values[name] = text
        number = isinstance(values[name], (int, float)) and not isinstance(values[name], bool)
        if name == "lr_scheduler" or (name in ("learning_rate", "momentum", "wd") and not number):
            raise UsageError(f"--param {argument}: expected a number, such as momentum=0.9; a search sets the rates")
    return values


def _call(name: str, *arguments: Any) -> Any:
    """What the user's function gives; where it fails, one line says where in the user's file."""
    function = imported(name)
    with _failing_in_a_line(name):
        return function(*arguments)


@contextlib.contextmanager
def _failing_in_a_line(what: str) -> Iterator[None]:
    """What the user's code raises in the block, as a line that says where."""
    try:
        yield
    except GluonLRError:
        raise
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        where = "" if at.filename == __file__ else f" at {at.filename}:{at.lineno}"
        text = (str(error).strip().splitlines() or [""])[0]
        raise UsageError(f"{what} failed{where}: {type(error).__name__}: {text}") from error


def _reading(combined: Optional[Tuple[float, float, float]], suggestion: Any) -> str:
    """What a rule reads off all repeats together, or why the first one gives it no rate."""
    if combined is None:
        return suggestion.reason or "not clear: the loss falls by less than its noise"
    median, low, high = combined
    return f"{median:.3g}" if low == high else f"{median:.3g} ({low:.3g} … {high:.3g})"


def _write(result: Any, out: Path) -> Iterator[Path]:
    """The search as two tables and a picture in ``out``; their paths, as each is written."""
    from matplotlib.figure import Figure

    from ..report.figures import save_png

    out = writable_folder(out)
    result.to_csv(out / "find.csv")
    yield out / "find.csv"
    result.to_json(out / "find.json")
    yield out / "find.json"
    figure = Figure(figsize=(6, 6), layout="constrained")
    result.plot(figure.subplots())
    yield save_png(figure, out / "find.png")


if __name__ == "__main__":
    run(main, "find")
