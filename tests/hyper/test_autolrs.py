"""AutoLRS: forecasts, trials without a trace, a good rate on a bowl."""

import json
import math

import mxnet as mx
import numpy as np
import pytest
from bowl import bowl, search, steps
from mxnet import gluon

from gluon_lr import AutoLRS
from gluon_lr import schedulers as s
from gluon_lr.data import ArrayBatches
from gluon_lr.errors import UsageError
from gluon_lr.finder.autolrs import _propose, forecast
from gluon_lr.hyper import (
    HyperparameterSchedule,
)


def test_forecasts_of_curves_that_are_known():
    x = np.arange(200)
    noise = np.random.default_rng(0).normal(0, 0.01, 200)
    assert forecast(1.0 + np.exp(-0.02 * x) + noise, 2000) == pytest.approx(1.0, abs=0.05)
    spiked = 1.0 + np.exp(-0.02 * x) + noise
    spiked[::50] += 3.0
    assert forecast(spiked, 2000) == pytest.approx(1.0, abs=0.2)
    assert forecast([2.0, float("nan")], 100) == math.inf
    assert forecast([2.0, 1.5], 100) == 1.5
    assert math.isfinite(forecast(np.linspace(1, 2, 50), 500))


def test_autolrs_finds_a_good_rate_on_a_bowl(tmp_path):
    """Curvatures 1 and 4: gradient descent diverges from 0.5 on and is fastest at 0.4."""
    net, trainer = bowl("sgd", learning_rate=1.0)
    found = search(net, low=1e-3, high=2.0, first_stage=100, longest_stage=200, log_path=tmp_path / "log.jsonl")
    path = steps(net, trainer, 300, [found])
    assert len(found.candidates) == 20
    assert 0.05 < found.rates[0] < 0.5
    assert np.abs(path[99]).max() < 0.05
    assert [found.stage_at(t) for t in (1, 100, 101, 300, 301)] == [
        (0, 1, 100), (0, 1, 100), (1, 101, 200), (1, 101, 200), (2, 301, 200)
    ]  # fmt: skip
    assert trainer.optimizer.num_update == 300
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [c["rate"] for c in logged] == [c.rate for c in found.candidates]
    assert [c["rate"] for c in logged if c["chosen"]] == found.rates


def test_autolrs_leaves_between_trials_no_trace():
    """All candidates of a stage start from the same loss; and what is trained is what its rates alone would train."""
    net, trainer = bowl("sgd", learning_rate=1.0, momentum=0.5)
    found = search(net, first_stage=20, longest_stage=20, trials=5)
    path = steps(net, trainer, 40, [found])
    assert {c.losses[0] for c in found.candidates if c.stage == 0} == {8.5}
    other, other_trainer = bowl("sgd", learning_rate=1.0, momentum=0.5)
    rates = HyperparameterSchedule("learning_rate", s.PiecewiseConstantScheduler([21], found.rates))
    np.testing.assert_array_equal(steps(other, other_trainer, 40, [rates]), path)


def test_autolrs_judges_by_validation_once_stages_are_longest():
    net, trainer = bowl("sgd", learning_rate=1.0)
    found = search(net, first_stage=10, longest_stage=20, trials=4, validate=lambda net: 7.0)
    steps(net, trainer, 30, [found])
    assert [c.forecast == 7.0 for c in found.candidates] == [False] * 4 + [True] * 4


def test_the_last_loss_is_the_forecast_of_too_few_and_a_fall_is_not_carried_on_for_ever():
    assert forecast([5.0, 4.0, 3.0, 2.0, 1.0, 0.5, 0.25], 100) == 0.25, "seven are too few for a curve"
    straight = np.linspace(2.0, 1.0, 100)
    assert forecast(straight, 10**6) == pytest.approx(-1.0, abs=0.05), "three times the fall seen so far, at most"
    assert forecast([2.0, math.inf, 1.0], 100) == math.inf
    with pytest.raises(UsageError, match="no losses to forecast from"):
        forecast([], 100)


@pytest.mark.parametrize(("scale", "rate", "end"), [(1.0, 0.05, 0.5), (4.0, 0.02, -1.0), (0.1, 0.03, 2.0)])
def test_a_curve_that_is_an_exponential_is_forecast_at_its_horizon(scale, rate, end):
    x = np.arange(100)
    for horizon in (100, 120, 1000):
        expected = end + scale * math.exp(-rate * horizon)
        assert forecast(end + scale * np.exp(-rate * x), horizon) == pytest.approx(expected, abs=0.02 * scale)


def test_the_ends_and_the_middle_are_tried_first_and_then_what_promises_most():
    draw = np.random.default_rng(0)
    tried = []
    for expected in (1e-3, 10.0, 0.1):
        rate = _propose(1e-3, 10.0, tried, draw)
        assert rate == pytest.approx(expected)
        tried.append((rate, (math.log(rate) - math.log(0.02)) ** 2))
    for _ in range(7):
        rate = _propose(1e-3, 10.0, tried, draw)
        assert 1e-3 * (1 - 1e-9) <= rate <= 10.0 * (1 + 1e-9)
        assert min(abs(math.log(rate / other)) for other, _ in tried) > 1e-6, "no rate is tried twice"
        tried.append((rate, (math.log(rate) - math.log(0.02)) ** 2))
    best = min(tried, key=lambda pair: pair[1])[0]
    assert abs(math.log(best / 0.02)) < 0.2


@pytest.mark.parametrize("lost", [1e3, 1e30, math.inf])
def test_how_badly_a_rate_diverged_does_not_move_the_proposal(lost):
    def proposed(loss):
        tried = [(1e-3, 2.0), (10.0, loss), (0.1, 1.0), (0.03, 1.2)]
        return _propose(1e-3, 10.0, tried, np.random.default_rng(0))

    assert proposed(lost) == proposed(1e6) < 10.0
    everywhere = [(rate, math.inf) for rate in (1e-3, 10.0, 0.1)]
    assert 1e-3 <= _propose(1e-3, 10.0, everywhere, np.random.default_rng(0)) <= 10.0 * (1 + 1e-9)


@pytest.mark.parametrize(("length", "updates"), [(100, 10), (109, 10), (5, 2)])
def test_a_trial_is_a_tenth_of_its_stage(length, updates):
    net, trainer = bowl("sgd", learning_rate=1.0)
    found = search(net, first_stage=length, longest_stage=length, trials=2)
    found.apply(trainer, 1)
    assert [len(candidate.losses) for candidate in found.candidates] == [updates] * 2
    assert [candidate.stage for candidate in found.candidates] == [0, 0]
    assert trainer.learning_rate == found.rates[0]


def test_stages_double_up_to_the_longest():
    net, _ = bowl("sgd")
    found = search(net, first_stage=10, longest_stage=25)
    assert [found.stage_at(t) for t in (10, 11, 30, 31, 55, 56, 81)] == [
        (0, 1, 10), (1, 11, 20), (1, 11, 20), (2, 31, 25), (2, 31, 25), (3, 56, 25), (4, 81, 25)
    ]  # fmt: skip
    assert search(net, first_stage=50, longest_stage=25).stage_at(26) == (1, 26, 25), "the first is no longer either"


def test_the_trials_of_a_stage_see_the_same_batches_and_those_of_another_others():
    net, trainer = bowl("sgd", learning_rate=1.0)
    found = search(net, first_stage=10, longest_stage=10, trials=2)
    epochs = []

    class Counts:
        epoch = 0

        def __iter__(self):
            epochs.append(self.epoch)
            return iter(2 * [(mx.nd.zeros((1, 1)), mx.nd.zeros((1,)))])

    found.batches = Counts()
    steps(net, trainer, 11, [found])
    assert epochs == [1000, 1000, 2000, 2000]


def test_a_candidate_that_exploded_is_not_validated():
    net, trainer = bowl("sgd", learning_rate=1.0)

    def validate(net):
        return 7.0

    found = search(net, low=1e-3, high=1e30, first_stage=20, longest_stage=20, trials=2, validate=validate)
    found.apply(trainer, 1)
    assert [candidate.forecast for candidate in found.candidates] == [7.0, math.inf]
    assert found.rates == [found.candidates[0].rate]


def test_a_rate_that_diverged_is_not_chosen_where_all_losses_are_large(tmp_path):
    draw = np.random.default_rng(0)
    X = draw.normal(size=(64, 4)).astype("float32")
    y = (X @ np.array([100, 200, 300, 400])).astype("float32")
    net = gluon.nn.Dense(1, in_units=4)
    net.initialize(mx.init.Zero())
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01})
    batches = ArrayBatches(X, y, 16, transform=lambda x: x)
    log = tmp_path / "log"
    found = AutoLRS(net, batches, gluon.loss.L2Loss(), mx.cpu(), low=1e-6, high=10.0, first_stage=1000, trials=4,
                    log_path=log)  # fmt: skip
    found.apply(trainer, 1)
    lost = [candidate for candidate in found.candidates if not math.isfinite(candidate.losses[-1])]
    assert [(candidate.rate, candidate.forecast) for candidate in lost] == [(pytest.approx(10.0), math.inf)]
    assert found.candidates[0].forecast > 1e3, "more than a loss of a classifier ever is"
    assert found.rates[0] < 1.0
    lines = [json.loads(line, parse_constant=pytest.fail) for line in log.read_text().splitlines()]
    assert [line["forecast"] is None for line in lines] == [candidate in lost for candidate in found.candidates]


def test_a_validation_that_is_no_number_counts_as_lost_and_one_of_another_type_is_named():
    net, trainer = bowl("sgd", learning_rate=1.0)
    judged = iter([math.nan, 2.0, 1.0, math.nan])
    found = search(net, first_stage=20, longest_stage=20, trials=4, validate=lambda net: next(judged))
    found.apply(trainer, 1)
    assert [candidate.forecast for candidate in found.candidates] == [math.inf, 2.0, 1.0, math.inf]
    assert found.rates == [found.candidates[2].rate]
    with pytest.raises(UsageError, match="the validation loss is None"):
        search(net, first_stage=20, longest_stage=20, trials=2, validate=lambda net: None).apply(trainer, 1)


@pytest.mark.parametrize(
    "wrong", [{"low": 0}, {"low": 1.0}, {"low": 2.0}, {"trials": 0}, {"first_stage": 0}, {"longest_stage": 0}]
)
def test_a_search_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        search(bowl("sgd")[0], **wrong)


def test_a_search_draws_the_same_dropout_whatever_was_drawn_before():
    found = []
    for drawn_before in (1, 2):
        mx.random.seed(0)
        net = gluon.nn.Sequential()
        net.add(gluon.nn.Dense(8, in_units=4), gluon.nn.Dropout(0.5), gluon.nn.Dense(3, in_units=8))
        net.initialize(mx.init.Xavier())
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        images = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
        batches = ArrayBatches(images, np.arange(16) % 3, 4, transform=lambda x: x)
        search = AutoLRS(
            net, batches, gluon.loss.SoftmaxCrossEntropyLoss(), None, first_stage=40, longest_stage=40, trials=3
        )
        mx.random.seed(drawn_before)
        search.apply(trainer, 1)
        found.append([candidate.losses for candidate in search.candidates])
    assert found[0] == found[1]


def test_that_every_trial_diverged_is_said(caplog):
    net, trainer = bowl("sgd", learning_rate=1.0)
    found = search(net, low=1e25, high=1e30, first_stage=100, longest_stage=100, trials=3)
    found.apply(trainer, 1)
    assert "all 3 trials of stage 0 diverged, down to a rate of 1e+25" in caplog.text
    assert found.rates == [min(candidate.rate for candidate in found.candidates)]


def test_a_training_draws_on_as_its_own_seed_has_it():
    def drawn(seed):
        net, trainer = bowl("sgd", learning_rate=1.0)
        mx.random.seed(seed)
        search(net, first_stage=20, longest_stage=20, trials=2).apply(trainer, 1)
        return mx.nd.random.uniform(shape=3).asnumpy().tolist()

    assert drawn(1) == drawn(1) != drawn(2)
