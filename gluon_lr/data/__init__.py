"""Datasets: found, verified, fetched, and served as mini-batches."""

from .batches import ArrayBatches, ContinuousBatchSampler, load_data_cifar10, load_data_fashion_mnist
from .fetch import obtain
from .sources import CIFAR10, DATASETS, FASHION_MNIST, Located, locate

__all__ = [
    "CIFAR10",
    "DATASETS",
    "FASHION_MNIST",
    "ArrayBatches",
    "ContinuousBatchSampler",
    "Located",
    "load_data_cifar10",
    "load_data_fashion_mnist",
    "locate",
    "obtain",
]
