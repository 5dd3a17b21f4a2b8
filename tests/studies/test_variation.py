"""The chapter with other rates, schedules and nets: beside its own runs, and never in their place."""

import pytest
from conftest import run_module

from gluon_lr.cli import imported
from gluon_lr.errors import UsageError
from gluon_lr.experiments import Store
from gluon_lr.studies.chapter.__main__ import main
from gluon_lr.studies.chapter.experiment import RUNS, build, chapter_scheduler, specifications
from gluon_lr.studies.chapter.variation import Variation

OWN = """
from gluon_lr import LinearScheduler
from mxnet.gluon import nn


def falling(lr, epochs, updates_per_epoch):
    return LinearScheduler(epochs * updates_per_epoch, lr)


def small(ctx):
    net = nn.HybridSequential()
    net.add(nn.Flatten(), nn.Dense(10))
    return net


number = 5
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "my_own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_every_rate_is_scaled():
    for run in RUNS[1:]:
        plain, scaled = chapter_scheduler(run), chapter_scheduler(run, lr=0.1)
        for t in (1, 7, 20, 33, 45):
            assert scaled(t) == pytest.approx(plain(t) / 5, rel=1e-12), run


def test_the_chapters_own_runs_are_named_and_made_as_before():
    (spec,) = specifications(["cosine"], "as-printed", [0], 40)
    assert spec.settings == {"batch_size": 256, "net": "lenet", "optimizer": "sgd"}
    assert Variation().folder == ""
    assert Variation(schedules={"mine": "a:b"}).folder == "", "it stands beside the five"
    assert Variation(lr=0.1).folder == "lr-0.1"
    assert Variation(lr=0.1, net="my_own:small").folder == "lr-0.1_my_own-small"


def test_a_schedule_and_a_net_of_ones_own_train_beside_the_five(own):
    variation = Variation(0.1, {"mine": "my_own:falling"}, "my_own:small")
    specs = specifications(["constant"], "per-update", [0], 2, 600, variation)
    assert [spec.run for spec in specs] == ["constant", "mine"]
    import mxnet as mx

    constant, mine = (build(spec, mx.cpu()) for spec in specs)
    assert constant.trainer.learning_rate == 0.1
    assert mine.trainer.learning_rate == 0.1
    assert mine.trainer.optimizer.lr_scheduler.max_update == 2 * 3
    assert len(mine.net.collect_params().keys()) == 2
    before = specs[1].settings
    (own / "my_own.py").write_text(OWN.replace("updates_per_epoch, lr)", "updates_per_epoch, lr, lr / 9)"))
    import importlib
    import linecache

    import my_own

    linecache.checkcache()
    importlib.reload(my_own)
    assert specifications(["constant"], "per-update", [0], 2, 600, variation)[1].settings != before


def test_what_cannot_be_found_is_said(own):
    for name, says in (
        ("nowhere:f", "cannot import 'nowhere'"),
        ("my_own:missing", "my_own has no 'missing'"),
        ("my_own:number", "is a int: expected a function"),
    ):
        with pytest.raises(UsageError, match=says):
            imported(name)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--lr", "0"),
        ("--lr", "fast"),
        ("--lr", "nan"),
        ("--schedule", "mine"),
        ("--schedule", "a=b"),
        ("--schedule", "a=..:b"),
        ("--net", "lenet"),
    ],
)
def test_wrong_values_are_one_line_and_exit_2(option, value, capsys):
    with pytest.raises(SystemExit) as ended:
        main([option, value])
    assert ended.value.code == 2
    assert "expected" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_with_all_of_it(own):
    done = run_module(
        *("gluon_lr.chapter", "--quick", "--epochs", "1", "--only", "cosine", "--lr", "0.1", "--seeds", "0,1"),
        *("--schedule", "mine=my_own:falling", "--net", "my_own:small", "--out", "out"),
        cwd=own,
        env={"PYTHONPATH": str(own)},
    )
    assert done.returncode == 0, done.stderr
    records = Store(own / "out" / "lr-0.1_my_own-small" / "quick").records()
    assert {r.spec["run"] for r in records} == {"cosine", "mine"}
    assert all(r.status in ("finished", "collapsed") for r in records), [r.error for r in records]
    page = (own / "out" / "lr-0.1_my_own-small" / "quick" / "report.html").read_text()
    assert "mine" in page
    assert "read from" not in done.stdout
    again = run_module(
        *("gluon_lr.chapter", "--quick", "--epochs", "1", "--only", "cosine", "--lr", "0.1", "--seeds", "0-2"),
        *("--schedule", "mine=my_own:falling", "--net", "my_own:small", "--out", "out"),
        cwd=own,
        env={"PYTHONPATH": str(own)},
    )
    assert "4 of 6 runs read from" in again.stdout
    assert "2 trained" in again.stdout


def test_a_schedule_of_ones_own_takes_no_name_of_the_five(own):
    with pytest.raises(UsageError, match="constant is the chapter's; take another name"):
        specifications(RUNS, "per-update", [0], 2, 600, Variation(schedules={"constant": "my_own:falling"}))


def test_varied_trainings_stand_on_no_page(own):
    page = own / "R.md"
    page.write_text("<!-- chapter-results:begin -->\nfigures\n<!-- chapter-results:end -->\n")
    for varied in (["--lr", "0.1"], ["--epochs", "5"], ["--net", "my_own:small"]):
        with pytest.raises(UsageError, match="leave --markdown out"):
            main([*varied, "--markdown", str(page), "--out", str(own / "out")])
    assert "figures" in page.read_text()
    assert not (own / "out").exists()
