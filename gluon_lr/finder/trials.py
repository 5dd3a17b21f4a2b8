"""A trial: train a net for a while at given rates, look at the losses, and undo it all."""

from __future__ import annotations

import contextlib
import copy
import itertools
import random
from types import ModuleType
from typing import Any, Callable, Iterable, Iterator, List, Optional, Tuple

import mxnet as mx
import numpy as np
from mxnet import gluon

from ..data.loaders import tell_epoch
from ..errors import UsageError
from ..state import blocks_within, preserved
from ..state.private import examples_rolled_over, roll_over


@contextlib.contextmanager
def batches_from_the_start(learner: Any) -> Iterator[None]:
    """In the block the learner's loader starts again; afterwards learner and loader are where they were."""
    # A learner of the user's own need not have either.
    own_batches = getattr(learner, "batches_of_its_own", contextlib.nullcontext)
    with own_batches(), loader_preserved(getattr(learner, "data_loader", None)):
        yield


@contextlib.contextmanager
def training_undone(learner: Any, seed: Optional[int] = None, snapshot_file: Any = None) -> Iterator[None]:
    """In the block the learner may train at any rate; afterwards net, loss and trainer are as they were.

    Args:
        learner: a :class:`~gluon_lr.Learner`, or one of the user's own.
        seed, snapshot_file: as :func:`~gluon_lr.preserved` takes seed and path.
    """
    from .learner import Learner

    # A loss may hold parameters too, and a learner of the user's own may hold other nets.
    also = (learner.loss,) if type(learner) is Learner else blocks_within(learner)
    with preserved(learner.net, learner.trainer, seed, snapshot_file, also=also):
        yield


def losses_at(learner: Any, rates: Iterable[float], stop: Callable[[float], bool]) -> Tuple[List[float], bool]:
    """One update at each of these rates until ``stop(loss)`` is true; the losses, and whether it stopped."""
    losses: List[float] = []
    learner.trainer.optimizer.lr_scheduler = None  # set aside: an iteration of the user's own sets the rate itself
    for rate in rates:
        losses.append(_number(learner.iteration(rate)))
        if stop(losses[-1]):
            return losses, True
    return losses, False


@contextlib.contextmanager
def loader_preserved(data_loader: Any) -> Iterator[None]:
    """Restore what iterating a loader changes: NumPy's and Python's generators, those that the loader has of its own or
    in its sampler or data, its epoch, the examples that a ``DataLoader`` rolls over into its next epoch, and the order
    and place of an ``NDArrayIter``. Other iterators of MXNet's cannot be put back."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    own = [(generator, _state_of(generator)) for generator in _generators_in(data_loader)]
    epoch = getattr(data_loader, "epoch", None)  # where it is a number
    kept, rolled_over = {}, examples_rolled_over(data_loader)
    if isinstance(data_loader, mx.io.NDArrayIter):
        kept = {**vars(data_loader), "idx": data_loader.idx.copy()}  # it shuffles its index in place
    try:
        yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
        for generator, state in own:
            _set_state_of(generator, state)
        if kept:
            vars(data_loader).update(kept)
        if rolled_over is not None:
            roll_over(data_loader, rolled_over)
        if epoch is not None:
            tell_epoch(data_loader, epoch)


_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)


def _generators_in(value: Any) -> List[Any]:
    """The random generators that an object has, itself or in its parts: objects, lists, tuples and dicts."""
    found, seen, waiting = [], set(), [value]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        kind = type(one)  # not isinstance(), since a proxy asks its object then, which may be gone
        if issubclass(kind, _GENERATORS) and not issubclass(kind, random.SystemRandom):
            found.append(one)
        elif issubclass(kind, (list, tuple, dict)):  # the first parts are enough, of a list of examples too
            waiting += itertools.islice(one.values() if issubclass(kind, dict) else one, 100)
        elif not issubclass(kind, (type, ModuleType, gluon.Block)):
            with contextlib.suppress(Exception):  # what cannot be looked into has nothing that we could put back
                waiting += vars(one).values()
    return found


def _state_of(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return copy.deepcopy(generator.bit_generator.state)
    return generator.get_state(legacy=False) if isinstance(generator, np.random.RandomState) else generator.getstate()


def _set_state_of(generator: Any, state: Any) -> None:
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    else:
        generator.setstate(state)


def _number(loss: Any) -> float:
    """The loss that an iteration returned, which may be an array of one number.

    Raises:
        UsageError: it is not a number.
    """
    value = loss.asnumpy() if hasattr(loss, "asnumpy") else np.asarray(loss)
    if value.size != 1 or value.dtype.kind not in "fiu":
        raise UsageError(f"the learner's iteration returned {loss!r}: expected the batch's mean loss, a number")
    return float(value.item())
