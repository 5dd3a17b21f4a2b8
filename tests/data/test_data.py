"""A dataset is found and verified, or fetched; nothing damaged is ever used."""

import gzip
import hashlib
import shutil
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from conftest import run_module
from hypothesis import given
from hypothesis import strategies as st

from gluon_lr.data import fetch as fetching
from gluon_lr.data import formats, sources
from gluon_lr.data.fetch import obtain
from gluon_lr.data.sources import CIFAR10, FASHION_MNIST, DataFile, Dataset, verify
from gluon_lr.errors import DataError, OutputError, UsageError


@pytest.fixture
def own_copy(tmp_path):
    """Fashion-MNIST's files in a folder that a test may damage."""
    located = obtain(FASHION_MNIST)
    folder = tmp_path / "datasets" / "fashion-mnist"
    folder.mkdir(parents=True)
    for file in FASHION_MNIST.files:
        shutil.copy(located.folder / file.name, folder / file.name)
    return folder


def tiny_dataset(tmp_path, content=b"hello"):
    """A dataset of one file, with an older edition known only by its packed digest."""
    file = DataFile("a-labels.gz", 100, {hashlib.sha1(content).hexdigest(): "new"}, {})
    return Dataset("tiny", (file,), tmp_path / "nowhere", "a test's own")


def test_real_files_verify_and_have_the_right_shapes(fashion, cifar):
    assert [a.shape for a in fashion] == [(60000, 1, 28, 28), (60000,), (10000, 1, 28, 28), (10000,)]
    assert [a.shape for a in cifar] == [(50000, 3, 32, 32), (50000,), (10000, 3, 32, 32), (10000,)]
    for arrays, examples in ((fashion, 6000), (cifar, 5000)):
        assert np.bincount(arrays[1]).tolist() == [examples] * 10
        assert np.bincount(arrays[3]).tolist() == [1000] * 10
    assert obtain(FASHION_MNIST).edition == "2017-08-31"


def test_gluon_reads_cifar10_unmodified(cifar):
    folder = obtain(CIFAR10).folder
    images, labels = mx.gluon.data.vision.CIFAR10(root=str(folder), train=False)[:]
    assert np.array_equal(images.asnumpy().transpose(0, 3, 1, 2), cifar[2])
    assert np.array_equal(labels, cifar[3])


@pytest.mark.fault
@pytest.mark.parametrize("name", [file.name for file in FASHION_MNIST.files])
@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "html", "missing", "folder"])
def test_a_damaged_file_is_named_and_refused(own_copy, name, damage):
    path = own_copy / name
    content = path.read_bytes()
    if damage == "truncate":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "html":
        path.write_text("<html><body>404</body></html>")
    else:
        path.unlink()
        if damage == "folder":
            path.mkdir()
    with pytest.raises(DataError, match=name):
        verify(FASHION_MNIST, own_copy)


def test_a_recompressed_file_is_the_same_file(own_copy):
    name = "t10k-labels-idx1-ubyte.gz"
    content = gzip.decompress((own_copy / name).read_bytes())
    (own_copy / name).write_bytes(gzip.compress(content, 1))
    assert verify(FASHION_MNIST, own_copy).sha1[name] == "958122e8b4b97fd4e71eca2d08ef754ed77c3ad9"


def test_the_edition_is_told_by_either_digest_and_editions_do_not_mix(tmp_path):
    old, new = gzip.compress(b"old", mtime=0), gzip.compress(b"new", mtime=0)
    files = [
        DataFile(
            f"{n}-labels.gz", 9, {hashlib.sha1(b"new").hexdigest(): "later"}, {hashlib.sha1(old).hexdigest(): "earlier"}
        )
        for n in "ab"
    ]
    dataset = Dataset("two", tuple(files), tmp_path / "nowhere", "")
    for contents, expected in (((old, old), "earlier"), ((new, new), "later"), ((old, new), None)):
        for file, content in zip(files, contents):
            (tmp_path / file.name).write_bytes(content)
        if expected:
            assert verify(dataset, tmp_path).edition == expected
        else:
            with pytest.raises(DataError, match="mixes the editions"):
                verify(dataset, tmp_path)


@pytest.mark.fault
def test_an_idx_header_of_another_shape_is_refused():
    header = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3])
    assert formats.parse_idx(header + bytes(6), (2, 3), "it").shape == (2, 3)
    swapped = bytes([0, 0, 8, 2, 0, 0, 0, 3, 0, 0, 0, 2])
    with pytest.raises(DataError, match="it"):
        formats.parse_idx(swapped + bytes(6), (2, 3), "it")  # as many bytes, other rows


def test_a_decompression_bomb_is_bounded(tmp_path):
    path = tmp_path / "a-labels.gz"
    path.write_bytes(gzip.compress(bytes(50_000_000)))
    with pytest.raises(DataError, match=r"a-labels.gz: holds more than the 100 bytes"):
        verify(tiny_dataset(tmp_path), tmp_path)


@pytest.mark.fault
@given(st.binary(max_size=40))
def test_no_bytes_are_taken_for_an_idx_file_that_they_are_not(content):
    try:
        array = formats.parse_idx(content, (2, 3), "it")
    except DataError as error:
        assert "it:" in str(error)  # noqa: PT017 (both outcomes are right, each for its inputs)
    else:
        assert content == bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + array.tobytes()


@pytest.mark.fault
@given(st.integers(0, 30729), st.binary(max_size=3))
def test_cifar_rows_of_another_length_are_refused(length, tail):
    with pytest.raises(DataError, match="expected 30730"):
        formats.parse_cifar(bytes(length)[: 30729 - len(tail)] + tail, 10, "it")


def test_cifar_rows_round_trip():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 1024, 3)).astype(np.uint8)
    images, labels = formats.parse_cifar(formats.cifar_rows(pixels, np.array([1, 9, 0])), 3, "it")
    assert labels.tolist() == [1, 9, 0]
    assert np.array_equal(images.reshape(3, 3, 1024).transpose(0, 2, 1), pixels)
    with pytest.raises(DataError, match="label 10"):
        formats.parse_cifar(formats.cifar_rows(pixels, np.array([1, 10, 0])), 3, "it")


@pytest.mark.fault
@pytest.mark.slow
def test_a_damaged_copy_is_fetched_again(own_copy):
    (own_copy / "t10k-labels-idx1-ubyte.gz").write_bytes(b"rot")
    done = run_module("gluon_lr.data", "fetch", "fashion-mnist", "--data-dir", own_copy.parent)
    assert done.returncode == 0, done.stderr
    assert "t10k-labels" in done.stderr
    verify(FASHION_MNIST, own_copy)


@pytest.mark.fault
def test_a_damaged_copy_is_named_and_mended_where_the_system_has_a_good_one(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    dataset = tiny_dataset(tmp_path)
    own, system = tmp_path / "tiny" / "a-labels.gz", dataset.system / "a-labels.gz"
    for path in (own, system):
        path.parent.mkdir()
    system.write_bytes(gzip.compress(b"hello"))
    monkeypatch.setitem(fetching.SOURCES, "tiny", [])
    assert obtain(dataset, tmp_path).folder == dataset.system
    assert not own.exists(), "a copy that nobody asked for"
    own.write_bytes(b"rot")
    assert sources.locate(dataset, tmp_path).folder == dataset.system
    assert f"{own}: " in caplog.text
    assert own.read_bytes() == b"rot", "locate changes nothing"
    caplog.clear()
    assert obtain(dataset, tmp_path).folder == own.parent
    assert f"{own}: " in caplog.text
    verify(dataset, own.parent)
    own.write_bytes(b"rot")
    system.write_bytes(b"rot, too")
    with pytest.raises(DataError, match="could not be fetched"):
        obtain(dataset, tmp_path)


def test_an_unknown_dataset_and_an_unwritable_folder(tmp_path):
    with pytest.raises(UsageError, match="fashion-mnist or cifar10"):
        sources.dataset_named("mnist")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="--data-dir"):
        fetching.fetch(tiny_dataset(tmp_path), tmp_path / "file" / "below")


def test_the_command_line_says_where_and_what(tmp_path):
    folder = obtain(FASHION_MNIST).folder
    done = run_module("gluon_lr.data", "where", "fashion-mnist")
    assert (done.returncode, Path(done.stdout.strip())) == (0, folder)
    done = run_module("gluon_lr.data", "verify", "fashion-mnist")
    assert "b9bd999c0106c9b8b4b0cefce58c9a6060f27095  train-images-idx3-ubyte.gz" in done.stdout
    cut = tmp_path / "fashion-mnist" / "train-images-idx3-ubyte.gz"
    cut.parent.mkdir()
    cut.write_bytes(b"rot")
    done = run_module("gluon_lr.data", "verify", "fashion-mnist", "--data-dir", tmp_path)
    assert f"{cut}: " in done.stderr
