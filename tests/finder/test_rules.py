"""From a curve to a rate: each rule on curves that are known, and what a result writes and reads."""

import csv
import io
import json
import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gluon_lr.errors import RecordError
from gluon_lr.finder import RULES, LRFinderResult, NoSuggestion
from gluon_lr.finder.rules import (
    CLEAR,
    UNCLEAR,
    Curve,
    fall_in_standard_errors,
    minimum,
    slide,
    smooth,
    steep,
    suggest,
    turn,
    valley,
)


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


def bent(*losses, multiplier=1.2):
    """A curve through these losses, as they are."""
    return Curve(1e-3 * multiplier ** np.arange(len(losses)), np.array(losses, float))


def test_a_rule_needs_ten_points_that_fall_somewhere():
    falling = [2 - i / 10 for i in range(10)]
    known = bent(*falling)
    assert minimum(known) == known.lrs[9] / 10, "the last one is the least, and the first is above it"
    with pytest.raises(NoSuggestion, match="9 points are too few, expected at least 10"):
        minimum(bent(*falling[:9]))
    with pytest.raises(NoSuggestion, match="the loss never falls"):
        minimum(bent(*falling[::-1]))
    with pytest.raises(NoSuggestion, match="the loss never falls"):
        minimum(bent(*[2.0] * 10))


def test_the_turn_is_never_above_the_last_rate():
    known = bent(*[2 - i / 10 for i in range(10)], 9.0)
    assert turn(known) == known.lrs[-1] < 1.5 * known.lrs[-2]


def test_the_steepest_fall_is_sought_up_to_the_least_loss():
    known = bent(*[2 - i / 10 for i in range(6)], 1.0, 0.4, 0.3, 5.0, 9.0, 4.0, 4.0)
    assert steep(known) == known.lrs[6], "after the least it falls faster, from where it exploded"


def test_a_valley_begins_where_the_falling_losses_do():
    known = bent(*[1 + i / 10 for i in range(5)], *[1.5 - i / 20 for i in range(21)], 3.0, 4.0)
    assert valley(known) == known.lrs[5 + 6 + 3], "of twenty steps a third is six, and half of that three"


def test_the_sliding_interval_stops_where_both_ends_are_alike():
    flat_from_ten = [2 - min(i, 10) / 10 for i in range(36)]
    rising = bent(*flat_from_ten, 2.0, 3.0, 4.0, 5.0)
    assert slide(rising) == rising.lrs[19], "35 is the first that rises, seen from both sides"
    even = bent(*[2 - i / 50 for i in range(40)])
    assert slide(even) == even.lrs[24]
    bowl = bent(*[(i - 20) ** 2 / 100 for i in range(40)])
    assert slide(bowl) == bowl.lrs[0], "no two of its slopes are alike"


def test_a_sliding_interval_needs_sixteen_points():
    falling = [2 - i / 50 for i in range(16)]
    assert slide(bent(*falling)) == 1e-3
    with pytest.raises(NoSuggestion, match="15 points are too few for an interval of 15"):
        slide(bent(*falling[:15]))


def test_smoothing_is_a_gaussian_in_the_logarithm():
    for ratio, width in ((1.2, 0.5), (2.0, 1.5 * math.log(2))):  # on a coarse ladder, one and a half of its steps
        weight = math.exp(-0.5 * (math.log(ratio) / width) ** 2)
        expected = [(1 + 2 * weight) / (1 + weight), (2 + weight) / (1 + weight)]
        assert smooth([1.0, ratio], [1.0, 2.0]).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("multiplier", [1.1, 1.5, 2.0, 3.0, 4.0])
def test_noise_alone_gives_no_rate_on_a_coarse_ladder_either(multiplier):
    draw = np.random.default_rng(0)
    rates = 1e-6 * multiplier ** np.arange(int(math.log(1e8) / math.log(multiplier)))
    falls = [fall_in_standard_errors(rates, 2 + 0.1 * draw.standard_normal(len(rates))) for _ in range(300)]
    assert np.mean(np.array(falls) >= CLEAR) <= 0.02


def test_only_the_first_twenty_losses_say_what_has_diverged():
    lrs, losses = 1.1 ** np.arange(30), np.where(np.arange(30) < 20, 1.0, 100.0)
    np.testing.assert_array_equal(smooth(lrs, losses), smooth(lrs, np.minimum(losses, 2.0)))


def fall_by_hand(lrs, losses):
    """The fall in standard errors, number by number, of losses that do not diverge."""
    pairs = sorted(zip(lrs, losses))
    logs, y = [math.log(lr) for lr, _ in pairs], [loss for _, loss in pairs]
    rows = [[math.exp(-0.5 * ((a - b) / 0.5) ** 2) for b in logs] for a in logs]
    rows = [[weight / sum(row) for weight in row] for row in rows]
    smoothed = [sum(weight * loss for weight, loss in zip(row, y)) for row in rows]
    least = smoothed.index(min(smoothed))
    before = [loss for lr, loss in pairs if lr <= pairs[least][0] / 10]
    before = before if len(before) >= 10 else y[: max(1, least // 2)]
    residuals = [loss - s for loss, s in zip(y, smoothed)]
    median = statistics.median(residuals)
    deviation = 1.4826 * statistics.median(abs(residual - median) for residual in residuals)
    error = deviation * math.sqrt(1 / len(before) + sum(weight**2 for weight in rows[least]))
    return (statistics.mean(before) - smoothed[least]) / error


@pytest.mark.parametrize("n", [5, 24, 33, 34, 35, 60])
def test_the_fall_is_counted_in_standard_errors(n):
    """Rungs of 10 %: below 34 or so, fewer than ten lie at a tenth of the rate at the least loss."""
    draw = np.random.default_rng(n)
    lrs = 1e-3 * 1.1 ** np.arange(n)
    losses = 2 - 0.5 * np.arange(n) / n + 0.02 * draw.normal(size=n)
    expected = fall_by_hand(lrs.tolist(), losses.tolist())
    assert fall_in_standard_errors(lrs, losses) == pytest.approx(expected)
    shuffled = draw.permutation(n)
    assert fall_in_standard_errors(lrs[shuffled], losses[shuffled]) == pytest.approx(expected), "in any order"


@given(st.integers(0, 1000), st.integers(-20, 20))
def test_the_unit_of_the_loss_does_not_change_how_far_it_falls(seed, power):
    lrs, losses = 1e-3 * 1.2 ** np.arange(30), 1 + np.random.default_rng(seed).normal(0, 0.1, 30)
    assert fall_in_standard_errors(lrs, losses * 2.0**power) == pytest.approx(fall_in_standard_errors(lrs, losses))


def test_a_loss_that_is_least_at_the_first_rate_does_not_fall():
    assert fall_in_standard_errors([1.0, 2.0, 4.0], [1.0, 2.0, 3.0]) == 0.0
    assert fall_in_standard_errors([], []) == 0.0
    assert fall_in_standard_errors([1.0, 2.0], [math.nan, math.inf]) == 0.0


def test_a_fall_without_any_noise_is_as_sure_as_can_be():
    assert fall_in_standard_errors([1.1**i for i in range(60)], [2.0] * 59 + [1.0]) > 1e6


def result_of(losses, stop_reason="diverged", repeats=(), multiplier=1.15):
    return LRFinderResult(
        [(1e-3 * multiplier**i, float(loss)) for i, loss in enumerate(losses)], stop_reason, list(repeats)
    )


def test_rules_agree_where_their_medians_are_within_a_factor_of_three():
    lrs, losses = curve()
    apart = LRFinderResult(list(zip(lrs.tolist(), losses.tolist())), "diverged")
    assert apart.rules_agree is False, "a tenth of the rate at the least loss, and 1.5 times it"
    rates = 1e-3 * 1.4 ** np.arange(15)
    alike = result_of(2 - 1 / (1 + (rates[7] / rates) ** 3), multiplier=1.4)
    assert alike.rules_agree is True, "the middle of its one fall is a tenth of the last rate"
    assert result_of([1.0] * 20).rules_agree is None


def test_of_twenty_repeats_the_interval_is_of_the_sixth_and_the_fifteenth():
    """The median lies between them with 95.9 %, between the seventh and the fourteenth with only 88.5 %."""
    lrs, losses = curve()
    results = [
        LRFinderResult([(float(lr) * 1.07**i, float(loss)) for lr, loss in zip(lrs, losses)], "diverged")
        for i in range(20)
    ]
    given = sorted(result.suggestion.lr for result in results)
    together = LRFinderResult(results[3], "diverged", [*results[:3], *results[4:]])
    assert together.combined["turn"] == pytest.approx((math.sqrt(given[9] * given[10]), given[5], given[14]))


def test_half_of_the_repeats_are_enough_to_read_and_then_the_noise_is_the_reason():
    lrs, losses = curve()
    good, flat = LRFinderResult(list(zip(lrs.tolist(), losses.tolist())), "diverged"), result_of([1.0] * 20)
    assert LRFinderResult(good, "diverged", [flat]).suggestion.lr == pytest.approx(good.suggestion.lr)
    noisy = result_of([1.0, *(1 + 0.1 * np.random.default_rng(0).normal(size=40))])
    assert turn(Curve(noisy.lrs, noisy.smoothed)), "it can be read"
    assert LRFinderResult(noisy, "diverged", [flat]).suggestion.reason == UNCLEAR
    assert noisy.suggestion.reason == UNCLEAR
    assert flat.suggestion.reason.startswith("the loss never falls"), "of one search none are counted"


def test_a_table_has_no_smoothed_loss_where_the_loss_is_not_finite():
    result = LRFinderResult([(0.5, 1.0), (1.0, 1.0), (2.0, math.inf)], "loss not finite")
    first, second, last = (row.split(",") for row in result.to_csv().splitlines()[1:])
    assert last == ["2.0", "inf", ""]
    assert [float(row[2]) for row in (first, second)] == result.smoothed.tolist()


def test_a_result_says_where_it_went():
    falling = result_of([2.0] * 3, "max_updates reached")
    assert repr(falling).startswith("<LRFinderResult: 3 updates from 0.001 to 0.00132, max_updates reached; no sugg")
    assert "repeats" not in repr(falling)
    assert repr(LRFinderResult([], "diverged")).startswith("<LRFinderResult: 0 updates, diverged; no suggestion")
    assert LRFinderResult(falling, "diverged").momentum == 0.0
