"""Verdicts: the test that a claim's sentence means, and what can be said where nothing is resolved."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from gluon_lr.analysis.power import (
    power_of_difference,
    power_of_equivalence,
    power_of_no_gain,
    seeds_for_difference,
    smallest_shown,
)
from gluon_lr.analysis.statistics import compare_differences, p_at_most, p_equivalent
from gluon_lr.analysis.verdicts import Claim, against_every, all_of, judge
from gluon_lr.report.verdicts import power_table

CLEAR = [1.0, 1.1, 0.9, 1.05]
CLEARER = [2.0, 2.01, 1.99, 2.0]
NOTHING = [0.3, -0.2, 0.1, -0.1]


def verdict(rivals):
    return judge([against_every("best", "score", rivals)])[0]


def test_it_holds_where_every_rival_is_beaten_with_the_p_value_of_the_hardest():
    found = verdict({"b": CLEARER, "c": CLEAR})
    assert found.verdict == "supported"
    assert found.claim.measure == "score; its hardest rival is c"
    assert found.test.p == compare_differences("", CLEAR).p, "no correction: all of them have to be beaten"


def test_one_rival_that_is_not_beaten_is_enough():
    assert verdict({"b": CLEARER, "c": CLEAR, "d": NOTHING}).verdict.startswith("not resolved at 4 seeds")
    assert verdict({"b": CLEARER, "c": [-x for x in CLEAR]}).verdict == "refuted"


def test_a_rival_that_is_better_was_chosen_as_the_worst_of_several():
    worse = [-1.0, -0.9, -0.2, -0.7]  # p is 0.03
    alone = verdict({"b": worse})
    assert (alone.verdict, round(alone.test.p, 3)) == ("refuted", 0.029)
    among = verdict({"b": worse, **{str(i): CLEAR for i in range(3)}})
    assert math.isclose(among.test.p, 4 * alone.test.p)
    assert among.kind == "not resolved"


@pytest.mark.parametrize("rivals", [{}, {"b": CLEARER, "c": [1.0]}, {"b": CLEARER, "c": []}])
def test_it_is_not_judged_while_a_rival_has_no_two_seeds(rivals):
    assert verdict(rivals).test.difference.n < 2
    assert verdict(rivals).verdict.startswith("not resolved")


def of(differences, **kwargs):
    return judge([Claim("c", "m", differences, **kwargs)])[0]


def test_a_difference_that_is_surely_smaller_than_delta_is_none():
    close = [0.001, -0.001, 0.0005, -0.0002, 0.0]
    assert of(close, delta=0.005).verdict == "no difference larger than 0.005"
    assert of(close).kind == "not resolved", "without δ nothing can be said"
    assert of([0.01, -0.01, 0.02, -0.02], delta=0.005).kind == "not resolved"
    assert of([0.001, 0.0011, 0.0009], delta=0.005).verdict == "supported", "small, and yet sure"


def test_no_gain_is_shown_by_one_side_alone():
    assert of([-1.0, 0.5, -2.0, -1.5, -3.0], delta=0.5, denies=True).verdict == "supported"
    assert of([-1.0, 0.5, -2.0, -1.5, -3.0], delta=0.5).kind == "not resolved"
    assert of([-0.01, 0.01, -0.011, 0.012], denies=True).kind == "not resolved", "without δ nothing can be said"


@pytest.mark.parametrize("n", [2, 3, 8])
def test_differences_that_are_all_equal_are_as_sure_as_their_signs(n):
    """Accuracies on few images are coarse; a rounding error is no spread to divide by."""
    equal = [-0.0125 + 1e-17 * i for i in range(n)]
    found = of(equal)
    assert found.test.p == min(1.0, 2 * 0.5**n)
    assert found.kind == ("refuted" if n == 8 else "not resolved")
    assert of([0.0] * n).test.p == 1.0
    assert p_equivalent(equal, 0.02) == 0.5**n
    assert p_equivalent(equal, 0.01) == 1.0


def test_the_p_values_of_both_tests_are_scipys_and_corrected_over_the_claims():
    noise = [0.3, -0.2, 0.1, -0.1]
    found = judge([Claim("a", "m", noise, 1.0), Claim("b", "m", CLEAR, 1.0), Claim("c", "m", noise)])
    low = stats.ttest_1samp(noise, -1.0, alternative="greater").pvalue
    high = stats.ttest_1samp(noise, 1.0, alternative="less").pvalue
    assert math.isclose(found[0].p_equivalent, 2 * max(low, high))
    assert math.isclose(found[1].test.p_corrected, 3 * stats.ttest_1samp(CLEAR, 0.0).pvalue)
    assert math.isnan(found[2].p_equivalent)


def test_where_nothing_is_resolved_it_says_how_many_seeds_would_do():
    found = of([0.5, -0.2, 0.4, -0.3, 0.6])
    n = int(re.fullmatch(r"not resolved at 5 seeds; about (\d+) would resolve it", found.verdict).group(1))
    mean, deviation = 0.2, float(np.std([0.5, -0.2, 0.4, -0.3, 0.6], ddof=1))
    assert power_of_difference(mean, deviation, n) >= 0.8 > power_of_difference(mean, deviation, n - 1)
    with_delta = of([0.5, -0.2, 0.4, -0.3, 0.6], delta=1.5)
    assert with_delta.kind == "no difference"


@pytest.mark.parametrize("differences", [[], [1.0], [0.0, 0.0, 0.0]])
def test_nothing_is_said_of_seeds_where_nothing_is_known(differences):
    assert "would" not in of(differences, delta=0.1).verdict
    assert seeds_for_difference(differences) is None


@pytest.mark.parametrize("mean", [0.0, 0.3, -0.5])
def test_power_is_the_share_of_samples_that_the_test_resolves(mean):
    draws = np.random.default_rng(1).normal(mean, 1.0, size=(4000, 12))
    p = stats.ttest_1samp(draws, 0.0, axis=1).pvalue
    assert abs(np.mean(p < 0.05) - power_of_difference(mean, 1.0, 12)) < 0.03, "four standard errors of 4,000 draws"
    small = np.array([p_equivalent(sample, 0.8) for sample in draws[:1000]])
    assert abs(np.mean(small < 0.05) - power_of_equivalence(mean, 1.0, 12, 0.8)) < 0.06


def test_the_smallest_difference_shown_is_seen_four_times_of_five():
    assert math.isclose(power_of_difference(smallest_shown(2.0, 20, 0.01), 2.0, 20, 0.01), 0.8, rel_tol=1e-6)


def test_the_best_of_several_was_chosen_where_none_is_said_to_be_best():
    rivals = {"b": CLEAR, "c": CLEARER}
    found = judge([replace(against_every("none is best", "score", rivals, 0.1), denies=True)])[0]
    assert found.verdict == "refuted"
    assert math.isclose(found.test.p, 2 * compare_differences("", CLEAR).p)


def test_a_verdict_prints_as_a_sentence():
    verdict = judge([Claim("A is better", "accuracy, A less B", [1.0, 1.1, 0.9])])[0]
    assert str(verdict) == "A is better: supported (accuracy, A less B: +1)"


def test_no_difference_from_the_hardest_rival_names_it():
    close = [0.001, -0.002, 0.002, 0.0]
    rivals = {"b": CLEARER, "c": close}
    assert judge([against_every("best", "score", rivals, 0.1)])[0].verdict == "no difference larger than 0.1 from c"
    assert judge([Claim("a − c", "score", close, 0.1)])[0].verdict == "no difference larger than 0.1"


@pytest.mark.parametrize(("denies", "p"), [(False, p_equivalent), (True, p_at_most)])
def test_the_part_that_looks_smallest_was_chosen_when_it_is_tested_to_be_small(denies, p):
    close = [0.04, -0.08, 0.08, 0.0]
    alone = replace(against_every("best", "score", {"c": close}, 0.1), denies=denies)
    among = replace(against_every("best", "score", {"b": CLEARER, "c": close, "d": CLEAR}, 0.1), denies=denies)
    found = [judge([claim])[0] for claim in (alone, among)]
    assert [verdict.kind for verdict in found] == ["supported" if denies else "no difference", "not resolved"]
    assert math.isclose(found[1].p_equivalent, 3 * p(close, 0.1))


def needed(claim):
    return int(re.search(r"about (\d+) would", judge([claim])[0].verdict).group(1))


def test_the_seeds_that_would_show_no_gain_are_those_of_its_one_sided_test():
    x = stats.norm.ppf((np.arange(6) + 0.5) / 6)
    gains = (3 * (x - x.mean()) / x.std(ddof=1) - 0.8).tolist()
    n = needed(Claim("no gain", "m", gains, 1.0, denies=True))
    assert power_of_no_gain(-0.8, 3.0, n, 1.0) >= 0.8 > power_of_no_gain(-0.8, 3.0, n - 1, 1.0)
    draws = np.random.default_rng(0).normal(-0.8, 3.0, size=(4000, n))
    assert abs(np.mean(stats.ttest_1samp(draws, 1.0, axis=1, alternative="less").pvalue < 0.05) - 0.8) < 0.04


def test_the_seeds_that_would_resolve_it_allow_for_the_choice_of_a_part():
    against = [-0.5, 0.4, -1.9, 0.3, -0.8]
    n = needed(all_of("t", "m", {"bad": against, **{str(i): [3.0, 3.1, 2.9, 3.0, 3.2] for i in range(4)}}))
    deviation = float(np.std(against, ddof=1))
    assert power_of_difference(-0.5, deviation, n, 0.01) >= 0.8 > power_of_difference(-0.5, deviation, n - 1, 0.01)
    for_it = [-value for value in against]
    assert needed(all_of("t", "m", {"weak": for_it, "good": CLEARER + [2.0]})) == needed(Claim("t", "m", for_it))


def test_a_claim_of_parts_holds_where_all_of_them_do_and_fails_with_one():
    def kind(**parts):
        return judge([all_of("both", "gain", parts)])[0].kind

    assert kind(first=CLEAR, second=CLEARER) == "supported"
    assert kind(first=CLEAR, second=NOTHING) == "not resolved"
    assert kind(first=CLEAR, second=[-x for x in CLEARER]) == "refuted"


def test_the_seeds_that_would_resolve_it_include_those_that_collapse():
    claim = Claim("better", "score", [0.3, -0.1, 0.2, 0.1])
    whole, half = (judge([c])[0].verdict for c in (claim, replace(claim, trained=8)))
    number = re.compile(r"about (\d+) would")
    assert whole.startswith("not resolved at 4 seeds;")
    assert half.startswith("not resolved at 4 of 8 seeds;")
    assert int(number.search(half).group(1)) == 2 * int(number.search(whole).group(1))


def test_power_counts_the_pairs_that_survive():
    claim = Claim("better", "score", NOTHING, 0.5, "half")
    whole, half = (power_table([c], 20, "").rows[0] for c in (claim, replace(claim, trained=8)))
    assert (whole[2], half[2]) == ("20", "10")
    deviation = float(np.std(NOTHING, ddof=1))
    for row, pairs in ((whole, 20), (half, 10)):
        assert row[3] == f"{smallest_shown(deviation, pairs, 0.05):.4f}"
        assert row[5] == f"{power_of_equivalence(0.0, deviation, pairs, 0.5, 0.05):.0%}"
    denied = power_table([replace(claim, denies=True, chosen_of=2)], 20, "").rows[0]
    assert denied[5] == f"{power_of_no_gain(0.0, deviation, 20, 0.5, 0.025):.0%}"
