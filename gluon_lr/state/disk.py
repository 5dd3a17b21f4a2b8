"""Keep a snapshot in a file: numpy's zip of arrays, and JSON for everything else. Nothing in it can execute code."""

from __future__ import annotations

import io
import json
from collections import deque
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from ..errors import RecordError
from ..files import array_digest, atomic, digest
from .attributes import stored_attributes
from .memory import Snapshot, capture, restore
from .private import arrays_of, is_initialized
from .reach import parameters_of
from .trainer import detached_trainer
from .values import Copy, ObjectState, Own, detached, is_array

VERSION = 5

_COLLECTIONS = {"list": list, "tuple": tuple, "set": set, "deque": deque}


def save(
    path: Any, net: Any, trainer: Any = None, notes: Optional[Dict[str, Any]] = None, also: Sequence[Any] = ()
) -> None:
    """Write the state of ``net`` and ``trainer`` to ``path``, whole or not at all.

    Args:
        path: the file.
        net, trainer, also: as :func:`~gluon_lr.snapshot.capture` takes them.
        notes: plain values to keep with it, such as the number of epochs done: numbers, texts, lists, and dicts whose
            keys are texts; default none. A tuple comes back as a list.

    Raises:
        OutputError: the file cannot be written; what stood there stays.
        RecordError: the trainer or a schedule holds a state that is neither array, number, text nor a collection of
            these, or the notes something that is not plain.
        UsageError: a parameter is not initialized.

    Example: a training in your own loop that goes on where it stopped:
        >>> import os, tempfile
        >>> import mxnet as mx
        >>> from gluon_lr import CosineScheduler, snapshot
        >>> def train(path, epochs):
        ...     net = mx.gluon.nn.Dense(1)
        ...     net.initialize()
        ...     numbers = {"momentum": 0.9, "lr_scheduler": CosineScheduler(8, 0.5)}
        ...     trainer = mx.gluon.Trainer(net.collect_params(), "sgd", numbers)
        ...     done = snapshot.load(path, net, trainer)["epochs"] if os.path.exists(path) else 0
        ...     for epoch in range(done, epochs):
        ...         with mx.autograd.record():
        ...             loss = (net(mx.nd.ones((4, 2))) - 3) ** 2
        ...         loss.backward()
        ...         trainer.step(4)
        ...         snapshot.save(path, net, trainer, {"epochs": epoch + 1})
        ...     return trainer.optimizer.num_update, round(trainer.learning_rate, 4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     print(train(f"{folder}/training.npz", 3))
        ...     print(train(f"{folder}/training.npz", 6))
        (3, 0.3457)
        (6, 0.0732)
    """
    write(path, capture(net, trainer, also), notes or {})


def load(path: Any, net: Any, trainer: Any = None, also: Sequence[Any] = (), ctx: Any = None) -> Dict[str, Any]:
    """Restore what :func:`save` wrote into ``net`` and ``trainer``; the notes that were saved with it.

    Shapes that the net does not know yet are the file's, as with ``load_parameters``. The trainer keeps its own
    scheduler, which is code; what changes in it while it runs is restored. See :func:`save` for an example.

    Args:
        path: the file.
        net, trainer, also, ctx: as :func:`~gluon_lr.snapshot.restore` takes them.

    Raises:
        RecordError: the file is missing, damaged, of another version, or of another architecture, optimizer or
            scheduler; or the scheduler is one of MXNet's or GluonCV's with other settings. Nothing is changed.
    """
    snapshot, notes = read(path, as_numpy_arrays=_uses_np(net))
    if trainer is not None and snapshot.trainer is None:
        raise RecordError(f"{path} holds a net without its trainer: load it without one")
    restore(snapshot, net, trainer, also, ctx)
    return notes


def _uses_np(net: Any) -> bool:
    import mxnet as mx

    arrays = [a for p in parameters_of(net).values() if is_initialized(p) for a in arrays_of(p)]
    return any(isinstance(array, mx.np.ndarray) for array in arrays) if arrays else mx.util.is_np_array()


def write(path: Any, snapshot: Snapshot, notes: Dict[str, Any]) -> None:
    """Write ``snapshot`` and ``notes`` (plain values) to ``path``, whole or not at all."""
    arrays: List[np.ndarray] = []
    attributes = {}
    for block, copy in snapshot.attributes.items():
        stored = stored_attributes(copy)
        if any(value is not None for value in stored.values()):
            attributes[block] = {key: _pack(value, arrays, _joined(block, key)) for key, value in stored.items()}
    trainer = None if snapshot.trainer is None else detached_trainer(snapshot.trainer)
    schedules = {name: _pack(detached(schedule), arrays, name) for name, schedule in snapshot.schedules.items()}
    body = {
        "version": VERSION,
        "notes": _plain(notes, "notes"),
        "parameters": _pack(snapshot.parameters, arrays),
        "gradients": _pack(snapshot.gradients, arrays),
        "fresh": snapshot.fresh,
        "attributes": attributes,
        "schedules": schedules,
        "trainer": None if trainer is None else {key: _pack(part, arrays, key) for key, part in trainer.items()},
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
        # Read first, then parse: so numpy sees the file at one moment, and every member's CRC is checked.
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
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # zipfile, zlib, numpy and its header's parser each raise what they like
        raise RecordError(f"{path}: is damaged ({error}). Delete it; the run starts over") from error
    if not intact:
        raise RecordError(f"{path}: is damaged (its checksum does not fit). Delete it; the run starts over")
    if version != VERSION:
        raise RecordError(
            f"{path}: has the format version {version}, this gluon_lr reads {VERSION}: "
            "use the gluon_lr that wrote it, or delete it"
        )
    try:
        trainer = body["trainer"]
        snapshot = Snapshot(
            _unpack(body["parameters"], arrays, as_numpy_arrays),
            _unpack(body["gradients"], arrays, as_numpy_arrays),
            body["fresh"],
            {
                block: Copy(None, {key: _unpack(value, arrays) for key, value in values.items()})
                for block, values in body["attributes"].items()
            },
            {name: _unpack(schedule, arrays) for name, schedule in body["schedules"].items()},
            [],
            None if trainer is None else {key: _unpack(value, arrays) for key, value in trainer.items()},
        )
    except Exception as error:
        raise RecordError(f"{path}: is damaged ({error}). Delete it; the run starts over") from error
    return snapshot, body["notes"]


def _plain(value: Any, name: str) -> Any:
    """Notes as JSON holds them; numbers of NumPy's as plain ones."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(part, f"{name}[{i}]") for i, part in enumerate(value)]
    if not isinstance(value, dict):
        raise RecordError(f"{name} holds a {type(value).__name__}: expected numbers, texts, lists, and dicts of these")
    odd = [key for key in value if not isinstance(key, str)]
    if odd:
        raise RecordError(f"{name} has the key {odd[0]!r}: expected texts, since a file would give it back as one")
    return {key: _plain(part, f"{name}[{key!r}]") for key, part in value.items()}


def _pack(value: Any, arrays: List[np.ndarray], name: str = "the state") -> Any:
    """Nested state → JSON; each array goes to ``arrays`` and leaves its number."""

    def kept(array: np.ndarray) -> int:
        arrays.append(array)
        return len(arrays) - 1

    def inner(part: Any, key: Any) -> Any:
        return _pack(part, arrays, _joined(name, key))

    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype != object:
        return {"numpy": kept(value)}
    if is_array(value):
        return _packed_array(value, kept)
    if isinstance(value, dict):
        return {"dict": [[_pack(key, arrays, name), inner(part, key)] for key, part in value.items()]}
    if isinstance(value, ObjectState):
        return {"object": [value.kind, {key: inner(part, key) for key, part in value.attributes.items()}]}
    if isinstance(value, Own):
        return {"own": value.kind}
    for kind, cls in _COLLECTIONS.items():
        if type(value) is cls:
            return {kind: [inner(part, i) for i, part in enumerate(value)]}
    raise RecordError(
        f"cannot write a {type(value).__name__} to a snapshot file ({name}): a file holds arrays, numbers, texts, "
        "their collections, and plain objects with such attributes within a scheduler. Keep it elsewhere, or where it "
        "is in a scheduler, wrap that in a FunctionScheduler of gluon_lr's, which has no state"
    )


def _packed_array(array: Any, kept: Callable[[np.ndarray], int]) -> Dict[str, Any]:
    """A sparse array as it is stored: which of its rows are there decides what an update touches."""
    import mxnet as mx

    if array.stype == "row_sparse":
        stored = [kept(array.data.asnumpy()), kept(array.indices.asnumpy())]
        return {"row_sparse": [*stored, list(array.shape)]}
    if array.stype == "csr":
        stored = [kept(part.asnumpy()) for part in (array.data, array.indices, array.indptr)]
        return {"csr": [*stored, list(array.shape)]}
    return {"np_array" if isinstance(array, mx.np.ndarray) else "array": kept(array.asnumpy())}


def _unpack(value: Any, arrays: Dict[str, np.ndarray], as_numpy_arrays: Optional[bool] = None) -> Any:
    """JSON → nested state; ``as_numpy_arrays`` decides for all dense arrays, None leaves each as it was."""
    import mxnet as mx

    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind in ("array", "np_array"):
        found = arrays[f"array{content}"]
        as_np = kind == "np_array" if as_numpy_arrays is None else as_numpy_arrays
        return (mx.np if as_np else mx.nd).array(found, dtype=found.dtype)
    if kind == "numpy":
        return arrays[f"array{content}"]
    if kind in ("row_sparse", "csr"):
        *stored, shape = content
        parts, shape = [arrays[f"array{i}"] for i in stored], tuple(shape)
        if not parts[1].size:
            return mx.nd.sparse.zeros(kind, shape, dtype=parts[0].dtype)
        make = mx.nd.sparse.row_sparse_array if kind == "row_sparse" else mx.nd.sparse.csr_matrix
        return make(tuple(parts), shape=shape, dtype=parts[0].dtype)
    if kind == "dict":
        return {_unpack(k, arrays, as_numpy_arrays): _unpack(v, arrays, as_numpy_arrays) for k, v in content}
    if kind == "object":
        name, attributes = content
        return ObjectState(name, {key: _unpack(part, arrays, as_numpy_arrays) for key, part in attributes.items()})
    if kind == "own":
        return Own(content)
    return _COLLECTIONS[kind](_unpack(part, arrays, as_numpy_arrays) for part in content)


def _joined(name: str, key: Any) -> str:
    return f"{name}.{key}" if name else str(key)
