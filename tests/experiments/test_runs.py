"""Runs and sweeps: recorded, resumed to the same bits, shared, and never lost."""

import csv
import io
import json
import signal
import subprocess
import sys
from dataclasses import replace

import campaigns
import numpy as np
import pytest
from conftest import ROOT
from mxnet import gluon
from small_runs import build, specs

from gluon_lr.errors import DamagedError, OutputError, RecordError
from gluon_lr.experiments import environment
from gluon_lr.experiments.record import Record, outcome, read_record
from gluon_lr.experiments.run import execute
from gluon_lr.experiments.spec import RunSpec
from gluon_lr.experiments.store import Store
from gluon_lr.experiments.sweep import sweep
from gluon_lr.files import with_digest, write_text
from gluon_lr.report.tables import COLUMNS, results_csv


def history(record):
    return {k: v for k, v in record.history.items() if k != "seconds"}


def test_a_run_is_recorded_whole(tmp_path):
    (spec,) = specs(("a",))
    record = execute(spec, build, Store(tmp_path))
    assert read_record(Store(tmp_path).record_path(spec)).history == record.history
    assert (record.status, record.epochs, record.spec) == ("finished", 3, spec.as_dict())
    assert {"python", "gluon_lr", "commit", "mxnet", "numpy", "processor", "threads", "context"} <= set(
        record.environment
    )
    assert [p.name for p in (tmp_path / "runs").iterdir()] == [f"{spec.key}.json"]


def test_the_commit_is_the_clones_and_says_where_files_were_changed(tmp_path, monkeypatch):
    def git(*command):
        done = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path), *command]
        return subprocess.run(done, capture_output=True, text=True, check=True).stdout.strip()

    place = tmp_path / "gluon_lr" / "experiments" / "environment.py"
    place.parent.mkdir(parents=True)
    place.write_text("")
    monkeypatch.setattr(environment, "__file__", str(place))
    found = []
    for step in (
        lambda: None,
        lambda: (git("init", "-q"), git("add", "."), git("commit", "-qm", "first")),
        lambda: place.write_text("changed"),
    ):
        step()
        environment.commit.cache_clear()
        found.append(environment.commit())
    environment.commit.cache_clear()
    head = git("rev-parse", "--short=12", "HEAD")
    assert found == [None, head, f"{head}-dirty"]


def build_with_gluons_loader(spec, ctx, data_dir=None):
    """The same on Gluon's own loader, which shuffles by NumPy's generator."""
    run = build(spec, ctx, data_dir)
    images, labels = run.train_iter.images.astype("float32") / 255, run.train_iter.labels.astype("float32")
    loader = gluon.data.DataLoader(gluon.data.ArrayDataset(images, labels), 16, shuffle=True)
    return replace(run, train_iter=loader)


@pytest.mark.fault
@pytest.mark.parametrize("make", [build, build_with_gluons_loader])
def test_an_interrupted_run_ends_with_the_same_bits(tmp_path, monkeypatch, make):
    (spec,) = specs(("a",), epochs=5)
    whole = execute(spec, make, Store(tmp_path / "whole"))
    original, calls = Store.write, []

    def dies(*arguments):
        original(*arguments)
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(Store, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        execute(spec, make, Store(tmp_path / "cut"))
    monkeypatch.undo()
    assert Store(tmp_path / "cut").find(spec).epochs == 3
    np.random.seed(99)  # another process has another state
    assert history(execute(spec, make, Store(tmp_path / "cut"))) == history(whole)


@pytest.mark.fault
def test_a_checkpoint_of_other_settings_is_not_gone_on_from(tmp_path, monkeypatch, caplog):
    """The same name, another rate: its net must not become the beginning of this run."""
    (spec,) = specs(("a",))
    other = replace(spec, settings={"lr": 0.3})
    whole = execute(spec, build, Store(tmp_path / "whole"))
    original, calls = Store.write, []

    def dies(*arguments):
        original(*arguments)
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Store, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        execute(other, build, Store(tmp_path / "cut"))
    monkeypatch.undo()
    Store(tmp_path / "cut").record_path(other).unlink()
    assert Store(tmp_path / "cut").checkpoint_path(spec).exists()
    assert history(execute(spec, build, Store(tmp_path / "cut"))) == history(whole)
    assert "was made with other settings" in caplog.text


@pytest.mark.fault
def test_a_damaged_checkpoint_costs_the_run_anew_but_not_the_result(tmp_path, monkeypatch, caplog):
    (spec,) = specs(("a",))
    whole = execute(spec, build, Store(tmp_path / "whole"))

    path = Store(tmp_path / "cut").checkpoint_path(spec)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PK rot")
    assert history(execute(spec, build, Store(tmp_path / "cut"))) == history(whole)
    assert "is damaged" in caplog.text
    assert not path.exists()


@pytest.mark.fault
def test_a_failed_and_a_collapsed_run_do_not_stop_the_others(tmp_path):
    records = sweep(specs(("broken", "wild", "a")), build, tmp_path, jobs=2, progress=False)
    assert [r.status for r in records] == ["failed", "collapsed", "finished"]
    assert "this run is broken" in records[0].error
    rows = list(csv.DictReader(io.StringIO(results_csv(Store(tmp_path).records()))))
    assert tuple(rows[0]) == COLUMNS
    assert {r["run"]: r["status"] for r in rows} == {"broken": "failed", "wild": "collapsed", "a": "finished"}


def test_a_second_sweep_does_only_what_is_missing(tmp_path):
    sweep(specs(("a",)), build, tmp_path, jobs=1, progress=False)
    stamp = Store(tmp_path).record_path(specs(("a",))[0]).stat().st_mtime_ns
    sweep(specs(("a", "b")), build, tmp_path, jobs=2, progress=False)
    assert Store(tmp_path).record_path(specs(("a",))[0]).stat().st_mtime_ns == stamp
    assert len(Store(tmp_path).records()) == 2
    sweep(specs(("a",)), build, tmp_path, jobs=1, progress=False, fresh=True)
    assert Store(tmp_path).record_path(specs(("a",))[0]).stat().st_mtime_ns != stamp


def test_side_by_side_gives_the_bits_of_one_after_the_other(tmp_path):
    many = specs(("a", "b"), seeds=(0, 1))
    first = sweep(many, build, tmp_path / "one", jobs=1, progress=False)
    second = sweep(many, build, tmp_path / "two", jobs=2, progress=False)
    assert [history(r) for r in first] == [history(r) for r in second]


@pytest.mark.fault
def test_records_of_other_settings_are_refused(tmp_path):
    (spec,) = specs(("a",))
    execute(spec, build, Store(tmp_path))
    other = RunSpec("test", "a", 0, 3, settings={"lr": 0.2})
    with pytest.raises(RecordError, match="other settings than asked for"):
        sweep([other], build, tmp_path, jobs=1, progress=False)


@pytest.mark.fault
@pytest.mark.parametrize("damage", ["cut", "digit", "newer", "html", "empty"])
def test_a_damaged_record_is_refused_by_name_and_the_rest_still_used(tmp_path, damage, caplog):
    for spec in specs(("a", "b")):
        execute(spec, build, Store(tmp_path))
    path = Store(tmp_path).record_path(specs(("a",))[0])
    text = path.read_text()
    if damage == "cut":
        path.write_text(text[: len(text) // 2])
    elif damage == "digit":
        path.write_text(text.replace('"seed": 0', '"seed": 1'))
    elif damage == "newer":
        path.write_text(text.replace('"version": 1', '"version": 2'))
    else:
        path.write_text("<html>" if damage == "html" else "")
    with pytest.raises(RecordError, match=path.name):
        read_record(path)
    assert [r.spec["run"] for r in Store(tmp_path).records()] == ["b"]
    assert path.name in caplog.text


@pytest.mark.fault
def test_a_claimed_run_is_left_to_its_owner(tmp_path):
    (spec,) = specs(("a",))
    with Store(tmp_path).claimed(spec) as mine:
        assert mine
        code = (
            "import pathlib; from gluon_lr.experiments import RunSpec, Store\n"
            f"with Store(pathlib.Path({str(tmp_path)!r})).claimed({spec!r}) as mine: print(mine)"
        )
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "False"


@pytest.mark.fault
def test_a_damaged_record_is_named_when_the_rest_is_done(tmp_path):
    first, *rest = specs(("a", "b", "c"))
    execute(first, build, Store(tmp_path))
    path = Store(tmp_path).record_path(first)
    path.write_text(path.read_text()[:-30])
    with pytest.raises(DamagedError, match="Delete it"):
        sweep([first, *rest], build, tmp_path, progress=False)
    assert [Store(tmp_path).find(spec).status for spec in rest] == ["finished", "finished"]


def test_runs_of_one_name_are_refused_before_anything_is_forgotten(tmp_path):
    (spec,) = specs(("a",))
    execute(spec, build, Store(tmp_path))
    with pytest.raises(RecordError, match="same name"):
        sweep([spec, spec], build, tmp_path, fresh=True, progress=False)
    assert Store(tmp_path).find(spec).complete


@pytest.mark.fault
def test_what_a_killed_writer_left_is_removed(tmp_path):
    (spec,) = specs(("a",))
    script = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[1])\n"
        "from small_runs import build, specs\n"
        "from gluon_lr.experiments import Store; from gluon_lr.experiments.run import execute\n"
        "calls = iter(range(9))\n"
        "kill = lambda: os.kill(os.getpid(), signal.SIGKILL)\n"
        "os.fsync = lambda fd, plain=os.fsync: kill() if next(calls) == 3 else plain(fd)\n"
        "execute(specs(('a',))[0], build, Store(sys.argv[2]))"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, str(ROOT / "tests"), str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert list((tmp_path / "runs").glob(".*.part"))
    expected = execute(spec, build, Store(tmp_path / "undisturbed"))
    assert history(execute(spec, build, Store(tmp_path))) == history(expected)
    assert [p.name for p in (tmp_path / "runs").iterdir()] == [f"{spec.key}.json"]


@pytest.mark.fault
@pytest.mark.slow
def test_two_commands_on_one_folder_share_the_work(tmp_path):
    both = [campaigns.start_sweep(tmp_path, tmp_path / "out") for _ in range(2)]
    for process in both:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        assert out.count("finished") == 8
    assert len(Store(tmp_path / "out").records()) == 8
    begun = (tmp_path / "out" / "begun.txt").read_text().split()
    assert sorted(begun) == sorted(set(begun)), "a run was done twice"
    assert len(begun) == 8


@pytest.mark.fault
@pytest.mark.slow
def test_kill_9_of_workers_and_parent_costs_nothing_but_time(tmp_path):
    told = campaigns.kill_minus_9(tmp_path, 4, seeds=(0, 1, 2, 3), epochs=8)
    assert (told["workers killed"], told["commands killed"], told["lost"]) == (2, 2, 0)


@pytest.mark.fault
@pytest.mark.slow
def test_memory_and_open_files_stay_flat_over_many_runs(tmp_path):
    told = campaigns.soak(tmp_path, 100)
    assert (told["runs"], told["lost"]) == (100, 0)
    # 60 runs of a net of a few hundred bytes: what grows here would grow without end.
    assert told["MiB late"] - told["MiB early"] < 10
    assert told["open files late"] <= told["open files early"] + 2


@pytest.mark.fault
def test_an_output_folder_that_cannot_be_written_is_said_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="--out"):
        sweep(specs(), build, tmp_path / "file", progress=False)


def test_what_collapsed_means():
    good = {"train_loss": [2.3] * 6, "test_acc": [0.5], "first_loss": [2.4]}
    nan = float("nan")
    assert outcome(good) == "finished"
    assert outcome({**good, "test_acc": [0.1]}) == "collapsed"
    assert outcome({**good, "train_loss": [nan]}) == "collapsed"
    assert outcome({**good, "test_acc": [nan]}) == "finished", "no accuracy: the loss alone decides"
    assert outcome({**good, "test_acc": [nan], "train_loss": [nan]}) == "collapsed"
    slow = {**good, "test_acc": [0.1], "train_loss": [2.39, 2.38, 2.37, 2.36, 2.35, 2.34]}
    assert outcome(slow) == "finished", "it still learns"
    assert outcome({**slow, "train_loss": [1e9, 1e8, 1e7, 1e6]}) == "collapsed", "it comes down from an explosion"
    assert outcome({**slow, "test_acc": [0.1], "train_loss": [2.3, 0.9, 0.5, 0.4, 0.3, 2.32]}) == "collapsed"
    lost = {**slow, "test_acc": [0.29, 0.25, 0.1, 0.1], "train_loss": [2.1, 2.45, 2.52, 2.33]}
    assert outcome(lost) == "collapsed", "it fell in the second half, but had been better before"
    assert outcome({**slow, "test_acc": [0.2]}, classes=3) == "finished"
    below = {"test_acc": [0.1], "first_loss": [-0.5]}
    assert outcome({**below, "train_loss": [-1.0, -2.0, -3.0, -4.0]}) == "finished", "a loss may be negative"
    assert outcome({**below, "train_loss": [-1.0, -4.0, -4.0, -3.0]}) == "collapsed"
    assert outcome({**good, "test_acc": [0.42]}, classes=3) == "collapsed", "by a tenth better than guessing at most"
    once = {"test_acc": [0.19], "first_loss": [2.4]}
    assert outcome({**once, "train_loss": [2.0]}) == "finished", "one epoch has only the first batch to be held against"
    assert outcome({**once, "train_loss": [2.5]}) == "collapsed"


def test_a_record_is_plain_json_with_a_checksum(tmp_path):
    (spec,) = specs(("a",))
    execute(spec, build, Store(tmp_path))
    body = json.loads(Store(tmp_path).record_path(spec).read_text())
    assert len(body["sha256"]) == 64
    assert set(body) == {"version", "spec", "status", "seconds", "data", "environment", "error", "history", "sha256"}


def test_a_record_with_other_fields_is_refused_by_name(tmp_path):
    spec = RunSpec("small", "a", 0, 1)
    store = Store(tmp_path)
    store.write(spec, Record(spec.as_dict(), "finished", {"train_loss": [1.0]}, {}, {}, 1.0))
    (path,) = store.paths()
    body = json.loads(path.read_text())
    body.pop("sha256")
    path.write_text(with_digest({**body, "note": "from later"}))
    with pytest.raises(RecordError, match="has other fields than this gluon_lr knows"):
        read_record(path)


def test_an_error_that_names_a_file_in_no_unicode_can_be_recorded_and_reported(tmp_path):
    write_text(tmp_path / "report.html", "cannot open caf\udce9")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "cannot open caf\\udce9"


def test_every_committed_record_has_the_outcome_of_its_curves():
    for folder in (ROOT / "chapter_runs", ROOT / "benchmarks" / "finder"):
        for runs in folder.rglob("runs"):
            for record in Store(runs.parent).records():
                if "first_loss" in record.history:  # the chapter's by 1.0.0, kept beside the new ones, have none
                    assert record.status == outcome(record.history), record.path.name


def test_a_run_that_is_made_again_says_no_longer_that_it_failed(tmp_path):
    (spec,), store, seen = specs(("a",)), Store(tmp_path), []

    def failing(*_):
        raise ValueError("column 'age' is missing:\nhave: a, b\n")

    def looking(*arguments):
        seen.append(store.find(spec).status)
        return build(*arguments)

    failed = execute(spec, failing, store)
    assert (failed.status, failed.failure) == ("failed", "ValueError: column 'age' is missing:")
    assert (execute(spec, looking, store).status, seen) == ("finished", ["running"])
