"""Real faults: a disk that is full, a folder that vanishes or cannot be written."""

import os
import shutil
import subprocess
import sys

import campaigns
import pytest
from conftest import ROOT, run_module

from gluon_lr.experiments.store import Store

pytestmark = [pytest.mark.fault, pytest.mark.slow]
ONE = ("gluon_lr.chapter", "--quick", "--only", "square-root", "--epochs", "2")

# A disk of so many bytes, mounted in a namespace of the test's own: it vanishes with the process.
ON_A_SMALL_DISK = """
mount -t tmpfs -o size={size} tmpfs {folder} && cp -r {start}/. {folder} && {command}
code=$?
cp -r {folder}/. {kept}
exit $code
"""


def on_a_small_disk(size, command, tmp_path, start):
    """Run ``command`` with ``disk`` as a file system of ``size``; the process, and the folder with what was left."""
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    kept.mkdir()
    script = ON_A_SMALL_DISK.format(size=size, folder=disk, start=start, kept=kept, command=command.format(disk=disk))
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    done = subprocess.run(
        [*namespace, "sh", "-c", script], capture_output=True, text=True, timeout=300, check=False, cwd=str(tmp_path)
    )
    return done, kept


@pytest.mark.parametrize("size", ["8k", "64k", "400k"])
def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path, size):
    start = tmp_path / "start"
    start.mkdir()
    (start / "earlier.txt").write_text("kept")
    python = f"{sys.executable} -W ignore -m {' '.join(ONE)} --jobs 1 --out {{disk}}"
    done, kept = on_a_small_disk(size, python, tmp_path, start)
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert (kept / "earlier.txt").read_text() == "kept"
    assert not list(kept.rglob("*.part"))
    assert len(Store(kept / "quick").records()) == len(list((kept / "quick" / "runs").glob("*.json"))), "half a record"


def test_a_folder_that_vanishes_is_said_or_made_again(tmp_path):
    """The next write makes the folder again: nothing of this run is lost but what was removed."""
    out = tmp_path / "out"
    command = [sys.executable, "-W", "ignore", "-m", *ONE, "--jobs", "1", "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while not any((out / "quick" / "runs").glob("*.json")):
        assert process.poll() is None
    shutil.rmtree(out)
    _, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors
    assert process.returncode == 0
    (record,) = Store(out / "quick").records()
    assert record.epochs == 2


def test_a_folder_that_cannot_be_written_loses_nothing(tmp_path):
    """Read-only for root too: a read-only file system."""
    start = tmp_path / "start"
    shutil.copytree(ROOT / "chapter_runs" / "chapter" / "runs", start / "runs")
    command = (
        f"mount -o remount,ro {{disk}} && {sys.executable} -W ignore -m gluon_lr.chapter --out {{disk}} --seeds 77"
    )
    done, kept = on_a_small_disk("50m", command, tmp_path, start)
    assert done.returncode == 1, done.stderr
    assert "Read-only file system" in done.stderr
    assert "Name a writable one" in done.stderr
    for path in (ROOT / "chapter_runs" / "chapter" / "runs").glob("*.json"):
        assert (kept / "runs" / path.name).read_bytes() == path.read_bytes()


def test_the_chapter_runs_where_a_home_folder_is_empty(tmp_path):
    """No HOME to write to, data given: nothing is written outside the output folder."""
    from gluon_lr.data.fetch import obtain
    from gluon_lr.data.sources import FASHION_MNIST

    home = tmp_path / "home"
    home.mkdir()
    data = obtain(FASHION_MNIST).folder.parent
    environment = {"HOME": str(home), "MXNET_HOME": "", "MPLCONFIGDIR": str(tmp_path / "mpl")}
    done = run_module(*ONE, "--out", tmp_path / "out", "--data-dir", data, env=environment)
    assert done.returncode == 0, done.stderr
    assert not list(home.iterdir())


def test_damaged_files_are_refused_by_name_or_read_as_what_they_were(tmp_path):
    told = campaigns.fuzz(tmp_path, 1500)
    assert set(told) == {"gzipped idx files", "idx files", "CIFAR-10 batches", "run records", "searches", "snapshots"}
    assert sum(kind["inputs"] for kind in told.values()) >= 1500
    assert all(kind["lost"] == 0 and kind["refused"] > kind["inputs"] / 2 for kind in told.values())
