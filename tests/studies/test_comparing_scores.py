"""Trainings judged by a number of one's own, and claims of one's own."""

from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

from gluon_lr import ConstantScheduler, compare
from gluon_lr.analysis.measures import ACCURACY, roughness, score_of
from gluon_lr.analysis.selection import at_best_rate
from gluon_lr.analysis.verdicts import judge
from gluon_lr.errors import RecordError, UsageError
from gluon_lr.experiments.record import Record, read_record, write_record
from gluon_lr.experiments.store import Store
from gluon_lr.report.grids import draw_rates
from gluon_lr.report.tables import pairs_table, rates_table, schedules_table
from gluon_lr.studies.compare import Comparison
from gluon_lr.studies.compare.report import draw_best, write_report


def record(schedule, rate, seed, loss, acc=(0.5, 0.5), status="finished", **lists):
    spec = {"run": f"{schedule}@{rate:g}", "seed": seed, "limit": None, "reading": "per-update", "epochs": len(loss),
            "settings": {"schedule": schedule, "rate": rate}}  # fmt: skip
    history = {"train_loss": list(loss), "test_loss": list(loss), "test_acc": list(acc), **lists}
    return Record(spec, status, history, {}, {}, 1.0)


def found(records, score=ACCURACY):
    return Comparison(records, Path("nowhere"), Path("nowhere/report.html"), len(records), 0, score)


def two_arms(seeds=6):
    """``fast`` is lower early on, ``slow`` at the end; at the rate 1 both are hopeless."""
    records = []
    for seed in range(seeds):
        noise = 0.01 * np.sin(seed)
        records.append(record("fast", 0.1, seed, [0.5 + noise, 0.4 + 2 * noise, 0.4]))
        records.append(record("slow", 0.1, seed, [0.9, 0.6 - noise, 0.2 + noise]))
        records.append(record("fast", 1.0, seed, [9.0, 9.0, 9.0]))
        records.append(record("slow", 1.0, seed, [np.inf, np.nan], status="collapsed"))
    return records


def test_a_name_of_the_history_is_its_best_value():
    loss = score_of("test_loss")
    one = record("a", 0.1, 0, [0.7, 0.3, 0.5])
    assert (loss.name, loss.larger_is_better, loss.epoch(one), loss.measure(one)) == ("test loss", False, 1, 0.3)
    assert score_of("test_loss", larger_is_better=True).measure(one) == 0.7
    assert score_of("test_loss").epoch(record("a", 0.1, 0, [np.inf, np.nan])) == 1
    assert score_of("valid_acc").name == "validation accuracy"
    assert score_of("valid_acc").larger_is_better


def test_the_epoch_and_the_rate_are_chosen_on_validation_data_where_there_are_some():
    one = record("a", 0.1, 0, [0.7, 0.3, 0.5], valid_loss=[0.4, 0.5, 0.2])
    loss = score_of("test_loss")
    assert (loss.epoch(one), loss.measure(one), loss.choice(one)) == (2, 0.5, 0.2)
    other = record("a", 0.2, 0, [0.1], valid_loss=[0.3])
    assert at_best_rate([one, other], loss) == {"a": {0: 0.5}}
    assert at_best_rate([record("a", 0.1, 0, [0.3]), record("a", 0.2, 0, [0.1])], loss) == {"a": {0: 0.1}}


def test_tables_and_figures_say_what_they_show():
    records, loss = two_arms(), score_of("test_loss")
    table = schedules_table(records, "", loss)
    assert table.columns[2:4] == ["test loss there", "best epoch"]
    assert [row[0] for row in table.rows] == ["slow", "fast"], "the smaller loss first"
    assert [row[1] for row in table.rows] == ["0.1 (the least tried)"] * 2, "not the rate with the greatest loss"
    (pair,) = pairs_table(records, "", loss).rows
    assert pair[0] == "slow − fast"
    assert pair[1].startswith("-0.1")
    assert pair[3] == "better"
    assert pairs_table(records, "", loss).columns[1] == "difference of test loss (95 %)"
    assert rates_table(records, "", loss).rows[1][2] == "– (6 of 6 collapsed; 6 without a finite number left out)"
    assert draw_rates(records, by=loss).axes[0].get_ylabel() == "test loss at the best epoch"
    assert draw_rates(records).axes[0].get_ylabel() == "test accuracy at the best epoch"
    assert schedules_table(records, "").columns[2] == "test accuracy there"


def first_epoch(history):
    return history["test_loss"][0]


def test_the_roughness_of_a_curve_is_the_deviation_of_its_changes():
    def rough(*accuracies, skip=0.0):
        return roughness(record("a", 0.1, 0, [1.0], test_acc=list(accuracies)), skip)

    assert rough(0.1, 0.3, 0.2) == pytest.approx(np.sqrt(2) * 0.15)  # changes of 0.2 and -0.1, n - 1
    assert rough(0.9, 0.9, 0.1, 0.3, 0.2, 0.2, skip=1 / 3) == pytest.approx(np.std([0.2, -0.1, 0.0], ddof=1))
    assert np.isnan(rough(0.1, 0.3))
    assert np.isnan(rough())


def test_a_function_of_the_history_judges():
    by = score_of(first_epoch, larger_is_better=False)
    table = schedules_table(two_arms(), "", by)
    assert table.columns == ["schedule", "best rate", "first_epoch there", "seeds", "collapsed, all rates"]
    assert [row[0] for row in table.rows] == ["fast", "slow"]
    assert draw_rates(two_arms(), by=by).axes[0].get_ylabel() == "first_epoch"
    with pytest.raises(UsageError, match=r"metric failed on fast@0\.1, seed 0 \(KeyError: 'loss'\).*its lists are"):
        schedules_table(two_arms(), "", score_of(lambda history: history["loss"][0]))
    with pytest.raises(UsageError, match=r"the history has no 'valid_loss': expected one of test_acc, test_loss"):
        schedules_table(two_arms(), "", score_of("valid_loss"))


def test_claims_of_ones_own():
    comparison = found(two_arms(), score_of("test_loss"))
    early = comparison.claim("fast is faster", "fast", "slow", first_epoch, larger_is_better=False)
    assert early.verdict == "supported"
    assert early.test.difference.mean == pytest.approx(0.4, abs=0.02)
    assert early.claim.measure == "first_epoch, slow at 0.1 less fast at 0.1"
    late = comparison.claim("fast is better", "fast", "slow")
    assert late.verdict == "refuted"
    assert late.claim.measure == "test loss, slow at 0.1 less fast at 0.1"
    assert comparison.claim("the other way", "slow", "fast").verdict == "supported"
    assert comparison.claim("none", "fast", "slow", lambda history: history["test_acc"][-1]).verdict == (
        "not resolved at 6 seeds"
    )
    together = judge([early.claim, late.claim])
    assert [verdict.verdict for verdict in together] == ["supported", "refuted"]
    assert together[0].test.p_corrected > early.test.p_corrected or early.test.p_corrected < 1e-9
    with pytest.raises(UsageError, match="no schedule 'medium' was trained here: expected one of 'fast', 'slow'"):
        comparison.claim("", "medium", "slow")


def test_a_claim_is_judged_at_the_rates_that_are_best_by_the_comparisons_score():
    records = [record(name, rate, seed, [0.5], acc=[rate]) for name in "ab" for rate in (0.1, 0.9) for seed in (0, 1)]
    verdict = found(records).claim("", "a", "b", lambda history: -history["test_acc"][0])
    assert verdict.claim.measure == "metric (a lambda), a at 0.9 less b at 0.9"


def test_trainings_without_a_finite_number_are_left_out_of_a_claim_and_counted():
    records = [record("a", 0.1, s, [0.3 + 0.01 * s]) for s in range(4)]
    records += [record("b", 0.1, s, [0.5 - 0.01 * s]) for s in range(3)]
    records.append(record("b", 0.1, 3, [np.nan], status="collapsed"))
    verdict = found(records, score_of("test_loss")).claim("a beats b", "a", "b")
    assert verdict.test.difference.n == 3
    assert verdict.claim.measure.endswith("; 1 seed without a finite number left out")


def test_compare_takes_a_score(tmp_path):
    from test_comparing import SCHEDULES, clouds, small_net

    one = {"seeds": [0, 1], "lrs": [0.1, 0.3], "epochs": 2, "out": tmp_path, "progress": False}
    by_loss = compare(small_net, clouds, SCHEDULES, metric="test_loss", **one)
    least = [min(r.history["test_loss"]) for r in by_loss.records if r.spec["settings"]["schedule"] == "constant"]
    shown = {row[0]: float(row[2].split(" ")[0]) for row in by_loss.table().rows}
    assert shown["constant"] == pytest.approx(min(np.mean(least[:2]), np.mean(least[2:])), abs=1e-4)
    page = by_loss.report.read_text()
    assert "test loss there" in page
    assert "Each schedule at its best rate, test loss at the best epoch" in page
    by_gain = compare(small_net, clouds, SCHEDULES, metric=lambda h: h["train_loss"][0] - h["train_loss"][-1], **one)
    assert (by_gain.read, by_gain.trained) == (8, 0), "another metric trained again"
    assert by_gain.table().columns[2] == "metric (a lambda) there"
    assert by_gain.claim("constant learns more", "constant", "cosine").test.difference.n == 2
    assert compare(small_net, clouds, SCHEDULES, **one).table().columns[2] == "test accuracy there"


def test_a_score_that_no_history_has_is_refused_before_anything_is_trained(tmp_path):
    from test_comparing import clouds, small_net

    with pytest.raises(UsageError, match="metric is 'test_los': expected a function of the history, or one of"):
        compare(small_net, clouds, {"c": ConstantScheduler}, metric="test_los", out=tmp_path / "none", progress=False)
    assert not (tmp_path / "none").exists()


COMMITTED = Path(__file__).resolve().parents[2] / "chapter_runs"


@pytest.mark.parametrize("folder", ["compare/earlier", "exercises/earlier/larger"])
def test_the_committed_records_of_an_earlier_version_still_make_their_report(tmp_path, folder):
    for path in Store(COMMITTED / folder).paths():
        write_record(tmp_path / "runs" / path.name, read_record(path))
    page = write_report(tmp_path, Store(tmp_path).records())
    assert page.read_text().count("data:image/png") == 2
    assert (tmp_path / "results.csv").read_text().count("\n") == len(Store(COMMITTED / folder).paths()) + 1


class TwoParts(gluon.HybridBlock):
    """Takes two arrays and predicts a number."""

    def __init__(self):
        super().__init__()
        self.out = gluon.nn.Dense(1)

    def hybrid_forward(self, F, a, b):
        return self.out(F.concat(a, b, dim=1))


def halves(seed):
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(48, 4)).astype("float32")
    y = X.sum(axis=1, keepdims=True)
    a, b, y = mx.nd.array(X[:, :2]), mx.nd.array(X[:, 2:]), mx.nd.array(y)
    batches = [{"a": a[i : i + 8], "b": b[i : i + 8], "y": y[i : i + 8]} for i in range(0, 48, 8)]
    return batches[:4], batches[4:]


def take(batch):
    return (batch["a"], batch["b"]), batch["y"]


def take_first_twice(batch):
    return (batch["a"], batch["a"]), batch["y"]


def close(output, target):
    return (output - target).abs() < 0.5


def test_a_regression_on_dicts_is_compared_by_its_loss(tmp_path):
    """No accuracy, batches of another form, two inputs: the loss judges, and the hooks are part of what a run is."""
    arguments = (TwoParts, halves, {"constant": ConstantScheduler})
    options = {"lrs": [0.01, 0.2], "seeds": [0, 1], "epochs": 3, "out": tmp_path, "progress": False}
    options["loss"] = gluon.loss.L2Loss()
    found = compare(*arguments, unpack=take, **options)
    assert {record.status for record in found.records} == {"finished"}
    assert all(np.isnan(record.last("test_acc")) for record in found.records)
    assert found.table().rows[0][1] == "0.2 (the greatest tried)", "the greater rate learns more in three epochs"
    assert "loss" in " ".join(found.table().columns)
    assert compare(*arguments, unpack=take, **options).read == 4
    with pytest.raises(RecordError, match="another unpack"):
        compare(*arguments, unpack=take_first_twice, **options)
    watched = compare(*arguments, unpack=take, batch_metric=close, **{**options, "out": tmp_path / "watched"})
    assert all(0 <= record.last("test_acc") <= 1 for record in watched.records)


def distance(output, target):
    return (output - target).abs()


def line(seed):
    X = np.random.default_rng(seed).normal(size=(48, 3)).astype("float32")
    y = X.sum(axis=1, keepdims=True)
    return [(mx.nd.array(X[:40]), mx.nd.array(y[:40]))] * 4, [(mx.nd.array(X[40:]), mx.nd.array(y[40:]))]


def test_a_metric_of_ones_own_is_no_accuracy_and_its_direction_is_heeded(tmp_path):
    options = {"loss": gluon.loss.L2Loss(), "batch_metric": distance, "seeds": [0, 1], "epochs": 8, "progress": False}
    schedules = {"good": ConstantScheduler, "bad": lambda lr: ConstantScheduler(lr / 1000)}
    found = compare(
        lambda: gluon.nn.Dense(1), line, schedules, lrs=[0.3], larger_is_better=False, out=tmp_path, **options
    )
    assert {record.status for record in found.records} == {"finished"}, "a small distance is no accuracy of guessing"
    table = found.table()
    assert table.rows[0][0] == "good"
    assert table.rows[0][3].startswith("8.0 of 8"), "the least distance is the best"
    assert table.columns[2] == "batch_metric on test data there"


def test_a_score_on_validation_data_that_are_not_there_is_refused_before_anything_is_trained(tmp_path):
    from test_comparing import clouds, small_net

    with pytest.raises(UsageError, match="there are no validation data: expected"):
        compare(small_net, clouds, {"c": ConstantScheduler}, metric="valid_loss", out=tmp_path / "none", progress=False)
    assert not (tmp_path / "none").exists()


def test_what_was_said_of_the_accuracy_does_not_turn_a_loss_round(tmp_path):
    options = {"loss": gluon.loss.L2Loss(), "seeds": [0, 1], "epochs": 8, "progress": False}
    schedules = {"bad": lambda lr: ConstantScheduler(lr / 1000), "good": ConstantScheduler}
    found = compare(
        lambda: gluon.nn.Dense(1), line, schedules, lrs=[0.3], larger_is_better=True, out=tmp_path, **options
    )
    assert found.table().rows[0][0] == "good"


def test_classes_are_along_the_axis_of_the_loss(tmp_path):
    def images(seed):
        X, chance = mx.nd.random.normal(shape=(4, 1, 16, 16)), mx.nd.random.uniform(shape=(4, 16, 16)) > 0.5
        return [(X, chance)] * 2, [(X, chance)]

    options = {"loss": gluon.loss.SoftmaxCrossEntropyLoss(axis=1), "seeds": [0], "epochs": 2, "progress": False}
    make_net = lambda: gluon.nn.Conv2D(2, 1, weight_initializer="zeros")  # noqa: E731
    found = compare(make_net, images, {"c": ConstantScheduler}, lrs=[1e-9], out=tmp_path, **options)
    assert [record.status for record in found.records] == ["collapsed"], "half of two classes is guessing"


def test_what_was_given_only_the_last_time_is_named(tmp_path):
    from test_comparing import clouds, small_net

    options = {"lrs": [0.1], "seeds": [0], "epochs": 1, "progress": False, "out": tmp_path}
    compare(small_net, clouds, {"c": ConstantScheduler}, batch_metric=distance_to_labels, **options)
    with pytest.raises(RecordError, match=r"was made with another batch_metric: .*distance_to_labels.* → none"):
        compare(small_net, clouds, {"c": ConstantScheduler}, **options)


def distance_to_labels(output, target):
    return (output.argmax(axis=1) - target).abs()


def epochs_to_half(history):
    return next((i + 1 for i, value in enumerate(history["test_acc"]) if value >= 0.5), np.nan)


def test_a_rate_at_which_no_training_has_a_number_is_not_the_best():
    """At 0.01 none of five seeds reaches half, at 0.1 four of five do, at 0.2 all five, later."""
    reached = {0.01: [None] * 5, 0.1: [1, 1, 2, 1, None], 0.2: [3, 3, 3, 3, 3]}
    records = [
        record("a", rate, seed, [1.0] * 4, acc=[0.5 if at == i + 1 else 0.1 for i in range(4)])
        for rate, every in reached.items() for seed, at in enumerate(every)
    ]  # fmt: skip
    score = score_of(epochs_to_half, larger_is_better=False)
    assert at_best_rate(records, score) == {"a": dict.fromkeys(range(5), 3)}
    fewer = [r for r in records if r.spec["settings"]["rate"] != 0.2]
    assert at_best_rate(fewer, score)["a"][0] == 1, "four of five rather than none"


def test_a_function_that_says_that_it_is_a_loss_is_better_where_it_is_lower():
    def final_loss(history):
        return history["test_loss"][-1]

    assert not score_of(final_loss).larger_is_better
    assert score_of(final_loss, larger_is_better=True).larger_is_better
    assert score_of(lambda history: 1.0).larger_is_better


def test_training_is_drawn_in_what_trainings_have_and_called_what_it_is():
    regression = [record("a", 0.1, seed, [0.5, 0.4], acc=[np.nan] * 2, train_acc=[np.nan] * 2) for seed in range(2)]
    assert [ax.get_ylabel() for ax in draw_best(regression).axes] == ["training loss", "test loss"]
    measured = [record("a", 0.1, seed, [0.5, 0.4], acc=[30, 35], train_acc=[31, 36]) for seed in range(2)]
    for each in measured:
        each.spec["settings"]["batch_metric"] = {"is": "0123"}
    labels = [ax.get_ylabel() for ax in draw_best(measured).axes]
    assert labels == ["training loss", "training batch_metric", "test batch_metric"]
