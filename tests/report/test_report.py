"""Figures and progress: what people look at."""

import io
from contextlib import redirect_stderr
from dataclasses import replace

from gluon_lr.experiments.progress import bars
from gluon_lr.experiments.record import Record
from gluon_lr.experiments.spec import RunSpec
from gluon_lr.experiments.store import Store
from gluon_lr.report.figures import SCHEDULES, draw_training, look, looks
from gluon_lr.report.page import made_by


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
