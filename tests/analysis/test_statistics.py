"""Intervals, paired tests and how many seeds they need: SciPy's numbers, and what is said at the edges."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestPower

from gluon_lr.analysis.power import (
    power_of_difference,
    power_of_equivalence,
    seeds_for_difference,
    seeds_for_equivalence,
    smallest_shown,
)
from gluon_lr.analysis.statistics import (
    Interval,
    compare_counts,
    compare_differences,
    compare_paired,
    correct_p_values,
    count_seeds,
    mean_interval,
    p_at_most,
    p_equivalent,
)

# Hundredths, so that no two numbers are so close that rounding decides.
NUMBERS = st.lists(st.integers(-1000, 1000).map(lambda i: i / 100), min_size=2, max_size=12)
VARIED = NUMBERS.filter(lambda numbers: np.ptp(numbers) > 0)


@given(VARIED)
def test_an_interval_of_the_mean_is_scipys(numbers):
    low, high = stats.t.interval(0.95, len(numbers) - 1, np.mean(numbers), stats.sem(numbers))
    found = mean_interval(numbers)
    assert (found.mean, found.low, found.high) == pytest.approx((np.mean(numbers), low, high))
    assert (found.n, found.half_width) == (len(numbers), pytest.approx((high - low) / 2))


def test_of_one_value_the_mean_is_known_and_of_none_nothing():
    assert mean_interval([3.0]) == Interval(3.0, -math.inf, math.inf, 1)
    nothing = mean_interval([])
    assert math.isnan(nothing.mean)
    assert (nothing.low, nothing.high, nothing.n) == (-math.inf, math.inf, 0)


def test_both_ends_belong_to_an_interval():
    assert all(value in Interval(1.0, 0.5, 1.5, 3) for value in (0.5, 1.0, 1.5))
    assert 0.4 not in Interval(1.0, 0.5, 1.5, 3)
    assert 1.6 not in Interval(1.0, 0.5, 1.5, 3)


@given(VARIED)
def test_the_p_value_of_differences_is_scipys_and_has_no_sign(numbers):
    found = compare_differences("d", numbers).p
    assert found == pytest.approx(stats.ttest_1samp(numbers, 0.0).pvalue)
    assert compare_differences("d", [-number for number in numbers]).p == pytest.approx(found)


def test_differences_that_are_all_the_same_are_as_sure_as_their_signs():
    assert compare_differences("d", [0.1, 0.1]).p == 0.5
    assert compare_differences("d", [-0.1] * 8).p == 2 / 256
    assert compare_differences("d", [0.0, 0.0]).p == 1.0
    assert compare_differences("d", [0.1]).p == compare_differences("d", []).p == 1.0


def test_a_comparison_is_first_less_second_and_not_corrected_before_its_family_is_known():
    found = compare_paired("a − b", {2: 5.0, 1: 3.0, 7: 0.0}, {1: 1.0, 2: 2.0, 8: 0.0})
    assert (found.name, found.difference.mean, found.difference.n) == ("a − b", 2.5, 2)
    assert math.isnan(found.p_corrected)


@given(VARIED, st.floats(0.1, 20))
def test_equivalence_has_no_sign_and_is_the_worse_of_two_one_sided_tests(numbers, delta):
    found = p_equivalent(numbers, delta)
    assert found == pytest.approx(p_equivalent([-number for number in numbers], delta))
    below = stats.ttest_1samp(numbers, delta, alternative="less").pvalue
    above = stats.ttest_1samp(numbers, -delta, alternative="greater").pvalue
    assert found == pytest.approx(max(below, above))


def test_differences_that_are_all_the_same_lie_below_delta_or_do_not():
    assert p_at_most([0.1, 0.1], 0.2) == 0.25, "as sure as two equal signs"
    assert p_at_most([0.2, 0.2], 0.2) == 1.0, "delta itself is a difference that matters"
    assert p_at_most([0.3, 0.3], 0.2) == 1.0
    assert p_equivalent([-0.3, -0.3], 0.2) == 1.0
    assert p_at_most([-1.0], 0.2) == p_at_most([], 0.2) == 1.0, "of one difference nothing is sure"


@pytest.mark.parametrize("values", [[], [0.2], [0.5, 0.01, 0.04], [0.9, 0.8, 0.3], [0.0, 0.0, 1.0], [0.01] * 4])
def test_holms_correction_is_the_greatest_so_far_of_p_times_the_tests_left(values):
    expected, least = {}, 0.0
    for done, p in enumerate(sorted(values)):
        least = max(least, min(1.0, (len(values) - done) * p))
        expected.setdefault(p, least)
    assert correct_p_values(values) == pytest.approx([expected[p] for p in values])


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_counts_compare_alike_from_both_sides_and_by_what_is_left(first, of_first, second, of_second):
    first, second = min(first, of_first), min(second, of_second)
    p = compare_counts(first, of_first, second, of_second)
    assert p == pytest.approx(compare_counts(second, of_second, first, of_first))
    assert p == pytest.approx(compare_counts(of_first - first, of_first, of_second - second, of_second))


def test_seeds_are_counted_in_words():
    assert [count_seeds(n) for n in (0, 1, 2)] == ["0 seeds", "1 seed", "2 seeds"]


def test_two_seeds_are_enough_for_a_difference_of_a_thousand_deviations():
    assert seeds_for_difference([100.0, 100.1]) == 2
    assert seeds_for_equivalence([0.0, 0.1], 100.0) == 2


def test_more_than_ten_thousand_seeds_are_not_asked_for():
    assert seeds_for_difference([1.0, -0.97]) is None  # a mean of 0.015 with a deviation of 1.4
    within = seeds_for_difference([1.0, -0.92])
    assert 8_000 < within <= 10_000
    assert seeds_for_difference([1.0, math.inf]) is None


def test_a_stricter_test_needs_more_seeds_and_a_clearer_difference():
    differences = [0.0, 1.0, 2.0]
    assert seeds_for_difference(differences, 0.01) > seeds_for_difference(differences)
    assert seeds_for_equivalence(differences, 3.0, 0.01) > seeds_for_equivalence(differences, 3.0)
    assert smallest_shown(1.0, 20, 0.01) > smallest_shown(1.0, 20)


def test_equivalence_is_asked_for_with_the_fewest_seeds_that_show_it():
    differences = [0.0, 1.0, -0.4, 0.2]
    mean, deviation = np.mean(differences), np.std(differences, ddof=1)
    n = seeds_for_equivalence(differences, 0.8)
    assert power_of_equivalence(mean, deviation, n, 0.8) >= 0.8 > power_of_equivalence(mean, deviation, n - 1, 0.8)
    assert seeds_for_equivalence(differences, 0.1) is None, "the mean at hand is not so small"


def test_the_power_of_equivalence_is_a_chance_and_has_no_sign():
    assert power_of_equivalence(5.0, 1.0, 4, 0.1) == 0.0
    assert power_of_equivalence(0.0, 1.0, 10_000, 1.0) == pytest.approx(1.0)
    assert power_of_equivalence(0.3, 1.0, 12, 0.8) == pytest.approx(power_of_equivalence(-0.3, 1.0, 12, 0.8))


@pytest.mark.parametrize(("deviation", "n"), [(0.01, 3), (2.0, 12), (100.0, 40)])
def test_the_smallest_difference_shown_is_in_units_of_the_deviation(deviation, n):
    assert smallest_shown(deviation, n) == pytest.approx(deviation * smallest_shown(1.0, n), rel=1e-6)


@pytest.mark.parametrize("n", [3, 6, 20, 200])
@pytest.mark.parametrize("level", [0.05, 0.01])
@pytest.mark.parametrize("effect", [0.0, 0.2, -1.0])
def test_the_power_of_a_difference_is_statsmodels(n, level, effect):
    # Ours is a mean over 2,000 quantiles.
    assert power_of_difference(2 * effect, 2.0, n, level) == pytest.approx(
        TTestPower().power(effect, n, level), abs=1e-4
    )


@pytest.mark.parametrize("n", [6, 20])
@pytest.mark.parametrize("mean", [0.0, 0.3])
def test_the_power_of_equivalence_is_that_of_two_one_sided_tests(n, mean):
    sides = [TTestPower().power(1.5 + side * mean, n, 0.05, alternative="larger") for side in (1, -1)]
    assert power_of_equivalence(2 * mean, 2.0, n, 3.0) == pytest.approx(sum(sides) - 1, abs=2e-4)


def test_differences_that_vary_by_rounding_alone_are_all_the_same():
    first, second = {0: 0.9304, 1: 0.8635}, {0: 0.9303, 1: 0.8634}
    found = compare_paired("a − b", first, second)
    assert found.differences[0] != found.differences[1]
    assert (found.p, found.difference.low, found.difference.high) == (0.5, -math.inf, math.inf)
    assert p_at_most(found.differences, 0.001) == 0.25


@pytest.mark.parametrize("lost", [math.nan, math.inf, -math.inf])
def test_a_difference_that_is_no_number_shows_nothing(lost):
    assert compare_differences("d", [lost, 1.0, 1.1, 0.9]).p == 1.0
    assert compare_differences("d", [lost, lost]).p == 1.0
    assert p_at_most([lost, 1.0, 1.1], 9.0) == 1.0


def test_rounding_is_no_difference():
    first, second = (
        dict.fromkeys(range(6), (0.7 + 0.8 + 0.9) / 3),
        dict.fromkeys(range(6), (0.9 + 0.8 + 0.7) / 3),
    )
    assert first != second
    assert compare_paired("a − b", first, second).p == 1
    assert compare_differences("a − b", [0.01] * 6).p == pytest.approx(2 / 64)
