"""One training over several processes or machines, by MXNet's own parameter server (``--kvstore dist_sync``).

Every worker makes the same net from the same seed and takes its share of each batch. The server adds the gradients up,
so that an update equals that of a single process, up to rounding. The worker of rank 0 writes the
record. Processes find each other by MXNet's variables: ``DMLC_ROLE`` (scheduler, server or worker),
``DMLC_PS_ROOT_URI``, ``DMLC_PS_ROOT_PORT``, ``DMLC_NUM_SERVER``, ``DMLC_NUM_WORKER``.
"""

from __future__ import annotations

import functools
import logging
import os
from pathlib import Path
from typing import Any, Iterator, Optional, Tuple

from ..errors import GluonLRError, UsageError
from ..files import writable_folder
from ..state.private import attach_kvstore, barrier
from .record import Record
from .run import execute
from .spec import Build, Ingredients, RunSpec
from .store import Store

log = logging.getLogger(__name__)

_VARIABLES = ("DMLC_ROLE", "DMLC_PS_ROOT_URI", "DMLC_PS_ROOT_PORT", "DMLC_NUM_SERVER", "DMLC_NUM_WORKER")
_METRICS_KEY = 1_000_000  # parameters have the keys 0, 1, 2, …


class Share:
    """A worker's share of each batch: examples rank, rank + n, rank + 2n, …

    All shares have the same size, or else the workers' updates would differ. So up to n − 1 examples are left out of a
    batch whose size n does not divide.

    Args:
        batches: what a single process would train on.
        rank: of this worker, from 0.
        workers: n.

    Example:
        >>> import numpy as np
        >>> batch = (np.arange(5), np.arange(5))
        >>> [X.tolist() for X, y in Share([batch], rank=1, workers=2)]
        [[1, 3]]
    """

    def __init__(self, batches: Any, rank: int, workers: int) -> None:
        self.batches, self.rank, self.workers = batches, rank, workers

    @property
    def epoch(self) -> int:
        """The epoch that the next iteration serves."""
        return self.batches.epoch

    @epoch.setter
    def epoch(self, value: int) -> None:
        self.batches.epoch = value

    def __iter__(self) -> Iterator[Tuple[Any, Any]]:
        for X, y in self.batches:
            whole = len(X) // self.workers * self.workers
            if whole:
                yield X[self.rank : whole : self.workers], y[self.rank : whole : self.workers]


def train_together(
    spec: RunSpec,
    build: Build,
    folder: Path,
    kvstore: str = "dist_sync",
    ctx: str = "auto",
    data_dir: Optional[str] = None,
) -> Optional[Record]:
    """Train what is missing of one run together with the other workers. Every worker must call this.

    Args:
        spec, build, folder, ctx, data_dir: as :func:`~gluon_lr.experiments.run.execute` takes them; ``folder`` is the
            same for every worker, since all read the first one's checkpoint there.
        kvstore: ``dist_sync``.

    Returns:
        The record, in the worker of rank 0; None in the others.

    Raises:
        UsageError: a process lacks the variables to find the others, or another command is training this run.
        GluonLRError: the training failed in this worker.
    """
    missing = [name for name in _VARIABLES if not os.environ.get(name)]
    if missing:
        raise UsageError(
            f"--kvstore {kvstore} needs the variable {missing[0]}: start a scheduler, servers and workers as the "
            "guide on many runs shows, each with MXNet's DMLC_ variables"
        )
    import mxnet as mx

    folder = writable_folder(Path(folder)).resolve()
    store = mx.kv.create(kvstore)
    barrier(store)
    record = execute(
        spec, functools.partial(_build_share, build, store), Store(folder), ctx, data_dir, writes=store.rank == 0
    )
    if record is None:
        raise UsageError(f"another command is training {spec.key} in {folder}: wait for it, or name another --out")
    if record.status == "failed":
        raise GluonLRError(f"{record.failure}. The other workers wait for this one: stop them")
    barrier(store)
    return record if store.rank == 0 else None


def _build_share(build: Build, store: Any, spec: RunSpec, ctx: Any, data_dir: Optional[str] = None) -> Ingredients:
    """A study's ingredients, with this worker's share of the data and a trainer that adds gradients up."""
    import mxnet as mx

    ingredients = build(spec, ctx, data_dir)
    workers = store.num_workers
    ingredients.train_iter = Share(ingredients.train_iter, store.rank, workers)
    attach_kvstore(ingredients.trainer, store, workers)
    _wait_for_broadcasts(store)
    store.init(_METRICS_KEY, mx.nd.zeros(2))

    def mean_over_workers(history: Any) -> None:
        total = mx.nd.array([history.train_loss[-1], history.train_acc[-1]])
        store.push(_METRICS_KEY, total)
        store.pull(_METRICS_KEY, out=total)
        history.train_loss[-1], history.train_acc[-1] = (float(x) / workers for x in total.asnumpy())

    ingredients.after_epoch = [mean_over_workers, *ingredients.after_epoch]
    return ingredients


def _wait_for_broadcasts(store: Any) -> None:
    """Let no gradient overtake the weights of the same key.

    A trainer asks the server for the first weights and then sends gradients without waiting. Nothing orders the two,
    since the engine sees different arrays. If the request arrives after the first gradients of all workers, it gets
    their sum instead of weights: this spoiled three of eight trainings.
    """
    broadcast = store.broadcast

    def broadcast_and_wait(key: Any, value: Any, out: Any, priority: int = 0) -> None:
        broadcast(key, value, out, priority)
        for array in out:
            array.wait_to_read()

    store.broadcast = broadcast_and_wait
