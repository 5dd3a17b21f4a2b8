"""Langevin dynamics samples whatever the rate; noisy descent is the warmer the greater the rate."""

import mxnet as mx
import numpy as np
import pytest

from gluon_lr import ConstantScheduler, PolynomialScheduler
from gluon_lr.studies.exercises.sampling import walk


def bowl(theta):
    return theta**2 / 2


def noisy_bowl(theta):
    """Its gradient is θ + ξ."""
    return bowl(theta) + mx.nd.random.normal(shape=theta.shape) * theta


def variance(energy, optimizer, rate):
    """Over 200 walkers after they have forgotten where they began, and four standard errors of it in parts of 1."""
    kept = walk(energy, optimizer, ConstantScheduler(rate), 1500, walkers=200)[300:]
    independent = kept.size * rate / 4  # each walker forgets its place in at most 4/η updates
    return kept.var(), 4 * np.sqrt(2 / independent)


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_langevin_dynamics_sample_the_distribution(rate):
    """θ ← (1 − η/2)θ + √η·ξ has the stationary variance η / (1 − (1 − η/2)²) = 1 / (1 − η/4)."""
    found, error = variance(bowl, "sgld", rate)
    assert found == pytest.approx(1 / (1 - rate / 4), rel=error)


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_the_rate_is_the_temperature_of_noisy_descent(rate):
    """θ ← (1 − η)θ − η·ξ has the stationary variance η / (2 − η)."""
    found, error = variance(noisy_bowl, "sgd", rate)
    assert found == pytest.approx(rate / (2 - rate), rel=error)


def test_a_falling_rate_cools_noisy_descent_but_not_langevin_dynamics():
    falling = PolynomialScheduler(1000, 1, 0.2, 1e-6)
    descent = walk(noisy_bowl, "sgd", falling, 1000, walkers=500)
    langevin = walk(bowl, "sgld", falling, 1000, walkers=500)
    assert descent[-1].var() < 0.03 < descent[200].var()
    assert langevin[-1].var() == pytest.approx(1, rel=4 * np.sqrt(2 / 500))


def test_the_same_seed_is_the_same_walk():
    walks = [walk(bowl, "sgld", ConstantScheduler(0.1), 20, seed=seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(walks[0], walks[1])
    assert (walks[0] != walks[2]).all()
