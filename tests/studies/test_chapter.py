"""The chapter's command on real data, its report, and the committed evidence."""

import csv
import io
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from conftest import ROOT, run_module

from gluon_lr.analysis.statistics import compare_paired, holm, mean_interval
from gluon_lr.analysis.verdicts import KINDS, Claim, judge
from gluon_lr.experiments.record import Record
from gluon_lr.experiments.store import Store
from gluon_lr.report.blocks import block, with_block
from gluon_lr.report.tables import COLUMNS, results_csv
from gluon_lr.studies.chapter.claims import PUBLISHED, claims
from gluon_lr.studies.chapter.experiment import BATCH_SIZE, RUNS, specifications
from gluon_lr.studies.chapter.published import results_table, select
from gluon_lr.studies.chapter.report import write_report

QUICK = ("gluon_lr.chapter", "--quick", "--only", "square-root,multi-factor", "--epochs", "6", "--jobs", "2")


def history(record):
    return {k: v for k, v in record.history.items() if k != "seconds"}


def epochs(folder):
    return sum(record.epochs for record in Store(folder).records())


@pytest.mark.slow
@pytest.mark.fault
def test_the_command_interrupted_and_resumed_ends_with_the_same_bits(tmp_path):
    whole = run_module(*QUICK, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    assert "QUICK RUN" in whole.stdout
    page = (tmp_path / "whole" / "quick" / "report.html").read_text()
    assert "QUICK RUN" in page
    assert "(quick: 20000 images)" in (tmp_path / "whole" / "quick" / "results.csv").read_text()

    command = [sys.executable, "-W", "ignore", "-m", *QUICK, "--out", str(tmp_path / "cut")]
    for ending in (signal.SIGKILL, signal.SIGINT):
        before = epochs(tmp_path / "cut" / "quick")
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
        deadline = time.monotonic() + 120
        while epochs(tmp_path / "cut" / "quick") == before:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        if ending == signal.SIGINT:
            os.killpg(process.pid, ending)  # as a terminal's Ctrl-C does
        else:
            process.send_signal(ending)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == (130 if ending == signal.SIGINT else -9)
        assert "Traceback" not in errors, errors
    assert "goes on from here" in errors
    resumed = run_module(*QUICK, "--out", tmp_path / "cut")
    assert resumed.returncode == 0, resumed.stderr
    first, second = (Store(tmp_path / name / "quick").records() for name in ("whole", "cut"))
    assert [history(r) for r in first] == [history(r) for r in second]
    assert all(r.status == "finished" and r.epochs == 6 for r in second)

    again = run_module(*QUICK, "--out", tmp_path / "cut", "--report-only")
    assert again.returncode == 0, again.stderr


def test_results_csv_is_generated_from_the_committed_runs():
    text = (ROOT / "chapter_runs" / "chapter" / "results.csv").read_text(encoding="utf-8")
    assert text == results_csv(Store(ROOT / "chapter_runs" / "chapter").records())
    assert tuple(next(csv.reader(io.StringIO(text)))) == COLUMNS


def test_the_committed_evidence_is_whole():
    records = Store(ROOT / "chapter_runs" / "chapter").records()
    have = {(r.spec["reading"], r.spec["run"], r.spec["seed"]) for r in records if r.complete and r.epochs}
    wanted = {("as-printed", run, seed) for run in RUNS for seed in range(20)}
    wanted |= {("per-epoch", run, seed) for run in RUNS for seed in range(20)}
    wanted |= {("per-update", "multi-factor", seed) for seed in range(20)}
    wanted |= {("per-epoch-ramped", "cosine-warmup", seed) for seed in range(20)}
    assert wanted <= have
    for record in records:
        assert record.spec["limit"] is None
        assert record.spec["settings"]["batch_size"] == BATCH_SIZE
        assert record.data["edition"] in ("2017-08-26", "2017-08-31")
        assert record.status == "collapsed" or record.epochs == 40


@pytest.mark.slow
def test_the_page_stands_alone(tmp_path):
    import shutil

    shutil.copytree(ROOT / "chapter_runs" / "chapter" / "runs", tmp_path / "runs")
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert page.count("data:image/png;base64,") >= 5
    for run in RUNS:
        assert run in page
    assert (tmp_path / "results.csv").read_text() == results_csv(Store(tmp_path).records())


@pytest.mark.slow
def test_trainings_of_another_size_stand_in_no_table_beside_the_others(tmp_path):
    """Three epochs, and a slice of the images, made in the folder of the evidence: they would pass for more seeds."""
    import shutil

    shutil.copytree(ROOT / "chapter_runs" / "chapter" / "runs", tmp_path / "runs")
    write_report(tmp_path)
    before = (tmp_path / "results.csv").read_bytes()
    whole = next(r for r in Store(tmp_path).records() if r.spec["run"] == "cosine")
    for spec in (
        *specifications(["cosine"], "as-printed", [100, 101], 3),
        *specifications(["cosine"], "as-printed", [102], 40, limit=256),
    ):
        Store(tmp_path).write(spec, replace(whole, spec=spec.as_dict()))
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert (tmp_path / "results.csv").read_bytes() == before
    assert "left out: 2 records of 3 epochs, which" in page
    assert "left out: 1 record of 40 epochs and 256 images, which" in page


def test_specifications_are_all_different():
    specs = [s for reading in ("as-printed", "per-epoch") for s in specifications(RUNS, reading, range(3), 40)]
    assert len({s.key for s in specs}) == len(specs) == 30


def test_published_figures_are_the_chapters():
    assert PUBLISHED["multi-factor"] == (0.151, 0.943, 0.896)
    assert len(results_table(Store(ROOT / "chapter_runs" / "chapter").records()).rows) == 15


def test_every_claim_gets_a_verdict():
    records = select(Store(ROOT / "chapter_runs" / "chapter").records(), "as-printed")
    verdicts = judge(claims(records))
    assert len(verdicts) == 8
    for verdict in verdicts:
        assert verdict.kind in KINDS
        assert verdict.claim.trained == len({record.spec["seed"] for record in records})
        if "stalls" not in verdict.claim.text:  # of two parts, one of which has δ in it
            assert verdict.claim.delta > 0
            assert verdict.claim.why


def test_a_constant_rate_stalls_only_if_training_gains_and_tests_do_not():
    def verdict(train, test):
        records = []
        for seed in range(6):
            little = 1e-4 * seed
            history = {"train_loss": [1.0] * 8, "train_acc": [0.5] * 6 + [0.5 + train + little] * 2,
                       "test_acc": [0.5] * 6 + [0.5 + test - little] * 2}  # fmt: skip
            spec = {"run": "constant", "seed": seed, "reading": "as-printed"}
            records.append(Record(spec, "finished", history, {}, {}, 1.0))
        found = next(v for v in judge(claims(records)) if "stalls" in v.claim.text)
        return found.kind, found.claim.measure.rpartition("decides is ")[2]

    assert verdict(0.05, 0.0) == ("supported", "0.005 less that of test accuracy")
    assert verdict(0.05, 0.04)[0] == "refuted", "both rise"
    assert verdict(-0.05, -0.2) == ("refuted", "that of training accuracy"), "neither"


def test_intervals_are_students():
    # t(0.975, 4) = 2.7764; s = 1.5811 of 1…5
    assert mean_interval([1, 2, 3, 4, 5]).half_width == pytest.approx(2.776445 * 1.581139 / 5**0.5, rel=1e-6)
    assert 3.0 in mean_interval([3.0])
    assert mean_interval([]).n == 0


def test_verdicts_need_evidence():
    def verdict(differences, **kwargs):
        return judge([Claim("c", "m", differences, **kwargs)])[0].verdict

    assert verdict([1.0, 1.1, 0.9, 1.0]) == "supported"
    assert verdict([-1.0, -1.1, -0.9, -1.0]) == "refuted"
    assert verdict([1.0, -1.1, 0.9, -1.0]).startswith("not resolved at 4 seeds")
    assert verdict([1.0]) == "not resolved at 1 seed"
    assert verdict([]) == "not resolved at 0 seeds"
    assert verdict([-0.01, -0.011, -0.012], denies=True) == "supported"
    assert verdict([0.1, 0.11, 0.12], denies=True) == "refuted"
    assert verdict([0.001, 0.0011, 0.0012], denies=True) == "refuted", "a small gain that is sure is a gain"
    assert verdict([0.1, -0.11, 0.02], denies=True, delta=0.005).startswith("not resolved at 3 seeds")


def test_paired_comparisons_use_common_seeds_and_are_corrected():
    comparison = compare_paired("a - b", {0: 1.0, 1: 2.0, 2: 3.5, 9: 7.0}, {0: 0.5, 1: 1.4, 2: 2.9, 8: 1.0})
    assert comparison.difference.n == 3
    assert comparison.difference.mean == pytest.approx((0.5 + 0.6 + 0.6) / 3)
    corrected = holm([comparison, compare_paired("none", {0: 1.0}, {0: 1.0})])
    assert corrected[0].p_corrected == pytest.approx(2 * comparison.p)
    assert corrected[1].p_corrected == 1.0


def test_a_generated_block_is_replaced_and_a_missing_one_named():
    text = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb"
    assert block(with_block(text, "x", "new \\1"), "x") == "new \\1"
    with pytest.raises(Exception, match="no generated block 'y'"):
        block(text, "y")


def test_curves_are_drawn_live(fashion):
    import mxnet as mx

    from gluon_lr.data import ArrayBatches
    from gluon_lr.nets import mlp
    from gluon_lr.report.live import LiveCurves
    from gluon_lr.training import train

    net = mlp((4,))
    net.initialize()
    batches = ArrayBatches(fashion[0][:100], fashion[1][:100], 50)
    live = LiveCurves(3)
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    history = train(net, batches, batches, 3, mx.gluon.loss.SoftmaxCrossEntropyLoss(), trainer, mx.cpu(), on_epoch=live)
    assert [list(line.get_ydata()) for line in live.figure.axes[0].lines] == [
        history.train_loss,
        history.train_acc,
        history.test_acc,
    ]


@pytest.mark.fault
@pytest.mark.parametrize("damage", ["cut", "newer"])
def test_a_damaged_record_is_one_line_and_exit_1_and_stays(tmp_path, damage):
    import shutil

    name = "cosine.as-printed.40ep.seed0.json"
    (tmp_path / "runs").mkdir()
    path = tmp_path / "runs" / name
    shutil.copy(ROOT / "chapter_runs" / "chapter" / "runs" / name, path)
    text = path.read_text()
    path.write_text(text[:200] if damage == "cut" else text.replace('"version": 1', '"version": 7'))
    before = path.read_bytes()
    done = run_module("gluon_lr.chapter", "--only", "cosine", "--out", tmp_path)
    assert done.returncode == 1
    assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert path.read_bytes() == before
