"""Write files whole or not at all, readable by everyone who may read the folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import uuid
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterator

import numpy as np

from .errors import OutputError


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path`` that becomes ``path`` only when the block ends well.

    Args:
        path: where the whole file shall stand; missing folders are made.

    Raises:
        OutputError: the folder cannot be written or the disk is full. What stood at ``path`` stays.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}. Free space there, or name another folder"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def remove_leftovers(path: Path) -> None:
    """Remove what a process left beside ``path`` when killed while writing it; only the sole writer may call this."""
    for left in Path(path).parent.glob(f".{Path(path).name}.*.part"):
        with contextlib.suppress(OSError):
            left.unlink()


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` in UTF-8, whole or not at all."""
    with atomic(path) as stream:
        stream.write(text.encode("utf-8", "backslashreplace"))  # a file's name in an error may be no UTF-8


def canonical_json(value: Any) -> str:
    """One spelling for one value: sorted keys, no spaces, floats as Python prints them."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=True)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical_json(value).encode("utf-8")).hexdigest()


def with_digest(body: Dict[str, Any]) -> str:
    """``body``, which names its format's ``version``, as JSON with its digest; :func:`body_of` reads it."""
    return json.dumps({**body, "sha256": digest(body)})


def body_of(text: str, version: int) -> Dict[str, Any]:
    """What :func:`with_digest` made text of, without version and digest.

    Raises:
        ValueError: it is no such text, was altered, or has another version; a ``KeyError`` or ``TypeError`` if it is
            other JSON.
    """
    body = json.loads(text)
    claimed = body.pop("sha256")
    if body["version"] != version:
        raise ValueError(f"it has the format version {body['version']}, this gluon_lr reads {version}")
    if digest(body) != claimed:
        raise ValueError("its checksum does not fit")
    del body["version"]
    return body


def array_digest(array: np.ndarray) -> str:
    """SHA-256 of an array's type, shape and content."""
    if array.dtype.names is not None:  # of fields, with padding that means nothing between them
        return digest([array.dtype.descr, [array_digest(array[name]) for name in array.dtype.names]])
    described = hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode())
    dates = array.dtype.kind in "mM"  # of which Python's buffers know nothing
    content = np.ascontiguousarray(array.view(np.int64) if dates else array)
    described.update(content.data.cast("B") if array.size else b"")
    return described.hexdigest()


def writable_folder(folder: Path) -> Path:
    """Make ``folder`` and check, by writing a file, that we can write there.

    Raises:
        OutputError: we cannot.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=str(folder)):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write to the folder {folder}: {error.strerror or error}. Name a writable one with --out"
        ) from error
    return folder
