"""Whatever happens in a block is undone."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Iterator, Optional

from ..errors import UsageError
from .disk import load, save
from .memory import capture, restore, uninterrupted


@contextlib.contextmanager
def preserved(net: Any, trainer: Any = None, seed: Optional[int] = None, path: Any = None) -> Iterator[None]:
    """Whatever happens to ``net`` and ``trainer`` in the block leaves no trace, also when the block raises.

    Args:
        net: a Gluon block, initialized.
        trainer: its trainer.
        seed: MXNet's random state can neither be read nor set, only seeded: with a number, MXNet's generator is
            seeded with it when the block ends, so that what follows does not depend on what the block drew.
        path: a file to keep the state in for the time of the block, so that it is still there after a kill, for
            :func:`~gluon_lr.snapshot.load`; default in memory, which takes less of it than writing a file.

    Raises:
        UsageError: the net is not initialized, or ``path`` is there already.
        OutputError: ``path`` cannot be written. The block is not begun.

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

    put_back = _held(net, trainer) if path is None else _written(Path(path), net, trainer)
    recording, training = autograd.is_recording(), autograd.is_training()
    try:
        yield
    finally:
        with uninterrupted():
            # Ctrl-C within MXNet's own record() leaves these on, and nothing can be written where MXNet records.
            autograd.set_recording(False)
            put_back()
            autograd.set_recording(recording)
            autograd.set_training(training)
            if seed is not None:
                import mxnet as mx

                mx.random.seed(seed)


def _held(net: Any, trainer: Any) -> Any:
    snapshot = capture(net, trainer)
    return lambda: restore(snapshot, net, trainer)


def _written(path: Path, net: Any, trainer: Any) -> Any:
    if path.exists():
        raise UsageError(
            f"{path} is there already, maybe of a process that was killed: restore it with snapshot.load(), delete it, "
            "or name another file"
        )
    save(path, net, trainer)
    scheduler = None if trainer is None else trainer._optimizer.lr_scheduler  # code, which a file does not hold

    def put_back() -> None:
        if trainer is not None:
            trainer._optimizer.lr_scheduler = scheduler
        load(path, net, trainer)
        path.unlink()

    return put_back
