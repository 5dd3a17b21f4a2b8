"""Undo whatever happens in a block."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Sequence

from ..errors import UsageError
from .attributes import capture_attributes, restore_attributes
from .disk import load, save
from .memory import capture, restore, restore_settings, settings_of, uninterrupted
from .reach import parameters_of
from .values import copied, is_plain_object, put_back


@contextlib.contextmanager
def preserved(
    net: Any, trainer: Any = None, seed: Optional[int] = None, path: Any = None, also: Sequence[Any] = ()
) -> Iterator[None]:
    """Undo whatever happens to ``net`` and ``trainer`` in the block, even when the block raises.

    Weights, optimizer, counters, hidden states, ``grad_req`` and the parameters' multipliers come back. Layers and
    types of numbers do not: after ``net.add()`` or ``net.cast()`` the block ends with a ``RecordError``.

    Args:
        net: a Gluon block, initialized.
        trainer: its trainer; default none.
        seed: MXNet's random state can neither be read nor set, only seeded: with a number, MXNet's generator is
            seeded with it when the block ends, so that what follows does not depend on what the block drew.
        path: a file that keeps the state during the block, so that :func:`~gluon_lr.snapshot.load` can restore it
            after a kill; default in memory, which takes less memory than writing a file.
        also: other objects that belong to the state, such as a loss with a BatchNorm or a second network in it, or a
            ``ReduceOnPlateau`` that the trainer does not have; default none.

    Raises:
        UsageError: the net is not initialized, or ``path`` is there already.
        RecordError: when the block ends: it gave the net other layers or other types of numbers.
        OutputError: ``path`` cannot be written. The block does not begin.

    Example:
        >>> import mxnet as mx
        >>> net = mx.gluon.nn.Dense(1, in_units=2)
        >>> net.initialize(mx.init.One())
        >>> with preserved(net):
        ...     net.weight.set_data(mx.nd.zeros((1, 2)))
        >>> net.weight.data().asnumpy().tolist()
        [[1.0, 1.0]]
    """
    from mxnet import autograd

    undo = _held(net, trainer, also) if path is None else _written(Path(path), net, trainer, also)
    recording, training = autograd.is_recording(), autograd.is_training()
    try:
        yield
    finally:
        with uninterrupted():
            # Ctrl-C within MXNet's own record() leaves these on, and nothing can be written where MXNet records.
            autograd.set_recording(False)
            undo()
            autograd.set_recording(recording)
            autograd.set_training(training)
            if seed is not None:
                import mxnet as mx

                mx.random.seed(seed)


def _held(net: Any, trainer: Any, also: Sequence[Any]) -> Callable[[], None]:
    snapshot = capture(net, trainer, also)
    return lambda: restore(snapshot, net, trainer, also)


def _written(path: Path, net: Any, trainer: Any, also: Sequence[Any]) -> Callable[[], None]:
    if path.exists():
        raise UsageError(
            f"{path} is there already, maybe of a process that was killed: restore it with snapshot.load(), delete it, "
            "or name another file"
        )
    save(path, net, trainer, also=also)
    # The file holds neither objects nor code, so we remember here which ones there were; this takes little memory.
    attributes, settings = capture_attributes(net, also), settings_of(parameters_of(net, trainer, also))
    scheduler = None if trainer is None else copied(trainer.optimizer.lr_scheduler, is_plain_object)

    def undo() -> None:
        if trainer is not None:
            trainer.optimizer.lr_scheduler = put_back(scheduler)
        restore_attributes(attributes, net, also)
        restore_settings(settings)
        load(path, net, trainer, also)
        path.unlink()

    return undo
