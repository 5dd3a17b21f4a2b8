"""Figures and progress: what people look at."""

import io
from contextlib import redirect_stderr
from dataclasses import replace

from gluon_lr.analysis.statistics import Interval, compare_differences
from gluon_lr.experiments.progress import bars
from gluon_lr.experiments.record import Record
from gluon_lr.experiments.spec import RunSpec
from gluon_lr.experiments.store import Store
from gluon_lr.report.figures import SCHEDULES, draw_training, look, looks
from gluon_lr.report.page import environments, made_by
from gluon_lr.report.tables import arms_table, difference_text, pairs_table, spread


def test_no_two_schedules_look_alike_in_colour_nor_in_grey():
    colors = [color for color, _, _ in SCHEDULES.values()]
    assert len(set(colors)) == len(colors)
    assert len({(str(dash), marker) for _, dash, marker in SCHEDULES.values()}) == len(SCHEDULES)


def test_names_of_the_users_own_are_told_apart_within_a_figure():
    named = looks(["constant", *(f"run {i}" for i in range(8))])
    assert named["constant"] == look("constant")
    for part in ("color", "linestyle", "marker"):
        assert len({str(style[part]) for style in named.values()}) == 9
    many = looks(f"run {i}" for i in range(40)).values()
    assert len({(str(style["linestyle"]), style["marker"]) for style in many}) == 40  # in grey too


def record(seed, status, loss=0.5):
    history = {name: [1.0, loss] for name in ("train_loss", "train_acc", "test_acc")}
    spec = RunSpec("test", "cosine", seed, 2)
    return spec, Record(spec.as_dict(), status, history, {}, {}, 1.0)


def test_a_legend_says_how_many_trainings_did_not_collapse():
    group = [record(0, "finished")[1], record(1, "collapsed")[1], record(2, "finished")[1]]
    assert draw_training(group, "")._localaxes
    assert draw_training(group, "").legends[0].get_texts()[0].get_text() == "cosine (2 of 3)"
    assert draw_training(group[:1], "").legends[0].get_texts()[0].get_text() == "cosine"


def test_a_finished_sweep_is_shown_whole(tmp_path):
    """The last epochs come between the last look and the end."""
    specs = [record(seed, "finished")[0] for seed in range(2)]
    told = io.StringIO()
    told.isatty = lambda: True
    with redirect_stderr(told), bars(specs, Store(tmp_path), True):
        for seed in range(2):
            Store(tmp_path).write(*record(seed, "finished"))
    assert "4/4" in told.getvalue().rstrip().splitlines()[-1]


def test_a_report_says_where_its_records_are_of_several_versions():
    old, new = record(0, "finished")[1], record(1, "finished")[1]
    old, new = replace(old, environment={"python": "3.11"}), replace(new, environment={"gluon_lr": "2.0.0"})
    assert made_by([new, new]) == []
    assert "by several versions of gluon_lr: 1 by 1.0.0, 2 by 2.0.0." in made_by([old, new, new])[0]


def test_updates_and_seconds_are_those_of_whole_trainings():
    spec = RunSpec("test", "a", 0, 2).as_dict()
    history = {name: [1.0, 1.0] for name in ("train_loss", "test_loss", "test_acc")}
    whole = Record(spec, "finished", {**history, "updates": [235, 235]}, {}, {}, 10.0)
    half = Record({**spec, "seed": 1}, "running", {**history, "updates": [235]}, {}, {}, 4.0)
    failed = Record({**spec, "seed": 2}, "failed", {}, {}, {}, 0.0)
    row = dict(zip(arms_table([], "").columns, arms_table([whole, half, failed], "").rows[0]))
    assert (row["updates"], row["seconds a run"], row["seeds"]) == ("470", "10", "1")
    row = dict(zip(arms_table([], "").columns, arms_table([failed], "").rows[0]))
    assert (row["updates"], row["seconds a run"], row["seeds"]) == ("–", "–", "0")


def test_a_report_says_how_many_threads_a_run_had():
    about = {"processor": "P", "cores": 2, "context": "cpu(0)", "python": "3", "mxnet": "1", "numpy": "1"}
    for threads, said in ((1, "1 thread a run"), (4, "4 threads a run"), (None, "MXNet's default of threads a run")):
        record = Record(RunSpec("test", "a", 0, 2).as_dict(), "finished", {}, {}, {**about, "threads": threads}, 0.0)
        assert said in environments([record])[0]


def test_two_names_of_one_schedule_are_the_same_and_have_no_interval():
    def trained(schedule, seed, last):
        spec = RunSpec("test", f"{schedule}@0.1", seed, 2, settings={"schedule": schedule, "rate": 0.1}).as_dict()
        return Record(spec, "finished", {"test_acc": [0.1, last], "train_loss": [1.0, 0.5]}, {}, {}, 1.0)

    records = [trained(name, seed, 0.5 + seed / 10) for name in ("ours", "theirs") for seed in range(3)]
    ((pair, difference, _, verdict),) = pairs_table(records, "").rows
    assert (pair, difference, verdict) == ("ours − theirs", "+0.0000 in every seed", "the same with all 3 seeds")
    records = [trained(name, seed, last) for name, last in (("a", 0.5), ("b", 0.4)) for seed in range(3)]
    ((_, difference, _, verdict),) = pairs_table(records, "").rows
    assert difference == "+0.1000 in every seed"
    assert verdict.startswith("not resolved at 3 seeds")


def test_small_numbers_are_shown_with_two_figures():
    assert spread([5.0e-5, 5.2e-5, 5.1e-5]) == "0.0000510 ± 0.0000025"
    assert spread([0.5, 0.52, 0.51]) == "0.5100 ± 0.0248"
    assert spread([float("inf"), 1.0, 2.0]) == "–"
    gain = compare_differences("a − b", [-5e-5, -5.1e-5, -4.9e-5]).difference
    assert difference_text(gain) == "-0.0000500 (-0.0000525 … -0.0000475)"
    assert difference_text(compare_differences("a − b", [1e-17, -1e-17]).difference) == "+0.0000 in every seed"
    assert difference_text(compare_differences("a − b", [0.01, 0.01]).difference) == "+0.0100 in every seed"
    assert difference_text(Interval(1e-4, -1e-6, 2.01e-4, 7)) == "+0.0001 (+0.0000 … +0.0002)", "no minus before 0"
