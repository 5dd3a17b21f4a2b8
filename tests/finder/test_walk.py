"""From trials to a rate: the walk ends at the least of a valley, and what is read off is what was there."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gluon_lr.finder.walk import (
    FACTOR,
    USUAL_DRIFT,
    drift,
    end_of,
    lowest,
    next_rate,
    noise,
    read_off,
)

INF = math.inf


def walk(loss, start, most=30):
    scores, rate = {}, start
    while rate is not None and len(scores) < most:
        scores[rate] = loss(rate)
        rate = next_rate(scores)
    return scores


@given(st.floats(-6, 3), st.floats(-6, 3), st.floats(0.05, 5))
def test_the_walk_ends_at_the_least_of_a_valley_from_wherever_it_starts(least, start, steepness):
    scores = walk(lambda rate: 1 + steepness * (math.log(rate) - least) ** 2, math.exp(start))
    assert len(scores) <= 2 + abs(least - start) / math.log(FACTOR) + 6, "it ends by itself"
    best = min(scores, key=scores.get)
    assert abs(math.log(best) - least) < math.log(FACTOR)
    assert min(scores) < best < max(scores)
    assert math.isclose(math.log(lowest(scores)[0]), least, abs_tol=1e-6), "through three points it is exact"


@given(st.floats(-6, 0), st.floats(0.5, 6))
def test_from_where_everything_explodes_it_walks_down(edge, above):
    scores = walk(lambda rate: INF if math.log(rate) > edge else -math.log(rate), math.exp(edge + above))
    assert any(score < INF for score in scores.values())
    assert len(scores) < 2 + above / math.log(FACTOR) + 10


@given(st.dictionaries(st.floats(1e-6, 1e3), st.one_of(st.floats(0, 10), st.just(INF)), min_size=1, max_size=8))
def test_a_next_rate_is_new_and_lies_beyond_an_end_or_beside_the_best(scores):
    rate = next_rate(scores)
    if rate is None:
        return
    assert rate not in scores
    best = min(sorted(scores), key=scores.get)
    assert rate < min(scores) or rate > max(scores) or abs(math.log(rate / best)) < math.log(max(scores) / min(scores))


def test_an_exploded_neighbour_draws_the_parabola_to_the_other_side():
    even, tilted = {1.0: 2.0, 2.0: 1.0, 4.0: 2.0}, {1.0: 2.0, 2.0: 1.0, 4.0: INF}
    assert lowest(even)[0] == pytest.approx(2.0)
    assert 1.0 < lowest(tilted)[0] < 2.0
    assert lowest({1.0: INF, 2.0: INF}) == (1.0, 0.0)
    assert lowest({1.0: 1.0, 2.0: 2.0}) == (1.0, 0.0), "at an end nothing is known beyond it"
    assert lowest({1.0: INF, 2.0: 1.0, 4.0: INF}) == (2.0, 0.0)


def test_a_trial_is_judged_by_its_last_third_and_a_broken_one_not_at_all():
    assert end_of([9.0] * 6 + [1.0, 2.0, 3.0], 9) == 2.0
    assert end_of([1.0, math.nan], 2) == end_of([1.0], 2) == end_of([1.0, INF], 2) == INF
    assert end_of([4.0], 1) == 4.0


def curves(best_after, rates, updates, error=0.0, seed=0):
    """Losses whose least lies at ``best_after(t)`` after update t, with an error that all rates share."""
    shared = np.random.default_rng(seed).normal(0, error, updates)
    t = np.arange(1, updates + 1)
    return {rate: 1 + (np.log(rate) - np.log(best_after(t))) ** 2 + shared for rate in rates}


@pytest.mark.parametrize("power", [0.0, 0.2, 0.5])
def test_the_drift_that_is_seen_is_halved_with_the_usual_one(power):
    rates = [2.0**i for i in range(-10, 4)]
    seen = drift(curves(lambda t: 0.5 * (t / 300) ** -power, rates, 300), 300)
    assert seen == pytest.approx(0.5 * power + 0.5 * USUAL_DRIFT, abs=0.01)


def test_where_too_little_is_finite_the_drift_is_the_usual_one():
    assert drift({0.1: [math.nan] * 30, 0.2: [math.nan] * 30}, 30) == USUAL_DRIFT


def test_noise_that_all_trials_share_is_none():
    rates = [0.25, 0.5, 1.0]
    alike = curves(lambda t: 0.5 + 0 * t, rates, 300, error=1.0)
    scores = {rate: end_of(losses, 300) for rate, losses in alike.items()}
    assert noise(alike, scores, 300) < 1e-12
    apart = {
        rate: losses + np.random.default_rng(i).normal(0, 1, 300) for i, (rate, losses) in enumerate(alike.items())
    }
    scores = {rate: end_of(losses, 300) for rate, losses in apart.items()}
    # Two trials of independent noise: √2 over the root of a third of 300 updates, known from eight blocks.
    assert 0.05 < noise(apart, scores, 300) < 0.3
    assert noise({0.1: [1.0] * 9}, {0.1: 1.0}, 9) == 0.0


def test_a_rate_is_read_off_with_its_range_its_drift_and_the_curves_share():
    rates = [0.25, 0.5, 1.0]
    found = curves(lambda t: 0.5 + 0 * t, rates, 300)
    scores = {rate: end_of(losses, 300) for rate, losses in found.items()}
    plain = read_off(found, scores, 300, 300, drifts=False)
    assert (plain.rate, plain.weight, plain.drift) == (pytest.approx(0.5), 1.0, 0.0)
    assert plain.low == pytest.approx(0.5)
    longer = read_off(found, scores, 300, 3000, drifts=True)
    assert longer.rate == pytest.approx(0.5 * 10 ** -(0.5 * USUAL_DRIFT), rel=1e-3)
    beside = read_off(found, scores, 300, 3000, drifts=False, suggestion=0.05)
    assert beside.weight == pytest.approx(0.5)
    assert beside.rate == pytest.approx(math.sqrt(0.5 * 0.05))
    at_end = read_off(found, {0.5: 1.0, 1.0: 2.0}, 300, 300, drifts=False)
    assert (at_end.low, at_end.rate, at_end.high) == (0.5, 0.5, 1.0), "the neighbours bound what is known"


@given(st.integers(0, 50))
def test_the_range_holds_the_rate_and_grows_with_the_noise(seed):
    rates = [0.25, 0.5, 1.0]
    draw = np.random.default_rng(seed)
    found = {rate: np.full(90, 1 + np.log(rate / 0.5) ** 2) + draw.normal(0, 0.1, 90) for rate in rates}
    scores = {rate: end_of(losses, 90) for rate, losses in found.items()}
    reading = read_off(found, scores, 90, 900, drifts=True, suggestion=0.3)
    assert reading.low <= reading.rate <= reading.high
    louder = {rate: np.concatenate([losses[:60], 1 + 10 * (losses[60:] - 1)]) for rate, losses in found.items()}
    wide = read_off(louder, scores, 90, 900, drifts=True, suggestion=0.3)
    assert wide.high / wide.low >= reading.high / reading.low
