"""Loaders of any kind: one whole pass through each, from its beginning."""

from __future__ import annotations

import contextlib
from typing import Any, Iterable, Iterator

import mxnet as mx


def passes(batches: Iterable[Any]) -> Iterable[Any]:
    """One pass through a loader; an iterator of MXNet's is reset for it."""
    if not isinstance(batches, mx.io.DataIter):
        return batches
    restart(batches)
    return _without_false_padding(batches) if _rolls_over(batches) else batches


def restart(iterator: mx.io.DataIter) -> None:
    """Set an iterator of MXNet's to its first example.

    One of those written in C++ fills its last batch up with the first examples, and after one reset it goes on behind
    these, which would leave them out of every other pass. A second reset takes it to the beginning.
    """
    iterator.reset()
    if isinstance(iterator, mx.io.MXDataIter):
        iterator.reset()


def tell_epoch(batches: Any, epoch: int) -> None:
    """Tell a loader that has a number ``epoch`` which one begins; one that counts its epochs itself is left alone."""
    if hasattr(batches, "epoch") and not callable(batches.epoch):
        with contextlib.suppress(AttributeError):  # a property of its own
            batches.epoch = epoch


def _rolls_over(batches: Any) -> bool:
    return isinstance(batches, mx.io.NDArrayIter) and batches.last_batch_handle == "roll_over"


def _without_false_padding(batches: mx.io.NDArrayIter) -> Iterator[Any]:
    """Where examples roll over, MXNet calls the ones that the last pass left as padding, though no one saw them yet."""
    for batch in batches:
        batch.pad = 0
        yield batch
