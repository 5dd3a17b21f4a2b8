"""The records of a study's folder: the only channel between the processes that train and those that look."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence

from ..errors import OutputError, RecordError, UsageError
from ..files import remove_leftovers
from .record import Record, read_record, write_record
from .spec import RunSpec

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Store:
    """The records and checkpoints of a study, one of each a run, below a folder.

    Args:
        folder: the study's output folder; it need not exist yet.

    Example:
        >>> store = Store(Path("my_runs/chapter"))
        >>> store.record_path(RunSpec("chapter", "cosine", seed=0, epochs=40)).as_posix()
        'my_runs/chapter/runs/cosine.per-update.40ep.seed0.json'
    """

    folder: Path

    def record_path(self, spec: RunSpec) -> Path:
        """The file that holds the record of ``spec``."""
        return Path(self.folder) / "runs" / f"{spec.key}.json"

    def checkpoint_path(self, spec: RunSpec) -> Path:
        """The file that holds the net and trainer of an incomplete run."""
        return Path(self.folder) / "runs" / f"{spec.key}.checkpoint.npz"

    def require_own(self, study: str) -> None:
        """Refuse a folder with another study's records, before hours of work rather than after.

        Raises:
            UsageError: it has such records.
        """
        for path in self.paths():
            with contextlib.suppress(RecordError):  # said where it is needed
                found = read_record(path).spec["study"]
                if found != study:
                    raise UsageError(
                        f"{self.folder} holds records of the study {found}, not of {study}: name another output folder "
                        "(--out, out=)"
                    )

    def find(self, spec: RunSpec) -> Optional[Record]:
        """The record of ``spec``, or None where there is none yet.

        Raises:
            RecordError: the record is damaged, or was made with other settings.
        """
        path = self.record_path(spec)
        if not path.exists():
            return None
        record = read_record(path)
        if record.spec != spec.as_dict():
            asked = spec.as_dict()
            differ = sorted(k for k in {*asked, *record.spec} if record.spec.get(k) != asked.get(k))
            raise RecordError(
                f"{path}: was made with other {', '.join(differ)} than asked for. "
                "Have it made again (--fresh, fresh=True) or name another output folder (--out, out=)"
            )
        return record

    def write(self, spec: RunSpec, record: Record) -> None:
        """Write the record of ``spec``, whole or not at all."""
        write_record(self.record_path(spec), record)

    def forget(self, spec: RunSpec) -> None:
        """Remove a run's record and checkpoint, so that the run starts again."""
        for path in (self.record_path(spec), self.checkpoint_path(spec)):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def remove_leftovers(self, spec: RunSpec) -> None:
        """Remove the unfinished files of a process that was killed; only the holder of the claim may call this."""
        remove_leftovers(self.record_path(spec))
        remove_leftovers(self.checkpoint_path(spec))

    def paths(self) -> List[Path]:
        """The files of all records, by name."""
        return sorted((Path(self.folder) / "runs").glob("*.json"))

    def records(self) -> List[Record]:
        """All readable records, by name; the log names a damaged one, which is left out."""
        found = []
        for path in self.paths():
            try:
                found.append(read_record(path))
            except RecordError as error:
                log.warning("left out: %s", error)
        return found

    def epochs_done(self, specs: Sequence[RunSpec]) -> Dict[str, int]:
        """Key → epochs trained so far, for the runs that have a readable record."""
        done = {}
        for spec in specs:
            with contextlib.suppress(RecordError):
                done[spec.key] = read_record(self.record_path(spec)).epochs
        return done

    @contextlib.contextmanager
    def claimed(self, spec: RunSpec) -> Iterator[bool]:
        """Hold the run's lock in the block; False if another process holds it. The kernel frees it however we die."""
        from filelock import FileLock, Timeout

        path = Path(self.folder) / ".locks" / f"{spec.key}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(str(path))
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        except OSError as error:
            raise OutputError(
                f"cannot write to {self.folder}: {error.strerror or error}. Name another folder"
            ) from error
        try:
            yield True
        finally:
            lock.release()
