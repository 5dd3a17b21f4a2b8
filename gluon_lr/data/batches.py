"""Arrays in memory → mini-batches on a context, in an order that a seed and an epoch determine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional, Tuple

import numpy as np

from ..arguments import whole_number
from ..errors import UsageError
from .fetch import obtain
from .formats import parse_cifar, parse_idx, read_content
from .host import array_of
from .sources import CIFAR10, FASHION_MNIST, Located

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2023, 0.1994, 0.2010)

_AT_ONCE = 1 << 19  # numbers in as many small batches as are made at once

Transform = Callable[[np.ndarray], np.ndarray]


def to_unit(images: np.ndarray) -> np.ndarray:
    """Unsigned bytes → float32 in 0…1, as Gluon's ``ToTensor`` has them.

    Example:
        >>> to_unit(np.array([0, 255], np.uint8)).tolist()
        [0.0, 1.0]
    """
    return np.divide(images, np.float32(255), dtype=np.float32)


def normalize_cifar10(images: np.ndarray) -> np.ndarray:
    """Unsigned bytes ``(n, 3, 32, 32)`` → float32, each channel less its mean and over its deviation."""
    mean = np.array(CIFAR10_MEAN, np.float32).reshape(1, 3, 1, 1)
    std = np.array(CIFAR10_STD, np.float32).reshape(1, 3, 1, 1)
    return (to_unit(images) - mean) / std


class ArrayBatches:
    """Mini-batches of arrays in memory; iterating it once is one epoch.

    Args:
        images: ``(n, …)``, NumPy's, MXNet's or lists, of any type that ``transform`` takes.
        labels: ``(n,)`` whole numbers.
        batch_size: examples a batch; the last one of an epoch holds what is left.
        shuffle: a new order each epoch, drawn from ``numpy.random.Generator`` seeded with (seed, epoch), so that any
            epoch's order can be had again without the ones before it.
        seed: see ``shuffle``.
        transform: batch of images → float32 array. Default :func:`to_unit`, which divides bytes by 255, of whatever
            type; for data that are no bytes give ``lambda x: x``.

    Attributes:
        epoch: the epoch that the next iteration serves; set it to go on in the middle of a training.

    Raises:
        UsageError: lengths differ, there is nothing to iterate, the batch size is not positive, or there is no
            ``transform`` and the images are no bytes.

    Example:
        >>> batches = ArrayBatches(np.zeros((5, 1), np.uint8), np.arange(5), batch_size=2)
        >>> [len(y) for X, y in batches]
        [2, 2, 1]
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        transform: Optional[Transform] = None,
    ) -> None:
        images, labels = _plain_array(images), _plain_array(labels)
        if len(images) != len(labels):
            raise UsageError(f"{len(images)} images but {len(labels)} labels: expected as many of each")
        if len(images) == 0:
            raise UsageError("no images: a loader needs at least one")
        self.images, self.labels = images, np.asarray(labels)
        self.batch_size, self.seed = (
            whole_number("batch_size", batch_size, least=1),
            whole_number("seed", seed, least=0),
        )
        if transform is None:
            _require_bytes(images)
        self.shuffle, self.transform = shuffle, transform or to_unit
        self.epoch = 0

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """The indices of the images in the order in which ``epoch`` serves them."""
        if not self.shuffle:
            return np.arange(len(self.images))
        return np.random.default_rng((self.seed, epoch)).permutation(len(self.images))

    def __iter__(self) -> Iterator[Tuple[Any, Any]]:
        order, size = self.order(self.epoch), self.batch_size  # this epoch's, whatever is asked of us meanwhile
        self.epoch += 1
        starts = range(0, len(order), size)
        several = max(1, _AT_ONCE // (size * max(1, self.images[0].size)))
        for i in range(0, len(starts), several):
            # Made in one go while they are in the processor's caches, which an update empties.
            yield from [self.take(order[start : start + size]) for start in starts[i : i + several]]

    def take(self, chosen: np.ndarray) -> Tuple[Any, Any]:
        """The batch of the images with these indices, as arrays of the user's mode."""
        return array_of(self.transform(self.images[chosen])), array_of(self.labels[chosen].astype(np.float32))


def _plain_array(values: Any) -> Any:
    """Lists and MXNet's arrays as NumPy's; anything else that has an index, such as a memory map, stays as it is."""
    if hasattr(values, "asnumpy"):
        return values.asnumpy()
    return np.asarray(values) if isinstance(values, (list, tuple)) else values


def _require_bytes(images: Any) -> None:
    """Refuse what division by 255 would make unusable without a word, such as features of about one."""
    values = np.asarray(images)
    if values.dtype == np.uint8:
        return
    bytes_alone = (values >= 0) & (values <= 255) & (values == np.floor(values))
    if not bytes_alone.all():
        raise UsageError(
            f"images hold {values[~bytes_alone][0]}, which is no byte, and by default bytes are divided by 255: give "
            "transform=lambda x: x to serve numbers as they are"
        )


class ContinuousBatchSampler:
    """Batches of indices without end: the sampler is gone through again and again.

    Args:
        sampler: a ``gluon.data.Sampler`` or anything that can be iterated again, of indices.
        batch_size: indices a batch. Batches run over the sampler's end, so every batch is full.

    Raises:
        UsageError: the batch size is not positive; or, when iterated, the sampler is empty.

    Source: MXNet's *Learning Rate Finder* tutorial.

    Example:
        >>> batches = iter(ContinuousBatchSampler([0, 1, 2], 2))
        >>> [next(batches) for _ in range(3)]
        [[0, 1], [2, 0], [1, 2]]
    """

    def __init__(self, sampler: Any, batch_size: int) -> None:
        self._sampler = sampler
        self._batch_size = whole_number("batch_size", batch_size, least=1)

    def __iter__(self) -> Iterator[List[int]]:
        batch: List[int] = []
        while True:
            empty = True
            for index in self._sampler:
                empty = False
                batch.append(index)
                if len(batch) == self._batch_size:
                    yield batch
                    batch = []
            if empty:
                raise UsageError("the sampler is empty: there is nothing to make a batch of")


def fashion_mnist_arrays(located: Located) -> Tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training images ``(60000, 1, 28, 28)`` and labels, test images ``(10000, 1, 28, 28)`` and labels, as bytes."""
    shapes = [(60_000, 28, 28), (60_000,), (10_000, 28, 28), (10_000,)]
    arrays = []
    for file, shape in zip(FASHION_MNIST.files, shapes):
        path = located.folder / file.name
        arrays.append(parse_idx(read_content(path, file.size), shape, str(path)))
    train, train_labels, test, test_labels = arrays
    return train[:, None], train_labels, test[:, None], test_labels


def cifar10_arrays(located: Located) -> Tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training images ``(50000, 3, 32, 32)`` and labels, test images ``(10000, 3, 32, 32)`` and labels, as bytes."""
    batches = []
    for file in CIFAR10.files:
        path = Path(located.folder / file.name)
        batches.append(parse_cifar(read_content(path, file.size), 10_000, str(path)))
    train = np.concatenate([images for images, _ in batches[:5]])
    labels = np.concatenate([labels for _, labels in batches[:5]])
    return train, labels, batches[5][0], batches[5][1]


def load_data_fashion_mnist(
    batch_size: int,
    data_dir: Optional[os.PathLike] = None,
    seed: int = 0,
    limit: Optional[int] = None,
    evaluation_batch_size: int = 1000,
) -> Tuple[ArrayBatches, ArrayBatches]:
    """Fashion-MNIST's training and test iterators of ``(X, y)``, ``X`` of shape ``(batch, 1, 28, 28)`` in 0…1.

    Args:
        batch_size: training images a batch; the chapter takes 256.
        data_dir: where to look first and fetch to; default ``$MXNET_HOME/datasets``.
        seed: of the training batches' order.
        limit: only the first so many training images, and as many test images; default all.
        evaluation_batch_size: test images a batch. It changes no result, only the time.

    Raises:
        DataError: the data can neither be found nor fetched.
        UsageError: ``limit`` is not a whole number of at least 1.

    Source: the chapter's function of the same name in d2l.
    """
    limit = None if limit is None else whole_number("limit", limit, least=1)
    train, train_labels, test, test_labels = fashion_mnist_arrays(obtain(FASHION_MNIST, data_dir))
    return (
        ArrayBatches(train[:limit], train_labels[:limit], batch_size, shuffle=True, seed=seed),
        ArrayBatches(test[:limit], test_labels[:limit], evaluation_batch_size),
    )


def load_data_cifar10(
    batch_size: int,
    data_dir: Optional[os.PathLike] = None,
    seed: int = 0,
    limit: Optional[int] = None,
    evaluation_batch_size: int = 500,
) -> Tuple[ArrayBatches, ArrayBatches]:
    """CIFAR-10's training and test iterators of ``(X, y)``, ``X`` normalized, of shape ``(batch, 3, 32, 32)``.

    Arguments and errors are those of :func:`load_data_fashion_mnist`; the normalization is the tutorial's.
    """
    limit = None if limit is None else whole_number("limit", limit, least=1)
    train, train_labels, test, test_labels = cifar10_arrays(obtain(CIFAR10, data_dir))
    return (
        ArrayBatches(train[:limit], train_labels[:limit], batch_size, True, seed, normalize_cifar10),
        ArrayBatches(test[:limit], test_labels[:limit], evaluation_batch_size, transform=normalize_cifar10),
    )
