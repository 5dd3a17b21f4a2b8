"""Bytes on disk → arrays, for the two datasets; every length is checked before any content is used."""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, Tuple

import numpy as np

from ..errors import DataError

_CHUNK = 1 << 20


def sha1(stream: BinaryIO, limit: int, name: str) -> str:
    """SHA-1 of a stream's bytes, read in pieces; more than ``limit`` bytes are refused by ``name``."""
    digest, size = hashlib.sha1(), 0
    while True:
        piece = stream.read(_CHUNK)
        if not piece:
            return digest.hexdigest()
        size += len(piece)
        if size > limit:
            raise DataError(f"{name}: holds more than the {limit} bytes expected. Delete it and fetch it again")
        digest.update(piece)


def open_content(path: Path) -> BinaryIO:
    """Open a file for its content: unpacked where its name ends in ``.gz``."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")


def read_content(path: Path, limit: int) -> bytes:
    """The content of a plain or gzipped file, never more than ``limit`` bytes of it.

    Raises:
        DataError: the file is missing, is no gzip, is cut short, fails its checksum or is longer than ``limit``.
    """
    try:
        with open_content(path) as stream:
            content = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}). Delete it and fetch it again") from error
    if len(content) > limit:
        raise DataError(f"{path}: holds more than the {limit} bytes expected. Delete it and fetch it again")
    return content


def parse_idx(content: bytes, shape: Tuple[int, ...], name: str) -> np.ndarray:
    """An idx file's array of unsigned bytes.

    Args:
        content: the whole unpacked file: two zero bytes, the type 0x08, the number of axes, each axis' length as
            a big-endian 32-bit number, then the values.
        shape: the shape that is expected.
        name: how an error names the file.

    Raises:
        DataError: the header says something else, or the length does not follow from it.

    Example:
        >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), (2,), "labels").tolist()
        [7, 9]
    """
    header = 4 + 4 * len(shape)
    if len(content) < header:
        raise DataError(f"{name}: {len(content)} bytes are too few for an idx header of {header}")
    magic = content[:4]
    if magic != bytes([0, 0, 8, len(shape)]):
        raise DataError(f"{name}: starts with {magic.hex()}, not 000008{len(shape):02x} as an idx file of bytes does")
    found = struct.unpack(f">{len(shape)}I", content[4:header])
    if found != tuple(shape):
        raise DataError(f"{name}: its header says the shape is {found}, expected {tuple(shape)}")
    size = int(np.prod(shape))
    if len(content) != header + size:
        raise DataError(f"{name}: holds {len(content) - header} values, its shape {found} needs {size}")
    return np.frombuffer(content, np.uint8, size, header).reshape(shape)


def parse_cifar(content: bytes, images: int, name: str) -> Tuple[np.ndarray, np.ndarray]:
    """A CIFAR-10 binary batch: images ``(n, 3, 32, 32)`` and labels ``(n,)``, both unsigned bytes.

    Raises:
        DataError: the length or a label is not what ten classes of 32×32 colour images need.
    """
    row = 1 + 3 * 32 * 32
    if len(content) != images * row:
        raise DataError(f"{name}: {len(content)} bytes, expected {images * row} ({images} rows of {row})")
    table = np.frombuffer(content, np.uint8).reshape(images, row)
    if table[:, 0].max() > 9:
        raise DataError(f"{name}: has the label {table[:, 0].max()}, expected 0 to 9")
    return table[:, 1:].reshape(images, 3, 32, 32), table[:, 0]


def cifar_rows(pixels: np.ndarray, labels: np.ndarray) -> bytes:
    """A CIFAR-10 binary batch from an image whose every row is one picture in row-major pixel order.

    Args:
        pixels: ``(n, 1024, 3)`` unsigned bytes.
        labels: ``(n,)`` numbers 0…9.

    Returns:
        ``n`` rows of one label byte and the planes R, G, B.
    """
    pixels = np.asarray(pixels, np.uint8)
    labels = np.asarray(labels)
    if pixels.ndim != 3 or pixels.shape[1:] != (1024, 3) or labels.shape != pixels.shape[:1]:
        raise DataError(f"pixels {pixels.shape} and labels {labels.shape}; expected (n, 1024, 3) and (n,)")
    planes = pixels.transpose(0, 2, 1).reshape(len(pixels), 3 * 1024)
    return np.concatenate([labels[:, None].astype(np.uint8), planes], axis=1).tobytes()
