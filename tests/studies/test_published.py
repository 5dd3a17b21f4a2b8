"""The chapter's figures among our trainings: places, likelihoods, the reading per update, the words and the picture."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gluon_lr.analysis.places import log_density, p_of_place, place
from gluon_lr.experiments import Store
from gluon_lr.studies.chapter.claims import PUBLISHED
from gluon_lr.studies.chapter.experiment import READINGS, trained_scheduler
from gluon_lr.studies.chapter.published import (
    ALL,
    count_within,
    draw_finals,
    earlier_table,
    earlier_words,
    likelihood_table,
    likelihoods,
    outside_notes,
    results_table,
    select,
)
from gluon_lr.studies.chapter.report import found_words

EVIDENCE = Path(__file__).resolve().parents[2] / "chapter_runs" / "chapter"


@pytest.fixture(scope="module")
def records():
    return Store(EVIDENCE).records()


def moved(record, **last):
    """The record with other figures after the last epoch."""
    history = {name: list(values) for name, values in record.history.items()}
    for name, value in last.items():
        history[name][-1] = value
    return replace(record, history=history)


def test_places():
    assert place(0.25, [0.1, 0.2, 0.3]) == "above 2 of 3"
    assert place(0.0, [0.1, 0.2]) == "below all 2"
    assert place(0.3, [0.1, 0.2]) == "above all 2"
    ends = place(0.1, [0.1, 0.2, 0.1]), place(0.2, [0.1, 0.2]), place(0.1, [0.1, 0.1])
    assert ends == ("level with the least of 3", "level with the greatest of 2", "level with all 2"), (
        "an equal is neither below nor above"
    )
    assert place(0.5, []) == "–"


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=30, unique=True))
def test_a_place_is_as_far_out_as_its_p_value_says_among_trainings_like_itself(values):
    """Of n + 1 trainings each is held against the others: a share of at most p lies as far out, whatever p."""
    p = [p_of_place(values[i], values[:i] + values[i + 1 :]) for i in range(len(values))]
    for bound in p:
        assert np.mean([one <= bound for one in p]) <= bound + 1e-12


def test_a_figure_that_others_equal_lies_no_further_out_than_they():
    assert p_of_place(0.1, [0.1] * 40) == p_of_place(1.0, [1.0] * 20 + [0.9] * 20) == 1.0
    assert p_of_place(1.0, [1.0] + [0.9] * 39) == 2 * 2 / 41


def test_the_table_says_where_each_figure_lies_and_what_collapsed(records):
    rows = {(row[0], row[1]): row for row in results_table(records).rows}
    group = [r for r in select(records, "as-printed") if r.spec["run"] == "constant"]
    values = [r.last("test_acc") for r in group if r.status == "finished"]
    row = rows["constant", "test accuracy"]
    assert row[2] == "0.823"
    assert row[4] == f"{min(values):.3f} … {max(values):.3f}"
    assert row[5] == f"{len(group) - len(values)} of {len(group)}"
    assert row[6:] == [place(0.823, values), f"{p_of_place(0.823, values):.2f}"]
    assert results_table(group[:1]).rows[0][-2:] == ["–", "–"], "one training is no sample"


def test_per_update_the_trainings_as_printed_stand_for_the_four_that_drawing_does_not_change(records):
    chosen = select(records, "per-update")
    readings = {r.spec["run"]: r.spec["reading"] for r in chosen}
    assert readings == {run: "per-update" if run == "multi-factor" else "as-printed" for run in PUBLISHED}
    as_printed = [r for r in records if r.spec["reading"] == "as-printed"]
    assert select(as_printed, "per-update") == [], "nothing was trained per update"


def test_a_constant_rate_trains_the_same_in_every_reading():
    assert [trained_scheduler("constant", reading, 235) for reading in READINGS] == [None] * len(READINGS)


def test_the_density_of_three_figures_is_students():
    draws = np.random.default_rng(2).normal(size=(9, 3)) @ np.array([[1, 0.9, 0], [0, 0.5, 0.2], [0, 0, 2.0]])
    more = np.array([0.3, -0.1, 1.0])
    away = draws - draws.mean(axis=0)
    shape = away.T @ away * 10 / (9 * 6)
    assert math.isclose(log_density(draws, more), stats.multivariate_t(draws.mean(axis=0), shape, df=6).logpdf(more))
    assert log_density(draws, more) > log_density(draws, more + 5)


def test_a_reading_that_gives_the_published_figures_is_likelier_than_one_that_does_not(records):
    near = [r for r in select(records, "as-printed") if r.spec["run"] == "cosine"]
    far = [
        moved(replace(r, spec={**r.spec, "reading": "per-epoch"}), train_loss=r.last("train_loss") - 0.2) for r in near
    ]
    found = likelihoods(near + far)
    for figure in ("train loss", ALL):
        assert found["as-printed"]["cosine", figure] > found["per-epoch"]["cosine", figure] + math.log(10)
    row = next(row for row in likelihood_table(near + far).rows if row[1] == ALL)
    assert float(row[2]) < -1
    assert any(
        "those of cosine about 10^" in text and "likelier than per-epoch" in text for text in found_words(near + far)
    )
    few = [r for r in near + far if r.spec["seed"] < 4]
    assert likelihoods(few) == {}, "four trainings say nothing of three figures"
    assert likelihood_table(few).rows == []


def test_a_collapsed_training_makes_every_figure_less_likely(records):
    group = [r for r in select(records, "as-printed") if r.spec["run"] == "cosine" and r.status == "finished"][:5]
    collapsed = [replace(r, status="collapsed", spec={**r.spec, "seed": 100 + r.spec["seed"]}) for r in group]
    alone, with_them = (likelihoods(some)["as-printed"]["cosine", ALL] for some in (group, group + collapsed))
    assert math.isclose(alone - with_them, math.log(6 / 7) - math.log(6 / 12))


def test_a_figure_beyond_all_trainings_is_told_with_what_was_tried(records):
    near = [r for r in select(records, "as-printed") if r.spec["run"] == "cosine"]
    assert outside_notes(near) == [] or "cosine" in outside_notes(near)[0]
    shifted = [moved(r, test_acc=0.99) for r in near]
    notes = outside_notes(shifted)
    assert "cosine's test accuracy, published 0.867, lies below all" in " ".join(notes)
    assert "edition of the data" in notes[-1]


def test_the_picture_has_a_panel_a_figure_and_a_line_a_reading(records):
    axes = draw_finals(records).axes
    assert [ax.get_title() for ax in axes][:2] == ["constant: train loss", "constant: train accuracy"]
    assert len(axes) == 15
    for ax, published in zip(axes, [value for run in PUBLISHED for value in PUBLISHED[run]]):
        assert any(list(line.get_xdata()) == [published, published] for line in ax.lines), "the published figure"
    rows = [[label.get_text().partition("\n")[0] for label in ax.get_yticklabels()] for ax in axes]
    assert rows[0] == ["as-printed", "per-epoch"], "per update it is the same as printed"
    assert rows[6] == ["as-printed", "per-update", "per-epoch"]
    assert rows[12][-1] == "per-epoch-ramped", "of one run alone"
    constant = [r for r in select(records, "as-printed") if r.spec["run"] == "constant"]
    lost = sum(r.status == "collapsed" for r in constant)
    assert f"({lost} of {len(constant)} collapsed)" in axes[0].get_yticklabels()[0].get_text()


def test_an_earlier_draw_stands_beside_ours_in_the_reading_that_it_was_made_in(records):
    printed = [r for r in select(records, "as-printed") if r.spec["run"] == "cosine" and r.spec["seed"] < 2]
    other = [replace(r, spec={**r.spec, "reading": "per-epoch"}) for r in printed]
    table = earlier_table(printed, printed + other, "as-printed", "0.9")
    assert table.caption == "Seeds 0 to 1, as-printed, by 0.9 and now"
    assert [row[:3] for row in table.rows] == [
        ["cosine", label, f"{value:.3f}"]
        for label, value in zip(("train loss", "train accuracy", "test accuracy"), PUBLISHED["cosine"])
    ]
    assert all(row[3:6] == row[6:] for row in table.rows), "the same trainings on both sides"
    same = earlier_words(printed, printed + other, "as-printed", "0.9")
    inside, figures = count_within(printed)
    assert same.startswith(f"Seeds 0 to 1, as-printed: {inside} of 3 published figures lie within the range")
    assert same.count(f"{inside} of 3") == 3, "the same trainings on both sides"
    assert figures == 3
    alone = earlier_table(printed, other, "per-epoch", "0.9")
    assert all(row[6:] == ["–", "0 of 0", "–"] for row in alone.rows), "none of ours in that reading"


def test_that_warmup_changes_what_collapses_is_said_where_the_counts_resolve_it(records):
    kept = [r for r in select(records, "as-printed") if r.spec["seed"] < 8]
    cosines = [replace(r, status="finished") for r in kept if r.spec["run"] in ("cosine", "cosine-warmup")]
    wrecked = [replace(r, status="collapsed") if r.spec["run"] == "cosine" else r for r in cosines]
    said = [text for text in found_words(wrecked) if "Warmup" in text]
    assert said == ["Warmup changes how many cosines collapse: as-printed 8 of 8 without, 0 of 8 with (p 0.00016)."]
    one = [replace(r, status="collapsed") if r.spec["seed"] == 0 else r for r in cosines]
    assert not any("Warmup" in text for text in found_words(one))
