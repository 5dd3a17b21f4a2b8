"""AutoLRS: forecasts, trials without a trace, a good rate on a bowl."""

import json
import math

import numpy as np
import pytest
from bowl import bowl, search, steps

from gluon_lr import schedulers as s
from gluon_lr.finder.autolrs import forecast
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
    assert forecast([2.0, float("nan")], 100) == 1e3
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
