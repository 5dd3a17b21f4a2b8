"""One run's specification and its record on disk: everything a table or a figure is later made from."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import platform
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from . import __version__
from .errors import DamagedError, RecordError
from .files import digest, write_text

VERSION = 1
COLUMNS = (
    "run",
    "reading",
    "seed",
    "status",
    "epochs",
    "train_loss",
    "train_acc",
    "test_acc",
    "seconds",
    "dataset_edition",
)


@dataclass(frozen=True)
class RunSpec:
    """What is to be trained, as plain data: with the study's ``build`` it determines a run to the last bit.

    Args:
        study: which of the studies it belongs to.
        run: its name in the study's table, such as ``cosine``.
        seed: of initialization, batch order and dropout.
        epochs: how many.
        reading: what the schedule counts: ``as-printed``, ``per-update`` or ``per-epoch``.
        limit: only so many training images (a quick run); None for all.
        settings: everything else that the study builds it from; plain values.
    """

    study: str
    run: str
    seed: int
    epochs: int
    reading: str = "per-update"
    limit: Optional[int] = None
    settings: Dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The name of its files; unique in a study's folder."""
        quick = "" if self.limit is None else f".quick{self.limit}"
        return re.sub(r"[^\w.+=-]+", "_", f"{self.run}.{self.reading}.{self.epochs}ep.seed{self.seed}{quick}")

    def as_dict(self) -> Dict[str, Any]:
        """As it stands in the record."""
        return json.loads(json.dumps(asdict(self)))


@dataclass(frozen=True)
class Record:
    """A run's record as read from disk.

    Attributes:
        spec: the :class:`RunSpec` as plain data.
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

    def last(self, name: str) -> float:
        """The last epoch's value of a history list; NaN before the first."""
        return self.history[name][-1] if self.history.get(name) else math.nan


def record_path(folder: Path, spec: RunSpec) -> Path:
    """Where the record of ``spec`` stands below a study's folder."""
    return Path(folder) / "runs" / f"{spec.key}.json"


def write_record(folder: Path, spec: RunSpec, record: Record) -> None:
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
    write_text(record_path(folder, spec), "{\n" + ",\n".join(lines) + "\n}\n")


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
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedError(f"{path}: cannot be read ({error}). Delete it; its run is then made anew") from error
    try:
        body = json.loads(text)
        claimed, version = body.pop("sha256"), body["version"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(f"{path}: is no whole record ({error}). Delete it; its run is then made anew") from error
    if version != VERSION:
        raise RecordError(f"{path}: has the format version {version}, this gluon_lr reads {VERSION}. Use the newer one")
    if digest(body) != claimed:
        raise DamagedError(f"{path}: was altered (its checksum does not fit). Delete it; its run is then made anew")
    body.pop("version")
    return Record(**body, path=Path(path))


def find_record(folder: Path, spec: RunSpec) -> Optional[Record]:
    """The record of ``spec``, or None where there is none yet.

    Raises:
        RecordError: there is one, but damaged, or made with other settings.
    """
    path = record_path(folder, spec)
    if not path.exists():
        return None
    record = read_record(path)
    if record.spec != spec.as_dict():
        differ = sorted(k for k, v in spec.as_dict().items() if record.spec.get(k) != v)
        raise RecordError(
            f"{path}: was made with other {', '.join(differ)} than asked for. "
            "Have it made anew (--fresh, fresh=True) or name another output folder (--out, out=)"
        )
    return record


def read_records(folder: Path) -> List[Record]:
    """All readable records below ``folder``, by name; a damaged one is named in the log and left out."""
    import logging

    records = []
    for path in sorted((Path(folder) / "runs").glob("*.json")):
        try:
            records.append(read_record(path))
        except RecordError as error:
            logging.getLogger(__name__).warning("left out: %s", error)
    return records


def of_one_size(records: Sequence[Record]) -> Tuple[List[Record], List[str]]:
    """The records that may stand in one table, and a note on each group of others.

    Those are of the size that most of them have: epochs, images, and the preset where a study has some. A record of
    other epochs beside them would pass for one more seed.
    """
    groups: Dict[Tuple[int, Optional[int], str], List[Record]] = {}
    for record in records:
        spec = record.spec
        size = (spec["epochs"], spec["limit"], json.dumps(spec["settings"].get("preset"), sort_keys=True))
        groups.setdefault(size, []).append(record)
    if len(groups) < 2:
        return list(records), []
    (kept, *others) = sorted(groups, key=lambda size: (-len(groups[size]), -size[0]))
    notes = []
    for epochs, limit, preset in others:
        group = groups[epochs, limit, preset]
        images = "" if limit is None else f" and {limit} images"
        other = ", of another preset" if preset != kept[2] else ""
        notes.append(
            f"left out: {len(group)} record{'s' if len(group) > 1 else ''} of {epochs} epochs{images}{other}, which do "
            f"not compare with the {len(groups[kept])} others: an output folder of their own would show them"
        )
    return groups[kept], notes


def read_comparable(folder: Path) -> Tuple[List[Record], List[str]]:
    """What :func:`of_one_size` makes of the records below ``folder``."""
    return of_one_size(read_records(folder))


def results_csv(records: Iterable[Record]) -> str:
    """The records as a table, a line a run, in the columns :data:`COLUMNS`."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in records:
        spec = record.spec
        numbers = [f"{record.last(name):.6f}" for name in ("train_loss", "train_acc", "test_acc")]
        writer.writerow(
            [spec["run"], spec["reading"], spec["seed"], record.status, record.epochs, *numbers,
             f"{record.seconds:.1f}", record.edition]
        )  # fmt: skip
    return stream.getvalue()


def outcome(history: Dict[str, List[float]], classes: int = 10) -> str:
    """``collapsed`` where the loss is not finite, or the last test accuracy no better than guessing by as much again
    (by a tenth where that is less)."""
    bound = 1 / classes + min(1 / classes, 0.1)
    if not math.isfinite(history["train_loss"][-1]) or not history["test_acc"][-1] > bound:
        return "collapsed"
    return "finished"


def environment(ctx: Any) -> Dict[str, Any]:
    """What a run depends on beyond its specification."""
    import mxnet as mx
    import numpy as np

    return {
        "python": platform.python_version(),
        "gluon_lr": __version__,
        "mxnet": mx.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")) or None,
        "context": str(ctx),
    }


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
