"""One run from specification to record: claimed by a lock, resumed from its last whole epoch, written as it goes."""

from __future__ import annotations

import contextlib
import logging
import random
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional, Sequence

from . import snapshot
from .errors import OutputError, RecordError
from .files import remove_leftovers
from .records import Record, RunSpec, environment, find_record, outcome, record_path, write_record

log = logging.getLogger(__name__)


@dataclass
class Ingredients:
    """What a study's ``build`` makes of a specification: everything :func:`~gluon_lr.training.train` takes."""

    net: Any
    train_iter: Any
    test_iter: Any
    loss: Any
    trainer: Any
    data: Dict[str, Any]
    schedules: Sequence[Any] = ()
    after_epoch: Sequence[Callable[[Any], Any]] = ()  # called with the history, before the epoch is written down
    valid_iter: Any = None
    classes: int = 10


Build = Callable[[RunSpec, Any, Optional[str]], Ingredients]


def seed_everything(seed: int) -> None:
    """Seed the generators that initializers, dropout and Gluon's samplers draw from."""
    import mxnet as mx
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)
    mx.random.seed(seed)


def checkpoint_path(folder: Path, spec: RunSpec) -> Path:
    """Where a run that is not complete keeps its net and trainer."""
    return Path(folder) / "runs" / f"{spec.key}.checkpoint.npz"


@contextlib.contextmanager
def claimed(folder: Path, spec: RunSpec) -> Iterator[bool]:
    """Hold the run's lock in the block; False where another process holds it. The kernel frees it at any death."""
    from filelock import FileLock, Timeout

    path = Path(folder) / ".locks" / f"{spec.key}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(str(path))
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}. Name another folder") from error
    try:
        yield True
    finally:
        lock.release()


def forget(folder: Path, spec: RunSpec) -> None:
    """Remove a run's record and checkpoint, so that it is made anew."""
    for path in (record_path(folder, spec), checkpoint_path(folder, spec)):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def execute(
    spec: RunSpec,
    build: Build,
    folder: Path,
    ctx: str = "auto",
    data_dir: Optional[str] = None,
    lead: bool = True,
) -> Optional[Record]:
    """Do what is missing of a run and return its record.

    A run that raises is recorded as ``failed`` with its trace; it is made anew at the next call. After any kind of
    interruption the next call goes on from the last whole epoch, and the history is bit-identical to that of a run
    never interrupted.

    Args:
        spec: the run.
        build: the study's function from specification, context and data folder to :class:`Ingredients`.
        folder: the study's output folder.
        ctx: a context's name.
        data_dir: where to look for data first.
        lead: False to train along without writing, where another process of the same distributed training writes.

    Returns:
        The record; None where another process is working on this very run.

    Raises:
        OutputError: the folder cannot be written.
    """
    with claimed(folder, spec) if lead else contextlib.nullcontext(True) as mine:
        if not mine:
            return None
        if lead:
            remove_leftovers(record_path(folder, spec))
            remove_leftovers(checkpoint_path(folder, spec))
        done = find_record(folder, spec)
        if done is not None and done.complete:
            return done
        try:
            return _train(spec, build, folder, ctx, data_dir, lead)
        except OutputError:
            raise
        except Exception:
            failed = Record(spec.as_dict(), "failed", {}, {}, {}, 0.0, error=traceback.format_exc())
            if lead:
                write_record(folder, spec, failed)
            return failed


def _train(spec: RunSpec, build: Build, folder: Path, ctx: str, data_dir: Optional[str], lead: bool) -> Record:
    from .training import History, train, try_context

    context = try_context(ctx)
    seed_everything(spec.seed)
    parts = build(spec, context, data_dir)
    about = environment(context)
    history = History()
    checkpoint = checkpoint_path(folder, spec)

    def record(status: str) -> Record:
        plain = history.as_dict()
        written = Record(spec.as_dict(), status, plain, parts.data, about, round(sum(history.seconds), 3))
        if lead:
            write_record(folder, spec, written)
        return written

    def keep(_: History) -> None:
        for call in parts.after_epoch:
            call(history)
        if not lead:
            return
        notes = {"spec": spec.as_dict(), "history": history.as_dict()}
        snapshot.save(checkpoint, parts.net, parts.trainer, notes)
        record("running")

    if checkpoint.exists():
        _prepare(parts, context)
        try:
            notes = snapshot.load(checkpoint, parts.net, parts.trainer)
            if notes["spec"] != spec.as_dict():
                raise RecordError(f"{checkpoint}: was made with other settings")
            history = History(**notes["history"])
            log.info("%s goes on after epoch %d", spec.key, len(history))
        except RecordError as error:
            log.warning("%s. %s starts anew", error, spec.key)
            seed_everything(spec.seed)
            parts = build(spec, context, data_dir)
    if not len(history):
        record("running")
    train(
        parts.net,
        parts.train_iter,
        parts.test_iter,
        spec.epochs,
        parts.loss,
        parts.trainer,
        context,
        seed=spec.seed,
        history=history,
        schedules=parts.schedules,
        valid_iter=parts.valid_iter,
        on_epoch=keep,
    )
    complete = record(outcome(history.as_dict(), parts.classes))
    if lead:
        with contextlib.suppress(FileNotFoundError):
            checkpoint.unlink()
    return complete


def _prepare(parts: Ingredients, context: Any) -> None:
    """Give deferred parameters their shapes, so that a checkpoint can be restored into them."""
    from .training import shards

    X, _ = shards(next(iter(parts.train_iter)), [context])[0]
    parts.net(X[:1])
