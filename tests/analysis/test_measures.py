"""What is measured of one training's curves, by hand."""

import math

import pytest

from gluon_lr.analysis.measures import (
    ACCURACY,
    best_share,
    gap,
    last_mean,
    late_gain,
    least_loss_epoch,
    mean_drop,
    score_of,
)
from gluon_lr.errors import UsageError
from gluon_lr.experiments.record import Record


def record(**history):
    epochs = max(map(len, history.values()))
    return Record({"run": "r", "seed": 3}, "finished", {"train_loss": [1.0] * epochs, **history}, {}, {}, 1.0)


def test_accuracy_is_that_of_tests_at_the_epoch_that_is_best_on_validation_data():
    both = record(test_acc=[0.5, 0.9, 0.6], valid_acc=[0.2, 0.3, 0.8])
    assert (ACCURACY.epoch(both), ACCURACY.measure(both), ACCURACY.choice(both)) == (2, 0.6, 0.8)
    alone = record(test_acc=[0.5, 0.9, 0.6], valid_acc=[])
    assert (ACCURACY.epoch(alone), ACCURACY.measure(alone), ACCURACY.choice(alone)) == (1, 0.9, 0.9)
    assert (ACCURACY.larger_is_better, ACCURACY.sign, score_of("test_loss").sign) == (True, 1, -1)


def test_the_best_epoch_comes_at_a_share_of_the_training():
    assert best_share(record(test_acc=[0.1, 0.2, 0.9, 0.3])) == 0.75
    assert best_share(record(test_acc=[0.1, 0.2, 0.3, 0.4])) == 1.0


def test_means_are_of_the_last_epochs():
    curves = record(train_acc=[0.0, 0.8, 1.0], test_acc=[0.0, 0.5, 0.7])
    assert gap(curves, 2) == pytest.approx(0.3)
    assert gap(curves, 1) == pytest.approx(0.3)
    assert last_mean(curves, 2) == pytest.approx(0.6)
    assert gap(record(train_acc=[0.5], test_acc=[0.75]), 1) == -0.25


def test_a_late_gain_is_that_of_the_last_quarter_on_the_one_before():
    values = [0.0, 0.0, 0.0, 0.0, 0.4, 0.6, 0.8, 1.0]  # quarters of two epochs
    assert late_gain(record(test_acc=values), "test_acc") == pytest.approx(0.4)
    assert late_gain(record(test_acc=values[::-1]), "test_acc") == 0.0
    assert math.isnan(late_gain(record(test_acc=values[:3]), "test_acc"))


def test_over_fitting_begins_at_the_least_test_loss():
    assert least_loss_epoch(record(test_loss=[3.0, 1.0, 2.0])) == 1.0


def test_only_falls_count_as_drops():
    assert mean_drop(record(test_acc=[0.5, 0.4, 0.9, 0.7])) == pytest.approx((0.1 + 0 + 0.2) / 3)
    assert mean_drop(record(test_acc=[0.1, 0.2, 0.2])) == 0.0


def test_the_side_that_is_better_follows_from_the_name_unless_it_is_said():
    assert [score_of(name).larger_is_better for name in ("train_loss", "seconds", "test_acc")] == [False, False, True]
    assert [score_of(name).name for name in ("valid_loss", "seconds")] == ["validation loss", "seconds"]
    assert not score_of("test_acc", larger_is_better=False).larger_is_better

    def judge(history):
        return history["test_acc"][-1]

    assert [score_of(judge, larger).larger_is_better for larger in (None, True, False)] == [True, True, False]
    assert score_of(judge).epoch is None
    assert score_of(judge).measure(record(test_acc=[0.5, 0.25])) == 0.25


def test_training_losses_are_not_chosen_on_validation_data():
    curves = record(train_loss=[3.0, 1.0, 2.0], valid_loss=[1.0, 5.0, 5.0])
    assert score_of("train_loss").epoch(curves) == 1
    assert score_of("valid_loss").measure(curves) == 1.0


def test_an_infinite_number_is_never_the_best():
    curves = record(test_acc=[0.5, math.inf, 0.7])
    assert score_of("test_acc").epoch(curves) == 2
    nothing = record(test_acc=[math.nan] * 3)
    assert score_of("test_acc").epoch(nothing) == 2, "the last one stands for all of them"
    assert math.isnan(score_of("test_acc").measure(nothing))


@pytest.mark.parametrize("lost", [math.nan, math.inf, -math.inf])
def test_an_epoch_without_a_number_is_not_the_best_by_accuracy_or_by_loss(lost):
    for accuracies in ([0.2, lost, 0.9], [0.9, lost, 0.2], [0.2, 0.9, lost]):
        curves = record(test_acc=accuracies, test_loss=[1 - accuracy for accuracy in accuracies])
        assert (ACCURACY.measure(curves), ACCURACY.choice(curves)) == (0.9, 0.9)
        assert least_loss_epoch(curves) == accuracies.index(0.9)
    validated = record(test_acc=[0.1, 0.2, 0.3], valid_acc=[0.7, lost, 0.5])
    assert (ACCURACY.epoch(validated), ACCURACY.choice(validated)) == (0, 0.7)
    assert math.isnan(ACCURACY.choice(record(test_acc=[math.nan] * 2)))


def test_a_list_that_no_history_has_is_refused_with_those_that_it_has():
    with pytest.raises(UsageError, match="the history has no 'valid_acc': expected one of test_acc, train_loss, or"):
        score_of("valid_acc").measure(record(test_acc=[0.5], valid_acc=[]))
