"""What identifies a run of a comparison: its net, data, loss, optimizer and schedule."""

from __future__ import annotations

import contextlib
import copy
import random
import re
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import mxnet as mx
import numpy as np
from mxnet import gluon

from ...data.batches import ArrayBatches
from ...data.forms import arrays_in
from ...errors import UsageError
from ...experiments.run import seed_everything
from ...identity import identify
from ...identity.packages import installed
from ...state.private import arrays_of_dataset, batch_size_of, is_initialized, what_loader_serves

Data = Union[Sequence[Any], Callable[[int], Sequence[Any]]]
Identity = Tuple[Any, str]  # what has to be equal, and what to call it
_PARTS = ("net", "data", "loss", "unpack", "batch_metric")
_NOT_STEADY = (
    "{what} is another function after each call, since it changes a value that it uses: its runs could not be known "
    "again, and each might get something else. Let it give the same for the same seed and change nothing, or give it a "
    "name of your own, names={{{key!r}: 'mine-v1'}}"
)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed all generators in the block, as a run does.

    Afterwards Python's and NumPy's are as they were. MXNet's, whose state cannot be read, goes on from a number that
    it drew before: the same one after the same ``mx.random.seed``.
    """
    plain, numpy = random.getstate(), np.random.get_state()
    later = int(mx.nd.random.randint(0, 2**31 - 1, shape=(1,)).asscalar())
    seed_everything(seed)
    try:
        yield
    finally:
        random.setstate(plain)
        np.random.set_state(numpy)
        mx.random.seed(later)


def loaders(data: Data, seed: int) -> Tuple[Any, Any, Any]:
    """Training, validation and test batches of a seed.

    Raises:
        UsageError: the data are of another form.
    """
    loaded = data(seed) if callable(data) else data
    if not isinstance(loaded, (tuple, list)) or len(loaded) not in (2, 3):
        raise UsageError(
            f"data are of another form ({_line(repr(loaded))}): expected (train, test) or (train, validation, test) "
            "batches, or a function of the seed that gives them"
        )
    train_iter = loaded[0]
    if not callable(data) and hasattr(train_iter, "seed"):
        train_iter = copy.copy(train_iter)
        train_iter.seed, train_iter.epoch = seed, 0
    return train_iter, loaded[1] if len(loaded) == 3 else None, loaded[-1]


class Identities:
    """The net, the data, the loss and each schedule of a comparison, as what they are.

    Args:
        names: ``net``, ``data``, ``loss``, ``unpack``, ``batch_metric`` or a schedule's name → the user's own name for
            it, in place of what it is.
    """

    def __init__(self, names: Optional[Mapping[str, str]], schedules: Mapping[str, Any]) -> None:
        self._names = dict(names or {})
        known = [*_PARTS, *schedules]
        self._remembered: Optional[str] = None
        self._made: Dict[Any, Optional[List[Any]]] = {}
        for key, name in self._names.items():
            if key not in known:
                raise UsageError(f"names has {key!r}: expected one of {', '.join(map(repr, known))}")
            if not isinstance(name, str) or not name:
                raise UsageError(
                    f"names[{key!r}] is {name!r} ({type(name).__name__}): expected text, such as 'mine-v1'"
                )
        for key in set(_PARTS) & set(schedules) & set(self._names):
            raise UsageError(
                f"names[{key!r}] may mean the {key} or the schedule {key!r}: give the schedule another name"
            )

    def net(self, make_net: Callable[[], Any]) -> Identity:
        """By the function that makes it, and as it is made after seeding.

        Raises:
            UsageError: it gives the same net again, or does something else at each call.
        """
        with seeded(0):
            net = make_net()
            shown = f"{_line(repr(net))}, made by {bound(make_net)}"
            identity = self._of("net", {"function": make_net, "built": net}, shown)
            self._made["net"] = None if "net" in self._names else net_as_made(net)
        with seeded(0):
            again = make_net()
            if again is net:
                raise UsageError(
                    f"make_net ({bound(make_net)}) gave the same net twice: expected a new one at every call, since "
                    "every run trains its own, for example by copy.deepcopy"
                )
            if self._of("net", {"function": make_net}, shown)[0].get("function") != identity[0].get("function"):
                raise UsageError(_NOT_STEADY.format(what="make_net", key="net"))
        return identity

    def data(self, data: Data, seed: int) -> Identity:
        """By the function that makes them, and by what the loaders hold.

        Raises:
            UsageError: the function does something else at each call.
        """
        with seeded(seed):
            each = [loader for loader in loaders(data, seed) if loader is not None]
            self._made[seed] = None if "data" in self._names else data_as_made(each)
            shown = "; ".join(_batches(loader) for loader in each)
            if "data" in self._names:
                return self._of("data", {}, shown)
            what = {"contents": [_contents(loader) for loader in each]}
            if callable(data):
                what["function"] = data
                shown += f", made by {bound(data)}"
            identity, _ = self._of("data", what, shown)
        if self._remembered not in (None, identity.get("function")):
            raise UsageError(_NOT_STEADY.format(what="data", key="data"))
        self._remembered = identity.get("function")
        return identity, f"{shown}, contents {identity['contents'][:8]}"

    def made(self, seed: int) -> Dict[str, Optional[List[Any]]]:
        """What net and data of a seed turned out to be, as :func:`net_as_made` and :func:`data_as_made` say; None where
        they go by a name."""
        return {"net": self._made["net"], "data": self._made[seed]}

    def loss(self, loss: Any) -> Identity:
        """By class and configuration, or as a function."""
        loss = gluon.loss.SoftmaxCrossEntropyLoss() if loss is None else loss
        shown = repr(loss) if isinstance(loss, gluon.Block) else bound(loss)
        return self._of("loss", {"is": loss}, _line(shown))

    def hook(self, name: str, hook: Any) -> Identity:
        """``unpack`` or ``batch_metric``, as a function."""
        return self._of(name, {"is": hook}, bound(hook))

    def schedule(self, name: str, scheduler: Any, make: Callable[[float], Any]) -> Identity:
        """By policy and arguments, or as a function; not by the function of the rate that gives it."""
        shown = _line(repr(scheduler))
        if "Foreign" in shown or "<" in shown:  # it does not tell everything
            shown += f", made by {bound(make)}"
        return self._of(name, {"is": scheduler}, shown, f"schedules[{name!r}]")

    def optimizer(self, name: Any) -> str:
        """By name; a class that the user has registered, by what it is.

        Raises:
            UsageError: it is no name.
        """
        if not isinstance(name, str):
            raise UsageError(
                f"optimizer is {_line(repr(name))} ({type(name).__name__}): expected a name, such as 'sgd', with its "
                "arguments in optimizer_params"
            )
        kind = mx.optimizer.Optimizer.opt_registry.get(name.lower())
        if kind is None or installed(kind.__module__):
            return name
        return f"{name} {identify(kind, 'optimizer')}"

    def params(self, params: Mapping[str, Any]) -> Dict[str, Any]:
        """Plain values as they are, others by what they are.

        Raises:
            UsageError: there is a scheduler among them.
        """
        if "lr_scheduler" in params:
            raise UsageError(
                "optimizer_params has an lr_scheduler: expected it among the schedules, as a function of the rate"
            )
        plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in params.items()}
        return {
            name: value if isinstance(value, (type(None), bool, int, float, str)) else identify(value, name)
            for name, value in plain.items()
        }

    def _of(self, key: str, values: Dict[str, Any], shown: str, where: str = "") -> Identity:
        if key in self._names:
            return {"named": self._names[key]}, f"named {self._names[key]!r}"
        try:
            return {name: identify(value, where or key) for name, value in values.items()}, shown
        except UsageError as error:
            raise UsageError(
                f"{error}, so that records could not be told apart: give it a name of your own that you change "
                f"whenever it changes, names={{{key!r}: 'mine-v1'}}"
            ) from error


def net_as_made(net: Any) -> List[Any]:
    """What a worker process is held to of a net: how Gluon prints it, and of its parameters shapes, types and whether
    they have values."""
    shapes = [p.shape and tuple(max(0, int(size)) for size in p.shape) for p in net.collect_params().values()]
    rest = [[np.dtype(p.dtype).name, p.grad_req, is_initialized(p)] for p in net.collect_params().values()]
    return [re.sub(r"[A-Za-z]+\d+_", "", _line(repr(net))), shapes, rest]  # without names that hold counters


def data_as_made(each: Sequence[Any]) -> List[Any]:
    """What a worker process is held to of loaders: their lengths, and some numbers of each array that they hold."""
    return [
        [_length(loader), _batch_size(loader), [_sampled(array) for array in _arrays(loader)]]
        for loader in each
        if loader is not None
    ]


def _arrays(loader: Any) -> List[Any]:
    if isinstance(loader, ArrayBatches):
        return [loader.images, loader.labels]
    if isinstance(loader, mx.io.NDArrayIter):
        return [array for _, array in (*loader.data, *loader.label)]
    if isinstance(loader, (list, tuple)):
        return arrays_in(loader[0]) if loader else []
    return arrays_of_dataset(what_loader_serves(loader)["dataset"]) if isinstance(loader, gluon.data.DataLoader) else []


def _sampled(array: Any) -> List[Any]:
    """Shape, type, and 64 numbers from all over an array; none of what holds no numbers or would have to be read."""
    if not isinstance(array, (mx.nd.NDArray, np.ndarray)):
        return [type(array).__name__]
    plain = array.asnumpy() if isinstance(array, mx.nd.NDArray) else array
    if plain.dtype.kind not in "biuf" or not plain.size:
        return [plain.shape, plain.dtype.str, []]
    places = np.linspace(0, plain.size - 1, min(64, plain.size)).astype(int)
    numbers = np.atleast_1d(plain)[np.unravel_index(places, np.atleast_1d(plain).shape)]
    return [plain.shape, plain.dtype.str, numbers.tolist()]


def bound(function: Any) -> str:
    """A function's name with the numbers that it is bound to; texts stay out of records, since they may be secret.

    Example:
        >>> def scaled(factor):
        ...     return lambda x: factor * x
        >>> bound(scaled(2))
        'scaled.<locals>.<lambda> (factor=2)'
    """
    name = getattr(function, "__qualname__", None) or _line(repr(function))
    code = getattr(function, "__code__", None)
    if code is None:
        return name
    values = {name: function.__globals__[name] for name in code.co_names if name in function.__globals__}
    for variable, cell in zip(code.co_freevars, function.__closure__ or ()):
        with contextlib.suppress(ValueError):
            values[variable] = cell.cell_contents
    plain = [f"{name}={_line(repr(x))}" for name, x in values.items() if _is_plain(x)]
    return f"{name} ({', '.join(plain)})" if plain else name


def _is_plain(value: Any) -> bool:
    """Whether a value is a number, or a list of numbers."""
    return isinstance(value, (int, float)) or (isinstance(value, (tuple, list)) and all(map(_is_plain, value)))


def _line(text: str) -> str:
    """On one line, without memory addresses, cut short."""
    text = " ".join(re.sub(r" at 0x[0-9a-fA-F]+", "", text).split())
    return text if len(text) <= 300 else text[:299] + "…"


def _batches(loader: Any) -> str:
    count = f"{len(loader)} batches" if hasattr(loader, "__len__") else type(loader).__name__
    size = _batch_size(loader)
    return f"{count} of {size}" if size else count


def _batch_size(loader: Any) -> Any:
    return getattr(loader, "batch_size", None) or batch_size_of(loader)


def _contents(loader: Any) -> List[Any]:
    """A loader, and what it gives where that does not follow from what it holds: its first batch, or the first and the
    last example of its dataset."""
    sample: Any = None
    if isinstance(loader, gluon.data.DataLoader):
        dataset = what_loader_serves(loader)["dataset"]
        if not isinstance(dataset, gluon.data.ArrayDataset) and len(dataset):
            sample = [dataset[0], dataset[len(dataset) - 1]]
    elif not isinstance(loader, (ArrayBatches, list, tuple)):
        sample = next(iter(_copied(loader)), None)
    return [loader, _length(loader), sample]


def _length(loader: Any) -> Optional[int]:
    return len(loader) if hasattr(loader, "__len__") else None


def _copied(loader: Any) -> Any:
    """A copy to take a batch from, which may move a loader; what cannot be copied is refused anyway."""
    try:
        return copy.deepcopy(loader)
    except Exception:
        return loader
