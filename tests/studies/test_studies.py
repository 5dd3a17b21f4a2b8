"""The tutorial's and the demonstrations' commands, in short runs on real data, and what is committed of them."""

import itertools
import json
import math
import runpy
from dataclasses import replace

import numpy as np
import pytest
from conftest import ROOT, run_module
from small_runs import build, specs

from gluon_lr.analysis.comparisons import ranking_words
from gluon_lr.data import ArrayBatches
from gluon_lr.experiments.record import Record
from gluon_lr.experiments.run import execute
from gluon_lr.experiments.store import Store
from gluon_lr.finder import RULES
from gluon_lr.finder.rules import DEFAULT_RULE
from gluon_lr.report.tables import arms_table, paired_table, results_csv
from gluon_lr.studies.article import experiment as article
from gluon_lr.studies.beyond import experiment as beyond
from gluon_lr.studies.beyond.experiment import COUNTERPARTS
from gluon_lr.studies.beyond.report import found_words
from gluon_lr.studies.chapter.__main__ import CHAPTER
from gluon_lr.studies.command import _train as train_all
from gluon_lr.studies.exercises import experiment as exercises
from gluon_lr.studies.exercises.claims import answers as exercise_answers
from gluon_lr.studies.options import parse
from gluon_lr.studies.talk import experiment as talk
from gluon_lr.studies.tutorial import experiment as tutorial
from gluon_lr.studies.tutorial.claims import PUBLISHED, claims
from gluon_lr.studies.tutorial.report import read_searches, results_table
from gluon_lr.studies.tutorial.report import write_report as write_tutorial


def test_stretches_serve_one_stream_of_batches_wherever_it_is_entered():
    batches = ArrayBatches(np.zeros((10, 1), np.uint8), np.arange(10), 3, shuffle=True, seed=4)
    stretches = tutorial.Stretches(batches, 4)
    served = [[y.asnumpy().astype(int).tolist() for _, y in stretches] for _ in range(3)]
    whole = [batches.order(round_)[3 * i : 3 * i + 3].tolist() for round_ in range(4) for i in range(3)]
    assert list(itertools.chain.from_iterable(served)) == whole
    stretches.epoch = 1
    assert [y.asnumpy().astype(int).tolist() for _, y in stretches] == served[1]


@pytest.mark.slow
def test_the_tutorials_command_end_to_end(tmp_path):
    arguments = ("gluon_lr", "tutorial", "--quick", "--only", "lr-0.05", "--out", tmp_path)
    done = run_module(*arguments)
    assert done.returncode == 0, done.stderr
    assert "LRFinderResult" in done.stdout
    assert "QUICK RUN" in (tmp_path / "quick" / "report.html").read_text()
    search = read_searches(tmp_path / "quick")[0]
    assert len(search) >= 20
    (record,) = Store(tmp_path / "quick").records()
    assert record.epochs == 2
    searched = (tmp_path / "quick" / "finder" / "seed0.json").stat().st_mtime_ns
    again = run_module(*arguments)
    assert "LRFinderResult" not in again.stdout, "the search was made twice"
    damaged = tmp_path / "quick" / "finder" / "seed0.json"
    assert damaged.stat().st_mtime_ns == searched
    damaged.write_text(damaged.read_text()[:-100])
    report = run_module(*arguments, "--report-only")
    assert report.returncode == 0, report.stderr
    assert "left out: " in report.stderr
    once_more = run_module(*arguments)
    assert "searched again: " in once_more.stderr
    assert "LRFinderResult" in once_more.stdout
    assert read_searches(tmp_path / "quick")[0] == search


def test_a_folder_of_quick_runs_is_marked_so_without_quick_too(tmp_path):
    folder = tmp_path / "quick"
    (spec,) = beyond.specifications(["plateau"], [0], 1, limit=256)
    assert execute(spec, beyond.build, Store(folder)).error is None
    done = run_module("gluon_lr", "beyond", "--report-only", "--out", folder)
    assert done.returncode == 0, done.stderr
    assert "QUICK RUN" in done.stdout
    assert "QUICK RUN" in (folder / "report.html").read_text()
    done = run_module("gluon_lr", "beyond", "--report-only", "--out", folder, "--markdown", ROOT / "README.md")
    assert done.returncode == 2, done.stdout


@pytest.mark.slow
def test_every_demonstration_trains_and_stops_and_goes_on(tmp_path):
    one = ("gluon_lr", "beyond", "--quick", "--only", "batch-growth,plateau,autolrs,scheduled-weight-decay")
    done = run_module(*one, "--epochs", "2", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert {r.status for r in Store(tmp_path / "quick").records()} <= {"finished", "collapsed"}
    assert "QUICK RUN" in (tmp_path / "quick" / "report.html").read_text()


@pytest.mark.slow
def test_a_demonstration_goes_on_with_the_same_bits(tmp_path, monkeypatch):
    for name in ("batch-growth", "plateau", "autolrs", "adaptive-momentum"):
        (spec,) = beyond.specifications([name], [0], 3, limit=1000)
        whole = execute(spec, beyond.build, Store(tmp_path / "whole"))
        assert whole.error is None, whole.error
        original, calls = Store.write, []

        def dies(*arguments, original=original, calls=calls):
            original(*arguments)
            calls.append(1)
            if len(calls) == 3:
                raise KeyboardInterrupt

        monkeypatch.setattr(Store, "write", dies)
        with pytest.raises(KeyboardInterrupt):
            execute(spec, beyond.build, Store(tmp_path / "cut"))
        monkeypatch.undo()
        resumed = execute(spec, beyond.build, Store(tmp_path / "cut"))
        strip = [{k: v for k, v in r.history.items() if k != "seconds"} for r in (whole, resumed)]
        assert strip[0] == strip[1], name


def _record(run, seed, accuracy, status="finished"):
    spec = {"run": run, "seed": seed, "limit": None, "settings": {"updates_per_part": 100}}
    history = {name: [accuracy] * 5 for name in ("train_loss", "test_loss", "test_acc", "first_loss", "last_loss")}
    return Record(spec, status, history, {}, {}, 1.0)


def test_arms_are_compared_in_pairs_and_collapsed_ones_left_out():
    records = [_record("a", s, 0.8 + 0.001 * s) for s in range(4)] + [
        _record("b", s, 0.7 + 0.0012 * s) for s in range(4)
    ]
    records.append(_record("b", 9, 0.1, "collapsed"))
    table = paired_table(records, [("a", "b"), ("b", "a")], "test_acc", True)
    assert [row[-1] for row in table.rows] == ["better", "worse"]
    assert paired_table(records, [("a", "b")], "test_loss", False).rows[0][-1] == "worse"
    assert paired_table(records, [("a", "b"), ("b", "a")], "test_loss", False).rows[1][-1] == "better"
    close = [_record(run, s, 0.8 + 0.001 * s + 1e-5 * s * (run == "b")) for run in "ab" for s in range(4)]
    assert paired_table(close, [("a", "b")], "test_acc", True, 0.01).rows[0][-1] == "no difference larger than 0.01"
    assert paired_table(close, [("a", "b")], "test_acc", True).rows[0][-1].startswith("not resolved at 4 seeds")
    assert arms_table(records, "").rows[1][-2] == "1"
    assert paired_table(records[:1], [("a", "b")], "test_acc", True).rows[0][-1] == "not resolved at 0 seeds"


def test_the_tutorials_table_and_claims_read_single_batches():
    records = [_record(run, seed, 1.0 + seed / 10) for run in PUBLISHED for seed in range(3)]
    rows = results_table(records).rows
    assert len(rows) == 18
    assert rows[0][:3] == ["lr-0.05", "update 0", "2.785"]
    assert [len(claim.differences) for claim in claims(records)] == [3, 3]


@pytest.mark.parametrize(
    ("folder", "runs", "seeds"),
    [("beyond", COUNTERPARTS, 10), ("tutorial", tutorial.RUNS, 10), ("article", article.RUNS, 10)],
)
def test_the_committed_evidence_is_whole(folder, runs, seeds):
    records = Store(ROOT / "chapter_runs" / folder).records()
    have = {(r.spec["run"], r.spec["seed"]) for r in records if r.complete}
    assert {(run, seed) for run in runs for seed in range(seeds)} <= have
    ordered = sorted(records, key=lambda r: (list(runs).index(r.spec["run"]), r.spec["seed"]))
    assert (ROOT / "chapter_runs" / folder / "results.csv").read_text() == results_csv(ordered)


def test_the_talks_committed_grid_is_whole():
    wanted = talk.specifications(talk.SCHEDULES, range(10), talk.PRESETS["small"])
    assert len(wanted) == 350
    for spec in wanted:
        assert Store(ROOT / "chapter_runs" / "talk").find(spec).complete, spec.key


def test_a_tutorial_report_needs_no_search(tmp_path):
    (tmp_path / "runs").mkdir()
    page = write_tutorial(tmp_path)
    assert "three rates" in page.read_text().lower()
    assert json.dumps(read_searches(tmp_path)) == "{}"


def test_the_finders_default_rule_is_the_one_with_the_least_regret(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "finder"))
    regret = runpy.run_path(str(ROOT / "benchmarks" / "finder" / "regret.py"))
    found = regret["regrets"](regret["FOLDER"], regret["TASKS"], regret["BY_EYE"])
    assert len(found) >= 5
    mean = {rule: np.mean([np.mean(by[rule][1]) for by in found.values() if by[rule][1]]) for rule in RULES}
    assert min(mean, key=mean.get) == DEFAULT_RULE
    assert all(np.mean(found[task][DEFAULT_RULE][1]) <= 0.025 for task in found), "the worst: LeNet with SGD"


def test_a_rate_that_was_itself_trained_is_not_interpolated(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "finder"))
    import regret_tables

    true = {"mlp-nag": (np.array([0.04, 0.08]), np.array([1.0, 1.2]))}
    between = regret_tables.regret("mlp-nag", 0.05, true, {})
    assert 0 < between < 0.2
    assert regret_tables.regret("mlp-nag", 0.05, true, {("mlp-nag", 0.05): 1.5}) == pytest.approx(0.5)
    assert regret_tables.regret("mlp-nag", 0.04, true, {("mlp-nag", 0.05): 1.5}) == 0
    assert regret_tables.regret("mlp-nag", 0.06, true, {("mlp-nag", 0.05): 1.5}) == pytest.approx(0.117, abs=0.001)


def test_the_rate_by_eye_was_trained_with_every_seed_on_every_task(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "finder"))
    import regret_tables
    from tasks import EVERY

    records = Store(ROOT / "benchmarks" / "finder").records()
    trained = {(r.spec["settings"]["task"], r.spec["settings"]["rate"], r.spec["seed"]) for r in records if r.complete}
    assert [each for each in regret_tables.trained_by_eye(EVERY, range(3)) if each not in trained] == []
    assert len(regret_tables.trained_by_eye(EVERY, range(3))) == 27


def test_the_finders_benchmark_makes_what_it_trains(monkeypatch):
    import mxnet as mx

    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "finder"))
    regret = runpy.run_path(str(ROOT / "benchmarks" / "finder" / "regret.py"))
    spec = regret["specifications"](["mlp-sgd"], [0])[0]
    run = regret["build"](spec, mx.cpu())
    first = next(iter(run.train_iter))
    assert first[0].shape[0] == 64
    assert run.trainer.learning_rate == spec.settings["rate"]


def test_the_tutorials_claims_rest_on_whole_trainings_that_did_not_diverge():
    records = [_record(run, seed, 1.0 + seed / 10) for run in PUBLISHED for seed in range(3)]
    running = _record("lr-0.05", 3, 9.0, "running")
    wild = _record("lr-0.5", 3, math.nan, "collapsed")
    fine = [_record("lr-0.05", 4, 1.0), _record("lr-0.5", 4, 2.0), _record("lr-0.005", 4, 2.0)]
    greater, smaller = claims([*records, running, wild, *fine])
    assert (len(greater.differences), greater.trained) == (4, 4)
    whole = _record("lr-0.05", 3, 1.0)
    greater, smaller = claims([*records, whole, wild, *fine])
    assert (len(greater.differences), greater.trained) == (4, 5)
    assert len(smaller.differences) == smaller.trained == 4


def test_words_count_what_was_judged_and_do_not_turn_round():
    records = Store(ROOT / "chapter_runs" / "exercises").records()
    lost = [replace(r, status="collapsed") for r in records if r.spec["settings"]["exercise"] == "warmup"]
    assert exercise_answers(lost)["warmup"].endswith("; each lost a seed")
    one = [r for r in records if r.spec["run"] == "warmup 2 epochs@0.5"]
    assert ranking_words(one) == "means, the best first: 2 epochs"
    beyond = Store(ROOT / "chapter_runs" / "beyond").records()
    some = [r for r in beyond if r.spec["run"] in ("constant", "step")]
    assert found_words(some[:1]).startswith("Two seeds or more")
    assert found_words(some).startswith("Of 1 way of scheduling, beside its counterpart, ")
    assert found_words(beyond).startswith("Of 7 ways of scheduling, each beside its counterpart, ")


def test_runs_are_followed_from_when_they_begin(tmp_path):
    events = []

    class Follower:
        def __enter__(self):
            events.append("followed")
            assert not Store(tmp_path).records(), "old ones are gone before anyone looks"

        def __exit__(self, *_):
            events.append("not any more")

    study = replace(CHAPTER, build=build, before=lambda _: events.append("before"))
    for again in ([], ["--fresh"]):
        events.clear()
        options = parse(study, ["--out", str(tmp_path), "--jobs", "1", *again])
        (record,) = train_all(study, options, specs(("a",)), Follower())
        assert (events, record.status) == (["before", "followed", "not any more"], "finished")


def test_the_exercises_committed_grid_is_whole():
    for spec in exercises.specifications(exercises.RUNS, range(10)):
        assert Store(ROOT / "chapter_runs" / "exercises").find(spec).complete, spec.key
