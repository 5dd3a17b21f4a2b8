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
    plain = read_off(found, scores, 300, 300, allow_for_drift=False)
    assert (plain.rate, plain.weight, plain.drift) == (pytest.approx(0.5), 1.0, 0.0)
    assert plain.low == pytest.approx(0.5)
    longer = read_off(found, scores, 300, 3000, allow_for_drift=True)
    assert longer.rate == pytest.approx(0.5 * 10 ** -(0.5 * USUAL_DRIFT), rel=1e-3)
    beside = read_off(found, scores, 300, 3000, allow_for_drift=False, suggestion=0.05)
    assert beside.weight == pytest.approx(0.5)
    assert beside.rate == pytest.approx(math.sqrt(0.5 * 0.05))
    at_end = read_off(found, {0.5: 1.0, 1.0: 2.0}, 300, 300, allow_for_drift=False)
    assert (at_end.low, at_end.rate, at_end.high) == (0.5, 0.5, 1.0), "the neighbours bound what is known"


@given(st.integers(0, 50))
def test_the_range_holds_the_rate_and_grows_with_the_noise(seed):
    rates = [0.25, 0.5, 1.0]
    draw = np.random.default_rng(seed)
    found = {rate: np.full(90, 1 + np.log(rate / 0.5) ** 2) + draw.normal(0, 0.1, 90) for rate in rates}
    scores = {rate: end_of(losses, 90) for rate, losses in found.items()}
    reading = read_off(found, scores, 90, 900, allow_for_drift=True, suggestion=0.3)
    assert reading.low <= reading.rate <= reading.high
    louder = {rate: np.concatenate([losses[:60], 1 + 10 * (losses[60:] - 1)]) for rate, losses in found.items()}
    wide = read_off(louder, scores, 90, 900, allow_for_drift=True, suggestion=0.3)
    assert wide.high / wide.low >= reading.high / reading.low


def test_each_step_of_the_walk():
    assert next_rate({1.0: INF}) == 0.5
    assert next_rate({1.0: 2.0, 2.0: 1.0}) == 4.0
    assert next_rate({1.0: 1.0, 2.0: 2.0}) == 0.5, "the second step is by the factor too"
    assert next_rate({1.0: 1.0, 2.0: 2.0, 4.0: 3.0}) == 0.25
    assert next_rate({1.0: 3.0, 2.0: 2.0, 4.0: 1.0}) == 16.0, "and further ones are by its square"
    assert next_rate({1.0: 3.0, 2.0: 1.0, 4.0: 2.0}) == math.sqrt(8.0)
    assert next_rate({1.0: 2.0, 2.0: 1.0, 4.0: 3.0}) == math.sqrt(2.0), "half-way to the better neighbour"
    assert next_rate({1.0: 2.0, 2.0: 1.0, 4.0: 2.0}) == math.sqrt(2.0), "to the lower one where they are alike"
    assert next_rate({1.0: 1.0, 2.0: 1.0, 4.0: 1.0}) == 0.25, "of rates as good as each other the least is the best"


def test_no_rate_is_tried_closer_than_a_quarter_to_another():
    assert next_rate({1.0: 2.0, 1.5: 1.0, 3.0: 3.0}) is None
    assert next_rate({1.0: 2.0, 1.6: 1.0, 3.0: 3.0}) == math.sqrt(1.6)


def test_an_exploded_neighbour_is_three_times_as_much_worse_as_the_other():
    for scores, away in (
        ({1.0: 2.0, 2.0: 1.0, 4.0: INF}, 4.0),
        ({1.0: INF, 2.0: 1.0, 4.0: 1.0}, 4.0),  # as good as the best: the size of the loss stands for the distance
        ({1.0: INF, 2.0: 0.0, 4.0: 0.0}, 3.0),
        ({1.0: INF, 2.0: 1.0, 4.0: 1.5}, 2.5),
    ):
        whole = {rate: away if score == INF else score for rate, score in scores.items()}
        assert lowest(scores) == pytest.approx(lowest(whole))
        assert lowest(scores)[1] > 0


def test_the_parabola_goes_through_the_best_and_its_neighbours_alone():
    scores = {2.0**i: 1 + (i - 3.3) ** 2 for i in range(2, 6)}
    far = {**scores, 0.1: 2.0, 2.0: 4.0, 100.0: INF}
    assert lowest(far) == pytest.approx((2**3.3, math.log(2) ** -2))
    assert lowest({1.0: 2.0, 2.0: 1.0}) == (2.0, 0.0), "at an end nothing is known beyond it"


@pytest.mark.parametrize("updates", [3, 9, 10, 11, 300])
def test_a_trial_is_judged_by_a_third_of_its_updates_rounded_down(updates):
    losses = list(range(updates))
    assert end_of(losses, updates) == pytest.approx(np.mean(losses[updates - updates // 3 :]))


@pytest.mark.parametrize(("power", "bounded"), [(-1.0, -0.4), (2.0, 0.6)])
def test_a_drift_beyond_what_was_ever_seen_is_bounded(power, bounded):
    rates = [2.0**i for i in range(-10, 4)]
    assert drift(curves(lambda t: 0.5 * (t / 300) ** -power, rates, 300), 300) == pytest.approx(
        0.5 * bounded + 0.5 * USUAL_DRIFT
    )


def test_the_drift_of_trials_too_short_to_be_parted_is_the_usual_one():
    assert drift(curves(lambda t: 0.5 * t, [0.25, 0.5, 1.0, 2.0], 3), 3) == USUAL_DRIFT


def test_a_drift_is_read_from_three_parts_where_the_whole_exploded():
    rates = [2.0**i for i in range(-10, 4)]
    found = curves(lambda t: 0.5 * (t / 300) ** -0.3, rates, 300)
    late = {rate: [*losses[:250], *[INF] * 50] for rate, losses in found.items()}
    assert drift(late, 300) == pytest.approx(0.5 * 0.3 + 0.5 * USUAL_DRIFT, abs=0.01)
    middle = {rate: [*losses[:180], *[INF] * 120] for rate, losses in found.items()}
    assert drift(middle, 300) == USUAL_DRIFT, "two parts alone say nothing"


def test_the_noise_is_that_of_eight_blocks_of_the_last_third():
    few = {1.0: [9.0] * 6 + [1.0, 2.0, 3.0], 2.0: [0.0] * 9, 4.0: [5.0, 0.0, -5.0] * 3}
    scores = {4.0: 3.0, 1.0: 1.0, 8.0: INF, 2.0: 2.0}
    assert noise(few, scores, 9) == pytest.approx(1 / math.sqrt(3)), "fewer updates are a block each"
    last = [block + within for block in range(8) for within in (-1, 0, 1)]
    many = {1.0: [7.0] * 48 + last, 2.0: np.zeros(72)}
    assert noise(many, {1.0: 1.0, 2.0: 2.0}, 72) == pytest.approx(np.std(range(8), ddof=1) / math.sqrt(8))
    assert noise({1.0: [1.0] * 5, 2.0: [2.0] * 5}, {1.0: 1.0, 2.0: 2.0}, 5) == 0.0, "one block has no deviation"


VALLEY = {0.25: 1 + math.log(2) ** 2, 0.5: 1.0, 1.0: 1.1 + math.log(2) ** 2}


def test_the_range_is_where_the_parabola_rises_by_two_standard_errors():
    found = {0.25: np.zeros(9), 0.5: [0.0] * 6 + [1.0, 2.0, 3.0], 1.0: np.zeros(9)}
    rate, curvature = lowest(VALLEY)
    width = math.exp(math.sqrt(2 / math.sqrt(3) / curvature))
    reading = read_off(found, VALLEY, 9, 9, allow_for_drift=False)
    assert (reading.low, reading.rate, reading.high) == pytest.approx((rate / width, rate, rate * width))
    shifted = read_off(found, VALLEY, 9, 90, allow_for_drift=False, suggestion=0.02)
    assert shifted.rate == pytest.approx(math.sqrt(rate * 0.02))
    assert (shifted.low, shifted.high) == pytest.approx((shifted.rate / width, shifted.rate * width))


def test_trials_count_alone_where_they_are_most_of_the_training():
    found = {rate: np.full(9, score) for rate, score in VALLEY.items()}
    rate = lowest(VALLEY)[0]
    for tried, updates, weight in ((9, 9, 1.0), (9, 15, 1.0), (9, 18, 0.9), (9, 90, 0.5)):
        reading = read_off(found, VALLEY, tried, updates, allow_for_drift=False, suggestion=0.02)
        assert reading.weight == pytest.approx(weight)
        assert reading.rate == pytest.approx(rate**weight * 0.02 ** (1 - weight))


def test_where_there_is_no_parabola_the_neighbours_bound_the_range():
    found = {rate: np.ones(9) for rate in (1.0, 2.0, 4.0, 8.0)}

    def bounds(scores):
        reading = read_off(found, scores, 9, 9, allow_for_drift=False)
        return reading.low, reading.rate, reading.high

    assert bounds({1.0: 3.0, 2.0: 2.0, 4.0: 1.0}) == (2.0, 4.0, 4.0)
    assert bounds({1.0: 1.0, 2.0: 2.0, 4.0: 3.0}) == (1.0, 1.0, 2.0)
    assert bounds({1.0: INF, 2.0: 1.0, 4.0: INF, 8.0: INF}) == (1.0, 2.0, 4.0)
    assert bounds({2.0: 1.0}) == (2.0, 2.0, 2.0)


def test_the_noise_of_losses_says_nothing_of_scores_in_other_units():
    draw = np.random.default_rng(0)
    found = {rate: (1e6 + 1e4 * draw.normal(size=60)).tolist() for rate in (0.1, 0.2, 0.4)}
    scores = {0.1: 0.25, 0.2: 0.20, 0.4: 0.24}
    validated = read_off(found, scores, 60, 60, allow_for_drift=False, judged_by_losses=False)
    assert validated.parabola
    assert 0.1 < validated.rate < 0.4
    lower = max(rate for rate in scores if rate < validated.rate)
    assert (validated.low, validated.high) == (lower, min(rate for rate in scores if rate > validated.rate))
    by_losses = read_off(found, scores, 60, 60, allow_for_drift=False)
    assert by_losses.low == pytest.approx(by_losses.rate / 4), "as wide either way as all that was tried"
    assert by_losses.high == pytest.approx(by_losses.rate * 4)
