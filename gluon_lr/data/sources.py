"""Find a dataset, verify it by the SHA-1 of its contents, or fetch it; and know which edition it is.

We look in the data folder (``--data-dir``, else ``$MXNET_HOME/datasets``) and then in the system's folder. If neither
has it, we fetch it into the data folder from the publisher or, if that fails, through a package manager
(:mod:`gluon_lr.data.fetch`). We never use unverified data, and never substitute other data.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

from ..errors import DataError, UsageError
from .formats import read_content, sha1

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataFile:
    """One file of a dataset: its name, its content's length in bytes, and digest → edition for all accepted ones.

    ``packed`` holds digests of the file as it is packed, for an edition whose contents nobody published digests of.
    """

    name: str
    size: int
    contents: Mapping[str, str]
    packed: Mapping[str, str]


@dataclass(frozen=True)
class Dataset:
    """A dataset's files, the system folder they may stand in, and the edition used when a file fits several."""

    name: str
    files: Tuple[DataFile, ...]
    system: Path
    about: str


@dataclass(frozen=True)
class Located:
    """A verified dataset: its folder, which edition it is, and the SHA-1 of each file's contents."""

    dataset: Dataset
    folder: Path
    edition: str
    sha1: Dict[str, str]

    def as_recorded(self) -> Dict[str, Any]:
        """As it stands in the record of a run."""
        return {"name": self.dataset.name, "edition": self.edition, "sha1": self.sha1}


_NOW, _BOOK = "2017-08-31", "2017-08-26"


def _fashion(name: str, size: int, content: str, packed: str) -> DataFile:
    return DataFile(name, size, {content: _NOW}, {packed: _BOOK})


def _cifar(name: str, content: str) -> DataFile:
    return DataFile(name, 30_730_000, {content: "2009"}, {})


FASHION_MNIST = Dataset(
    name="fashion-mnist",
    # MXNet's own digests (the second of each line) belong to the edition of 26 August 2017, which the book was made
    # with; five days later the publisher removed duplicate images and published the edition all mirrors now carry.
    files=(
        _fashion(
            "train-images-idx3-ubyte.gz",
            47_040_016,
            "b9bd999c0106c9b8b4b0cefce58c9a6060f27095",
            "0cf37b0d40ed5169c6b3aba31069a9770ac9043d",
        ),
        _fashion(
            "train-labels-idx1-ubyte.gz",
            60_008,
            "4bccf37222e01638381eaa326bf730337a597267",
            "236021d52f1e40852b06a4c3008d8de8aef1e40b",
        ),
        _fashion(
            "t10k-images-idx3-ubyte.gz",
            7_840_016,
            "880056926db704f9f713097915f99da346f5b1d1",
            "626ed6a7c06dd17c0eec72fa3be1740f146a2863",
        ),
        _fashion(
            "t10k-labels-idx1-ubyte.gz",
            10_008,
            "958122e8b4b97fd4e71eca2d08ef754ed77c3ad9",
            "17f9ab60e7257a1620f4ad76bbbaf857c3920701",
        ),
    ),
    system=Path("/usr/share/datasets/fashion-mnist"),
    about="Zalando's Fashion-MNIST: 60000 training and 10000 test images, 28×28, ten classes",
)

CIFAR10 = Dataset(
    name="cifar10",
    files=(
        _cifar("data_batch_1.bin", "aadd24acce27caa71bf4b10992e9e7b2d74c2540"),
        _cifar("data_batch_2.bin", "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795"),
        _cifar("data_batch_3.bin", "1dd00a74ab1d17a6e7d73e185b69dbf31242f295"),
        _cifar("data_batch_4.bin", "aab85764eb3584312d3c7f65fd2fd016e36a258e"),
        _cifar("data_batch_5.bin", "26e2849e66a845b7f1e4614ae70f4889ae604628"),
        _cifar("test_batch.bin", "67eb016db431130d61cd03c7ad570b013799c88c"),
    ),
    system=Path("/usr/share/datasets/cifar10"),
    about="the University of Toronto's CIFAR-10: 50000 training and 10000 test images, 32×32 in colour, ten classes",
)

DATASETS = {dataset.name: dataset for dataset in (FASHION_MNIST, CIFAR10)}


def dataset_named(name: str) -> Dataset:
    """The dataset called ``name``, with or without the dash of the command line."""
    for known in (name, name.replace("cifar-10", "cifar10")):
        if known in DATASETS:
            return DATASETS[known]
    raise UsageError(f"unknown dataset {name!r}: expected fashion-mnist or cifar10")


def data_folder(dataset: Dataset, data_dir: Optional[os.PathLike] = None) -> Path:
    """The folder in which we look for a dataset first, and into which we fetch it.

    Args:
        dataset: which one.
        data_dir: the folder that holds a folder per dataset; default ``$MXNET_HOME/datasets``, where MXNet's own
            readers look (``~/.mxnet/datasets`` where ``$MXNET_HOME`` is not set).
    """
    if data_dir is None:
        data_dir = Path(os.environ.get("MXNET_HOME") or "~/.mxnet") / "datasets"
    try:
        return Path(data_dir).expanduser() / dataset.name
    except RuntimeError as error:  # no such user, or no home folder
        raise UsageError(f"{data_dir}: {error}. Name the data folder in full with --data-dir") from error


def verify_file(path: Path, file: DataFile) -> Tuple[str, str]:
    """Check one file; its content's SHA-1 and the edition that says it belongs to.

    Raises:
        DataError: the file is missing, cannot be read, or is not one of the known ones; its name is in the text.
    """
    if not path.exists():
        raise DataError(f"{path}: is not there")
    if not path.is_file():
        raise DataError(f"{path}: is not a file")
    content_sha1 = _content_sha1(path, file.size)
    if content_sha1 in file.contents:
        return content_sha1, file.contents[content_sha1]
    with open(path, "rb") as stream:
        packed_sha1 = sha1(stream, limit=4 * file.size, name=str(path))
    if packed_sha1 in file.packed:
        return content_sha1, file.packed[packed_sha1]
    raise DataError(
        f"{path}: its contents' SHA-1 is {content_sha1}, expected {' or '.join(file.contents)}. "
        "The file is damaged or altered: delete it and fetch it again"
    )


def _content_sha1(path: Path, size: int) -> str:
    import hashlib

    return hashlib.sha1(read_content(path, limit=size)).hexdigest()


def verify(dataset: Dataset, folder: Path) -> Located:
    """Check every file of ``dataset`` in ``folder``.

    Raises:
        DataError: a file is missing, damaged, or from another edition than the others.
    """
    digests, editions = {}, {}
    for file in dataset.files:
        digests[file.name], editions[file.name] = verify_file(folder / file.name, file)
    found = sorted(set(editions.values()))
    # Images of both editions may share a digest, labels do not: the labels decide.
    decisive = sorted({edition for name, edition in editions.items() if "labels" in name}) or found
    if len(decisive) != 1:
        raise DataError(f"{folder}: mixes the editions {', '.join(found)} of {dataset.name}. Delete it and fetch again")
    return Located(dataset, folder, decisive[0], digests)


def locate(dataset: Dataset, data_dir: Optional[os.PathLike] = None) -> Located:
    """Find and verify a dataset that is already on this machine; nothing is fetched.

    A damaged copy in the data folder is named in the log where the system's folder has a good one.

    Raises:
        DataError: no folder holds it whole and unaltered; the text says what each one lacks.
    """
    failures = []
    own = data_folder(dataset, data_dir)
    for folder in (own, dataset.system):
        try:
            located = verify(dataset, folder)
        except DataError as error:
            failures.append(str(error))
            continue
        if failures and any((own / file.name).exists() for file in dataset.files):
            log.warning("%s. Using the copy in %s", failures[0], folder)
        return located
    raise DataError(
        f"{dataset.name} is not on this machine: {'; '.join(failures)}. "
        f"Fetch it with `python -m gluon_lr.data fetch {dataset.name}`, or name its folder with --data-dir"
    )
