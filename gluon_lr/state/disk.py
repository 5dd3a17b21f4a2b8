"""A snapshot as a file: numpy's zip of arrays and a JSON of everything else. Nothing in it can execute code."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from ..errors import RecordError
from ..files import array_digest, atomic, digest
from .memory import Snapshot, capture, parameters_of, restore
from .trainer import updaters_of

VERSION = 3


def save(path: Any, net: Any, trainer: Any = None, notes: Optional[Dict[str, Any]] = None) -> None:
    """Write the state of ``net`` and ``trainer`` to ``path``, whole or not at all.

    Args:
        path: the file.
        net, trainer: as :func:`~gluon_lr.snapshot.capture` takes them.
        notes: plain values to keep with it.

    Raises:
        OutputError: the file cannot be written; what stood there stays.
        RecordError: the trainer holds a state that is neither array, number, text nor a collection of these.
    """
    write(path, capture(net, trainer), notes or {})


def load(path: Any, net: Any, trainer: Any = None) -> Dict[str, Any]:
    """Restore what :func:`save` wrote into ``net`` and ``trainer``; the notes that were saved with it.

    Raises:
        RecordError: the file is missing, damaged, of another version, or of another architecture, optimizer or
            scheduler. Nothing is changed.
    """
    snapshot, notes = read(path, as_numpy_arrays=_uses_np(net))
    if trainer is not None and snapshot.trainer is None:
        raise RecordError(f"{path} holds a net without its trainer: load it without one")
    if trainer is not None and len(snapshot.trainer["updaters"]) < len(updaters_of(trainer)):
        raise RecordError(
            f"{path} holds optimizer state for {len(snapshot.trainer['updaters'])} contexts, "
            f"the trainer has {len(updaters_of(trainer))}"
        )
    if trainer is not None:
        own = trainer._optimizer.lr_scheduler
        kind = None if own is None else type(own).__name__
        if kind != snapshot.trainer["scheduler_kind"]:
            raise RecordError(f"{path} was saved with the scheduler {snapshot.trainer['scheduler_kind']}, not {kind}")
    restore(snapshot, net, trainer)
    return notes


def _uses_np(net: Any) -> bool:
    import mxnet as mx

    return any(
        isinstance(array, mx.np.ndarray)
        for parameter in parameters_of(net).values()
        if parameter._data is not None
        for array in parameter.list_data()
    )


def write(path: Any, snapshot: Snapshot, notes: Dict[str, Any]) -> None:
    """Write ``snapshot`` and ``notes`` (plain values) to ``path``, whole or not at all."""
    arrays: List[np.ndarray] = []
    trainer = snapshot.trainer
    if trainer is not None:
        scheduler = trainer["scheduler"]
        # A scheduler is code: what is stored is which one it was, and the numbers that MXNet's own ones change.
        trainer = {key: value for key, value in trainer.items() if key != "scheduler"}
        trainer["scheduler_kind"] = None if scheduler is None else type(scheduler).__name__
    body = {
        "version": VERSION,
        "notes": notes,
        "parameters": _pack(snapshot.parameters, arrays),
        "gradients": _pack(snapshot.gradients, arrays),
        "fresh": snapshot.fresh,
        "trainer": _pack(trainer, arrays),
    }
    body["arrays"] = [array_digest(array) for array in arrays]
    described = json.dumps({"body": body, "sha256": digest(body)})
    with atomic(Path(path)) as stream:
        np.savez(
            stream,
            description=np.frombuffer(described.encode("utf-8"), np.uint8),
            **{f"array{i}": array for i, array in enumerate(arrays)},
        )


def read(path: Any, as_numpy_arrays: bool = False) -> Tuple[Snapshot, Dict[str, Any]]:
    """The snapshot and notes of a file that :func:`write` made.

    Args:
        path: the file.
        as_numpy_arrays: parameters as ``mx.np`` arrays, for a net in that mode. Optimizer states are always classic.

    Raises:
        RecordError: the file is missing, damaged or of another version; its name is in the text.
    """
    try:
        # Read first, parse then: what numpy sees is one moment of the file, and every member's CRC is checked.
        content = io.BytesIO(Path(path).read_bytes())
        with np.load(content, allow_pickle=False) as members:
            arrays = {name: members[name] for name in members.files}
        described = json.loads(arrays["description"].tobytes().decode("utf-8"))
        body = described["body"]
        version = body["version"]
        # The zip's own checksums are not enough: numpy reads less than the whole of a member whose header is damaged.
        intact = digest(body) == described["sha256"] and body["arrays"] == [
            array_digest(arrays[f"array{i}"]) for i in range(len(body["arrays"]))
        ]
    except FileNotFoundError as error:
        raise RecordError(f"{path}: is not there") from error
    except Exception as error:  # zipfile, zlib, numpy and its header's parser each raise what they like
        raise RecordError(f"{path}: is damaged ({error}). Delete it; the run starts anew") from error
    if not intact:
        raise RecordError(f"{path}: is damaged (its checksum does not fit). Delete it; the run starts anew")
    if version != VERSION:
        raise RecordError(
            f"{path}: has the format version {version}, this gluon_lr reads {VERSION}: "
            "use the gluon_lr that wrote it, or delete it"
        )
    try:
        trainer = _unpack(body["trainer"], arrays, False)
        if trainer is not None:
            for updater in trainer["updaters"]:
                # Not yet on the trainer's context: MXNet moves a state there at its first use.
                updater["synced"] = dict.fromkeys(updater["states"], False)
        snapshot = Snapshot(
            _unpack(body["parameters"], arrays, as_numpy_arrays),
            _unpack(body["gradients"], arrays, as_numpy_arrays),
            body["fresh"],
            trainer,
        )
    except Exception as error:
        raise RecordError(f"{path}: is damaged ({error}). Delete it; the run starts anew") from error
    return snapshot, body["notes"]


def _pack(value: Any, arrays: List[np.ndarray]) -> Any:
    """Nested state → JSON; each array goes to ``arrays`` and leaves its number."""
    if hasattr(value, "asnumpy"):
        arrays.append(value.asnumpy())
        return {"array": len(arrays) - 1}
    if isinstance(value, dict):
        return {"dict": [[_pack(key, arrays), _pack(part, arrays)] for key, part in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_pack(part, arrays) for part in value]}
    if isinstance(value, list):
        return {"list": [_pack(part, arrays) for part in value]}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise RecordError(
        f"cannot write a {type(value).__name__} to a snapshot file: only arrays, numbers, texts and their collections"
    )


def _unpack(value: Any, arrays: Dict[str, np.ndarray], as_numpy_arrays: bool) -> Any:
    import mxnet as mx

    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "array":
        found = arrays[f"array{content}"]
        make = mx.np.array if as_numpy_arrays else mx.nd.array
        return make(found, dtype=found.dtype)
    if kind == "dict":
        return {_unpack(k, arrays, as_numpy_arrays): _unpack(v, arrays, as_numpy_arrays) for k, v in content}
    parts = [_unpack(part, arrays, as_numpy_arrays) for part in content]
    if kind == "tuple":
        return tuple(parts)
    if kind == "list":
        return parts
    raise ValueError(f"unknown kind {kind!r}")
