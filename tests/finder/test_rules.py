"""From a curve to a rate: each rule on curves that are known, and what a result writes and reads."""

import csv
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gluon_lr.errors import RecordError
from gluon_lr.finder import RULES, LRFinderResult, NoSuggestion
from gluon_lr.finder.rules import Curve, minimum, slide, smooth, steep, suggest, turn, valley


def curve(n=120, start=1e-6, multiplier=1.15):
    """Flat, falling like a logistic around 0.01, least at about 0.25, then exploding."""
    lrs = start * multiplier ** np.arange(n)
    losses = 2.3 - 1.3 / (1 + (0.01 / lrs) ** 1.5) + (lrs / 0.5) ** 4
    keep = losses < 5
    return lrs[keep], losses[keep]


def test_each_rule_on_a_curve_that_is_known():
    lrs, losses = curve()
    least = lrs[losses.argmin()]
    known = Curve(lrs, losses)
    assert turn(known) == 1.5 * least
    assert turn(Curve(lrs, losses, momentum=0.75)) == pytest.approx(0.75 * least)
    assert minimum(known) == least / 10
    slopes = np.gradient(losses, np.log(lrs))
    assert steep(known) == lrs[slopes[: losses.argmin() + 1].argmin()]
    e = int(losses.argmin())
    third = e // 3
    assert valley(known) == lrs[third + third // 2]
    assert lrs[0] < slide(known) < lrs[-1]


@given(st.lists(st.floats(-1e3, 1e3) | st.sampled_from([math.nan, math.inf]), max_size=40))
def test_no_curve_makes_a_rule_fail(losses):
    lrs = [1e-4 * 1.2**i for i in range(len(losses))]
    for rule in RULES:
        found = suggest(rule, lrs, losses)
        assert (found.lr is None) == bool(found.reason)
        assert found.lr is None or lrs[0] / 10 <= found.lr <= 1.5 * lrs[-1]


def test_no_suggestion_is_a_type_of_its_own():
    with pytest.raises(NoSuggestion, match="too few"):
        turn(Curve(np.ones(3), np.ones(3)))
    assert len(smooth([], [])) == 0


def test_a_loss_that_still_falls_at_the_last_rate_has_no_turn():
    lrs, losses = curve()
    falling = lrs < 0.1
    found = suggest("turn", lrs[falling], losses[falling])
    assert not found
    assert "still falls" in found.reason


@pytest.mark.parametrize("multiplier", [1.05, 1.1, 1.3])
def test_a_fall_within_the_noise_suggests_nothing(multiplier):
    lrs = 1e-6 * multiplier ** np.arange(int(math.log(1e8) / math.log(multiplier)))
    draw = np.random.default_rng(0)
    suggested = sum(bool(suggest("turn", lrs, 1 + 0.01 * draw.normal(size=len(lrs)))) for _ in range(200))
    assert suggested <= 4, "ten times what is to be expected"
    falling = 1 + 0.01 * draw.normal(size=len(lrs)) - 0.1 / (1 + (0.01 / lrs) ** 2) + (lrs / 1.0) ** 2
    assert 0.05 < suggest("turn", lrs, falling).lr < 0.5


def test_repeats_see_a_fall_that_noise_hides_in_each():
    lrs = 1e-6 * 1.1 ** np.arange(130)
    draw = np.random.default_rng(1)

    def search():
        losses = 0.5 + 0.05 * draw.normal(size=len(lrs)) - 0.045 / (1 + (0.003 / lrs) ** 2) + (lrs / 0.2) ** 2
        return LRFinderResult(list(zip(lrs.tolist(), losses.tolist())), "diverged")

    first, *rest = (search() for _ in range(6))
    assert "by more than its noise" in first.suggestion.reason
    together = LRFinderResult(first, "diverged", rest)
    median, low, high = together.combined["turn"]
    assert together.suggestion.lr == median
    assert low <= median <= high
    assert 0.005 < median < 0.05


@pytest.mark.parametrize("last", [1e2, 1e4, 1e8, 1e20, math.inf, math.nan])
def test_how_far_the_last_loss_explodes_does_not_move_the_suggestion(last):
    lrs, losses = curve()
    pairs = [*losses, last], [*lrs, 1.15 * lrs[-1]]
    just_so = suggest("turn", [*lrs, 1.15 * lrs[-1]], [*losses, 6.0]).lr
    assert suggest("turn", pairs[1], pairs[0]).lr == pytest.approx(just_so)


def test_no_rate_above_the_last_one_is_suggested():
    lrs, losses = curve()
    short = lrs < 1.2 * lrs[losses.argmin()]
    found = suggest("turn", lrs[short], [*losses[short][:-1], 2.6])
    assert not found or found.lr <= lrs[short][-1]


def test_a_minority_of_repeats_suggests_nothing():
    lrs, losses = curve()
    good = list(zip(lrs.tolist(), losses.tolist()))
    flat = [(lr, 1.0) for lr in lrs.tolist()]

    def repeated(*pairs):
        first, *rest = (LRFinderResult(p, "diverged") for p in pairs)
        return LRFinderResult(first, "diverged", rest)

    assert not repeated(good, flat, flat).suggestion
    assert "2 of 3 repeats suggest nothing" in repeated(good, good[:5], good[:5]).suggestion.reason
    assert repeated(good, good, flat).suggestion
    assert "3 repeats" in repr(repeated(good, good, flat))
    assert " … " in repr(repeated(good, good, flat))


def test_smoothing_is_alike_on_fine_and_on_coarse_ladders():
    def smoothed(multiplier):
        lrs = 1e-4 * multiplier ** np.arange(int(math.log(1e4) / math.log(multiplier)))
        return np.interp(np.log([1e-3, 1e-2, 1e-1]), np.log(lrs), smooth(lrs, 3 + np.sin(np.log(lrs))))

    np.testing.assert_allclose(smoothed(1.1), smoothed(1.02), atol=1e-3)


def test_a_result_is_a_list_that_writes_itself(tmp_path):
    lrs, losses = curve()
    result = LRFinderResult(list(zip(lrs.tolist(), losses.tolist())), "diverged")
    assert result == list(zip(lrs.tolist(), losses.tolist()))
    rows = list(csv.DictReader(io.StringIO(result.to_csv(tmp_path / "r.csv"))))
    assert [float(r["lr"]) for r in rows] == lrs.tolist()
    body = json.loads(result.to_json(tmp_path / "r.json"))
    assert body["suggestions"]["turn"]["lr"] == result.suggestions["turn"].lr
    assert LRFinderResult.from_json(tmp_path / "r.json") == result
    LRFinderResult([(1e-3, 1.0), (1e-2, math.nan)], "loss not finite").to_json(tmp_path / "nan.json")
    json.loads((tmp_path / "nan.json").read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert math.isnan(LRFinderResult.from_json(tmp_path / "nan.json")[1][1])
    assert (tmp_path / "r.json").read_text() == result.to_json()
    assert "diverged; suggests" in repr(result)
    ax = result.plot()
    assert ax.get_ylim() == pytest.approx((0.8 * losses.min(), 4 * losses[0]))
    assert ax.get_figure().get_size_inches().tolist() == [6, 8]
    negative = LRFinderResult([(1e-3, -1.0), (1e-2, -2.0)], "diverged")
    assert negative.plot().get_yscale() == "linear"


@pytest.mark.fault
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda text: text[:-20], "not a finder's result"),
        (lambda text: text.replace("2.", "3.", 1), "checksum does not fit"),
        (lambda text: text.replace('"version": 1', '"version": 9'), "format version 9"),
        (lambda text: "<html>", "not a finder's result"),
        (lambda text: "[]", "not a finder's result"),
        (lambda text: "[" * 100_000, "not a finder's result"),
    ],
    ids=["cut", "altered", "newer", "html", "list", "deep"],
)
def test_a_damaged_result_is_refused_by_name(tmp_path, damage, says):
    lrs, losses = curve()
    whole = LRFinderResult(list(zip(lrs.tolist(), losses.tolist())), "diverged").to_json()
    path = tmp_path / "damaged.json"
    path.write_text(damage(whole))
    with pytest.raises(RecordError, match=rf"damaged\.json.*{says}"):
        LRFinderResult.from_json(path)


@pytest.mark.parametrize("repeats", [1, 2, 5, 6, 9, 20])
def test_the_median_of_repeats_lies_in_its_interval(repeats):
    draw = np.random.default_rng(repeats)
    results = []
    for _ in range(repeats):
        lrs, losses = curve(multiplier=1.12 + 0.05 * draw.random())
        results.append(LRFinderResult(list(zip(lrs.tolist(), losses.tolist())), "diverged"))
    given = [result.suggestion.lr for result in results]
    first = LRFinderResult(results[0], "diverged", results[1:])
    for median, low, high in first.combined.values():
        assert low <= median <= high
    if repeats < 9:
        assert first.combined["turn"][1:] == pytest.approx((min(given), max(given)))
