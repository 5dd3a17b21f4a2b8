"""Find records of a comparison that were made with another net, data or schedule, and explain the difference."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Sequence

import numpy as np

from ...errors import RecordError, UsageError
from ...experiments.record import Record, read_record
from ...experiments.spec import RunSpec
from ...experiments.store import Store

_CALLED = {
    "scheduler": "another schedule",
    "net": "another net",
    "data": "other data",
    "loss": "another loss",
    "optimizer": "another optimizer",
    "optimizer_params": "other optimizer_params",
}
_HIDDEN = {
    "function": "the code of the function that makes it, or a value that the function uses, differs",
    "built": "an attribute, an initializer or an initial value differs",
    "contents": "what it holds differs",
    "is": "its code, or a value that it uses, differs",
}


@dataclass(frozen=True)
class Planned:
    """A run's specification, and what it is made of in words."""

    spec: RunSpec
    words: Dict[str, str]
    made: Mapping[str, Any] = field(default_factory=dict)


def require_same(planned: Mapping[str, Any], made: Mapping[str, Any]) -> None:
    """Refuse to train what is not what was planned, and what the record will name.

    Numbers may differ by rounding, and a few by more: a worker process computes with one thread.

    Raises:
        UsageError: the net or the data that a worker process has made are others than those of the process that asked.
    """
    for key, before in planned.items():
        if before is not None and not _alike(before, made[key]):
            raise UsageError(
                f"the worker process that trains makes {_CALLED[key]} than the process that called compare. Either the "
                f"function does not give the same at each call, or it uses a value of a module that was changed after "
                "the module was imported: a worker imports the module's file anew. Seed what it draws, and hand such "
                "values to the function or change them in the file"
            )


def _alike(before: Any, now: Any) -> bool:
    if not isinstance(before, (list, tuple)) or not isinstance(now, (list, tuple)):
        return bool(before == now)
    if len(before) != len(now):
        return False
    if isinstance(before, list) and before and all(isinstance(value, (int, float)) for value in before):
        whole = all(isinstance(value, int) for value in before)
        close = np.isclose(before, now, rtol=0 if whole else 1e-3, atol=0 if whole else 1e-6, equal_nan=True)
        return bool(close.mean() > 0.9)
    return all(map(_alike, before, now))


def count_recorded(store: Store, runs: Sequence[Planned]) -> int:
    """How many of the runs are complete already.

    Raises:
        RecordError: a record was made of something else; the text says of what, and of what now.
    """
    complete = 0
    for run in runs:
        try:
            record = read_record(store.record_path(run.spec))
        except RecordError:  # not there yet; or damaged, which the sweep reports
            continue
        if record.spec != run.spec.as_dict() and record.status == "failed":  # it holds no result
            store.forget(run.spec)
            continue
        if record.spec != run.spec.as_dict():
            raise RecordError(
                f"{record.path}: was made with {_difference(record, run)}. Have it made again (fresh=True) or name "
                "another output folder (out=)"
            )
        complete += record.complete
    return complete


def _difference(record: Record, run: Planned) -> str:
    spec, settings = run.spec.as_dict(), run.spec.as_dict()["settings"]
    if not isinstance(record.spec["settings"].get("net"), dict):
        return "an earlier gluon_lr, which told nets and data apart by less than it does now"
    differ = [key for key in spec if key != "settings" and spec[key] != record.spec.get(key)]
    differences = [f"another {key}: {record.spec.get(key)} → {spec[key]}" for key in differ]
    for key in dict.fromkeys([*settings, *record.spec["settings"]]):
        now = settings.get(key)
        if now != record.spec["settings"].get(key):
            differences.append(_one(key, record, now, run.words.get(key, "none" if now is None else str(now))))
    then = record.environment.get("numpy", np.__version__)
    if then != np.__version__:
        differences.append(f"NumPy {then} then, {np.__version__} now, which may be all that differs")
    return "; and ".join(differences)


def _one(key: str, record: Record, now: Any, words: str) -> str:
    then = record.spec["settings"].get(key)
    before = record.data.get("described", {}).get(key) or ("not recorded" if isinstance(then, dict) else str(then))
    before = "none" if then is None else before
    name = _CALLED.get(key, f"another {key}")
    if before != words:
        return f"{name}: {before} → {words}"
    hidden: List[str] = []
    if isinstance(now, dict) and isinstance(then, dict):
        hidden = [text for part, text in _HIDDEN.items() if now.get(part) != then.get(part)]
    return f"{name}, though both read {words}: {'; '.join(hidden)}"
