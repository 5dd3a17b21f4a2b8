"""A claim to be the best of all holds against each rival or not at all."""

import math

import pytest

from gluon_lr.analysis.statistics import compare_differences
from gluon_lr.analysis.verdicts import against_every, judge

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
    assert verdict({"b": CLEARER, "c": CLEAR, "d": NOTHING}).verdict == "not resolved at 4 seeds"
    assert verdict({"b": CLEARER, "c": [-x for x in CLEAR]}).verdict == "not supported"


def test_a_rival_that_is_better_was_chosen_as_the_worst_of_several():
    worse = [-1.0, -0.9, -0.2, -0.7]  # p is 0.03
    alone = verdict({"b": worse})
    assert (alone.verdict, round(alone.test.p, 3)) == ("not supported", 0.029)
    among = verdict({"b": worse, **{str(i): CLEAR for i in range(3)}})
    assert math.isclose(among.test.p, 4 * alone.test.p)
    assert among.verdict == "not resolved at 4 seeds"


@pytest.mark.parametrize("rivals", [{}, {"b": CLEARER, "c": [1.0]}, {"b": CLEARER, "c": []}])
def test_it_is_not_judged_while_a_rival_has_no_two_seeds(rivals):
    assert verdict(rivals).test.difference.n < 2
    assert verdict(rivals).verdict.startswith("not resolved")
