"""The sheet of all claims shows every claim that can be judged, and where its interval lies."""

import pytest
from conftest import ROOT

from gluon_lr.analysis.verdicts import Claim, judge
from gluon_lr.studies.forest import draw_forest, standardized, verdicts


@pytest.mark.slow
def test_every_claim_that_can_be_judged_is_on_the_sheet():
    found = verdicts(ROOT / "chapter_runs")
    assert {"chapter, as-printed", "chapter, per-epoch", "tutorial", "article", "talk"} <= set(found)
    (ax,) = draw_forest(found).axes
    shown = [label.get_text() for label in ax.get_yticklabels()]
    assert shown == [f"{v.claim.text} ({v.test.difference.n} seeds)" for judged in found.values() for v in judged]


def test_an_effect_is_shown_in_its_own_spread():
    (verdict,) = judge([Claim("", "", [1.0, 2.0, 3.0])])
    low, middle, high = standardized(verdict)
    assert middle == pytest.approx(2.0)
    assert (low, high) == pytest.approx((2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5), abs=1e-3)


def test_the_sheet_says_which_versions_trained_what_it_shows():
    (verdict,) = judge([Claim("A is best", "m", [1.0, 2.0, 3.0])])
    (ax,) = draw_forest({"talk": [verdict]}, ["93 by 1.0.0, 257 by 2.0.0"]).axes
    assert ax.get_xlabel().endswith("\n93 by 1.0.0, 257 by 2.0.0")
