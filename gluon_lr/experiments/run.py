"""Execute one run: claim it by a lock, resume it after its last whole epoch, and write its record as it goes."""

from __future__ import annotations

import contextlib
import logging
import math
import random
import traceback
from dataclasses import replace
from typing import Any, List, Optional

from .. import state
from ..errors import OutputError, RecordError
from .environment import environment
from .record import Record, outcome
from .spec import Build, Ingredients, RunSpec
from .store import Store

log = logging.getLogger(__name__)


def seed_everything(seed: int) -> None:
    """Seed the generators that initializers, dropout and Gluon's samplers draw from."""
    import mxnet as mx
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)
    mx.random.seed(seed)


def _generators() -> List[Any]:
    """Where Python's and NumPy's generators are, which loaders draw from, as plain values."""
    import numpy as np

    name, keys, *rest = np.random.get_state()
    return [random.getstate(), [name, keys.tolist(), *rest]]


def _set_generators(python: Any, numpy: Any) -> None:
    import numpy as np

    random.setstate((python[0], tuple(python[1]), python[2]))
    np.random.set_state(tuple(numpy))


def execute(
    spec: RunSpec,
    build: Build,
    store: Store,
    ctx: str = "auto",
    data_dir: Optional[str] = None,
    writes: bool = True,
) -> Optional[Record]:
    """Train what is missing of a run and return its record.

    A run that raises is recorded as ``failed`` with its trace, and the next call starts it again. After any kind of
    interruption the next call goes on from the last whole epoch, and the history is bit-identical to that of an
    uninterrupted run.

    Args:
        spec: the run.
        build: the study's function from specification, context and data folder to
            :class:`~gluon_lr.experiments.Ingredients`.
        store: the study's records.
        ctx: a context's name.
        data_dir: where to look for data first.
        writes: False to train along without writing, where another process of the same distributed training writes.

    Returns:
        The record; None where another process is working on this very run.

    Raises:
        OutputError: the folder cannot be written.
    """
    with store.claimed(spec) if writes else contextlib.nullcontext(True) as mine:
        if not mine:
            return None
        if writes:
            store.remove_leftovers(spec)
        done = store.find(spec)
        if done is not None and done.complete:
            return done
        if writes and done is not None and done.status == "failed":  # or who waits for us would take the old failure
            store.write(spec, replace(done, status="running", error=None))
        try:
            return _train(spec, build, store, ctx, data_dir, writes)
        except OutputError:
            raise
        except Exception:
            known = store.find(spec) or Record(spec.as_dict(), "failed", {}, {}, environment(ctx), 0.0)
            failed = replace(known, status="failed", error=traceback.format_exc())
            if writes:
                store.write(spec, failed)
            return failed


def _train(spec: RunSpec, build: Build, store: Store, ctx: str, data_dir: Optional[str], writes: bool) -> Record:
    from ..data.forms import unpack_pair
    from ..training import History, train, try_context

    context = try_context(ctx)
    seed_everything(spec.seed)
    run = build(spec, context, data_dir)
    about = environment(context)
    history = History()
    checkpoint = store.checkpoint_path(spec)

    def record(status: str) -> Record:
        seconds = round(sum(history.seconds), 3)
        written = Record(spec.as_dict(), status, history.as_dict(), run.data, about, seconds)
        if writes:
            store.write(spec, written)
        return written

    def keep(_: History) -> None:
        for call in run.after_epoch:
            call(history)
        if not writes:
            return
        notes = {"spec": spec.as_dict(), "history": history.as_dict(), "generators": _generators()}
        state.save(checkpoint, run.net, run.trainer, notes, also=(run.loss,))
        record("running")

    if checkpoint.exists():
        _prepare(run, context)
        try:
            notes = state.load(checkpoint, run.net, run.trainer, also=(run.loss,))
            if notes["spec"] != spec.as_dict():
                raise RecordError(f"{checkpoint}: was made with other settings")
            history = History(**notes["history"])
            if "generators" in notes:  # a checkpoint of an earlier version has none
                _set_generators(*notes["generators"])
            log.info("%s goes on after epoch %d", spec.key, len(history))
        except RecordError as error:
            log.warning("%s. %s starts over", error, spec.key)
            seed_everything(spec.seed)
            run = build(spec, context, data_dir)
    if not len(history):
        record("running")
    train(
        run.net,
        run.train_iter,
        run.test_iter,
        spec.epochs,
        run.loss,
        run.trainer,
        context,
        seed=spec.seed,
        history=history,
        schedules=run.schedules,
        valid_iter=run.valid_iter,
        unpack=run.unpack or unpack_pair,
        batch_metric=run.batch_metric,
        on_epoch=keep,
    )
    seen = history.as_dict()
    if run.batch_metric is not None:  # no accuracy, whose chance level we would know
        seen["test_acc"] = [math.nan] * len(history)
    complete = record(outcome(seen, run.classes))
    if writes:
        with contextlib.suppress(FileNotFoundError):
            checkpoint.unlink()
    return complete


def _prepare(run: Ingredients, context: Any) -> None:
    """Give deferred parameters their shapes, so that a checkpoint can be restored into them."""
    from ..data.forms import call, shards, unpack_pair

    inputs, _ = shards((run.unpack or unpack_pair)(next(iter(run.train_iter))), [context])[0]
    call(run.net, inputs)
