"""A run's record on disk: everything that a table or a figure is later made from."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional

from ..errors import DamagedError, RecordError
from ..files import digest, write_text

VERSION = 1


@dataclass(frozen=True)
class Record:
    """A run's record as read from disk.

    Attributes:
        spec: the :class:`~gluon_lr.experiments.RunSpec` as plain data.
        status: ``running``, ``finished``, ``collapsed`` (no better than guessing at the end) or ``failed``.
        history: the lists of :class:`~gluon_lr.training.History`.
        data: the dataset's name, edition and the SHA-1 of its files.
        environment: versions, processor, threads, context.
        seconds: wall time of all epochs.
        error: the trace of a failed run.
        path: where it was read.
    """

    spec: Dict[str, Any]
    status: str
    history: Dict[str, List[float]]
    data: Dict[str, Any]
    environment: Dict[str, Any]
    seconds: float
    error: Optional[str] = None
    path: Optional[Path] = None

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.status in ("finished", "collapsed")

    @property
    def epochs(self) -> int:
        """Epochs trained so far."""
        return len(self.history.get("train_loss", ()))

    @property
    def edition(self) -> str:
        """The dataset's edition, stamped where only a slice of it was used."""
        limit = self.spec["limit"]
        return f"{self.data.get('edition', '?')}" + ("" if limit is None else f" (quick: {limit} images)")

    @property
    def made_by(self) -> str:
        """The version of gluon_lr that trained; 1.0.0 did not write its own down."""
        return str(self.environment.get("gluon_lr", "1.0.0"))

    @property
    def failure(self) -> str:
        """What a failed run raised, in a line: the first of its message, behind the last place that the trace names."""
        lines = (self.error or "").splitlines()
        last = max((i for i, line in enumerate(lines) if line.startswith("  File ")), default=-1)
        return next((line for line in lines[last + 1 :] if line.strip() and not line[0].isspace()), "")

    def last(self, name: str) -> float:
        """The last epoch's value of a history list; NaN before the first."""
        return self.history[name][-1] if self.history.get(name) else math.nan


def write_record(path: Path, record: Record) -> None:
    """Write a record, whole or not at all."""
    body = {
        "version": VERSION,
        "spec": record.spec,
        "status": record.status,
        "seconds": record.seconds,
        "data": record.data,
        "environment": record.environment,
        "error": record.error,
        "history": record.history,
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in {**body, "sha256": digest(body)}.items()]
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def read_record(path: Path) -> Record:
    """Read a record.

    Raises:
        DamagedError: the file is cut short or altered; its name is in the text.
        RecordError: it is missing, or of another version.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RecordError(f"{path}: is not there") from error
    except PermissionError as error:
        raise RecordError(f"{path}: may not be read ({error.strerror}). Change its permissions") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedError(f"{path}: cannot be read ({error}). Delete it; its run is then made again") from error
    try:
        body = json.loads(text)
        claimed, version = body.pop("sha256"), body["version"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(f"{path}: is not a whole record ({error}). Delete it; its run is then made again") from error
    if version != VERSION:
        raise RecordError(f"{path}: has the format version {version}, this gluon_lr reads {VERSION}. Use the newer one")
    if digest(body) != claimed:
        raise DamagedError(f"{path}: was altered (its checksum does not fit). Delete it; its run is then made again")
    body.pop("version")
    try:
        return Record(**body, path=Path(path))
    except TypeError as error:
        raise RecordError(
            f"{path}: has other fields than this gluon_lr knows ({error}). Read it with the version that made it"
        ) from error


def outcome(history: Dict[str, List[float]], classes: int = 10) -> str:
    """``collapsed`` or ``finished``, from the curves of a run that has come to its end.

    A run has collapsed if its training loss is not finite; or if its last test accuracy is no better than guessing by
    as much again (by a tenth where that is less) *and* its training loss fell by less than half a percent over the
    second half of its epochs (if it has two or more), or lies above the first batch's or by half a percent above its
    least. A slow run is still learning: it finished. Without an accuracy the loss alone decides.

    Example:
        >>> stuck, slow = [2.31, 2.303, 2.303, 2.303], [2.8, 2.7, 2.6, 2.5]
        >>> [outcome({"train_loss": loss, "test_acc": [0.1] * 4, "first_loss": [2.9]}) for loss in (stuck, slow)]
        ['collapsed', 'finished']
    """
    losses, accuracy = history["train_loss"], history["test_acc"][-1]
    if not math.isfinite(losses[-1]):
        return "collapsed"
    guessing = accuracy <= 1 / classes + min(1 / classes, 0.1)
    middle, least = losses[len(losses) // 2 - 1], min(losses)
    before = middle - 0.005 * abs(middle) if len(losses) > 1 else math.inf
    learning = losses[-1] < min(before, history["first_loss"][0]) and losses[-1] <= least + 0.005 * abs(least)
    return "collapsed" if guessing and not learning else "finished"
