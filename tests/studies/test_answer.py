"""What a run of one's own says at once, beside the published figures and the committed trainings."""

from dataclasses import replace

import pytest
from conftest import run_module

from gluon_lr.analysis.comparisons import compare_collapses
from gluon_lr.analysis.statistics import compare_counts
from gluon_lr.errors import UsageError
from gluon_lr.experiments import Store
from gluon_lr.report.tables import collapse_table
from gluon_lr.schedulers import PerEpochScheduler
from gluon_lr.studies.chapter.answer import (
    EVIDENCE,
    answer_table,
    answer_words,
    committed,
    draw_answer,
    own_and_committed,
    same_bits,
)
from gluon_lr.studies.chapter.blocks import collapses_block
from gluon_lr.studies.chapter.claims import ramped_claim
from gluon_lr.studies.chapter.experiment import chapter_scheduler, specifications, trained_scheduler
from gluon_lr.studies.chapter.published import select
from gluon_lr.studies.chapter.report import claims_left_out, write_report


@pytest.fixture(scope="module")
def others():
    return committed("as-printed")


def of(records, run, seed=0):
    return next(r for r in records if (r.spec["run"], r.spec["seed"]) == (run, seed))


def changed(record, **history):
    return replace(record, history={**record.history, **history})


def test_bits_are_compared_in_everything_but_time(others):
    own = of(others, "cosine")
    assert same_bits(changed(own, seconds=[0.0] * 40), others) is True
    other = list(own.history["train_loss"])
    other[3] += 1e-12
    assert same_bits(changed(own, train_loss=other), others) is False
    assert same_bits(replace(own, spec={**own.spec, "seed": 99}), others) is None
    assert same_bits(replace(own, spec={**own.spec, "epochs": 3}), others) is None


def test_words_say_where_figures_lie_what_collapsed_and_whose_bits_are_the_same(others):
    own = [of(others, "constant"), of(others, "cosine")]
    first, bits = answer_words(own, others)
    assert "Of your 3 last figures 3 lie within the range" in first
    group = [r for r in others if r.spec["run"] == "constant"]
    lost = sum(r.status == "collapsed" for r in group)
    assert f"constant collapsed to guessing, as {lost} of the {len(group)} committed ones did" in first
    assert bits == "All 2 equal the committed trainings of the same seeds in every epoch, to the last bit."
    worse = changed(own[1], test_acc=[*own[1].history["test_acc"][:-1], 0.5])
    first, bits = answer_words([worse], others)
    assert "2 lie within the range of the committed trainings; outside: cosine's test accuracy." in first
    assert bits.startswith("None equals the committed training")
    assert (
        "1 equal the committed trainings to the last bit; cosine, seed 0 differ"
        in answer_words([own[0], worse], others)[1]
    )


def test_a_schedule_of_ones_own_is_named_and_the_others_are_compared(others):
    own = of(others, "cosine")
    mine = replace(own, spec={**own.spec, "run": "mine", "settings": {**own.spec["settings"], "schedule": "mine:make"}})
    first, bits = answer_words([own, mine], others)
    assert "Of your 3 last figures 3 lie within the range" in first
    assert first.endswith("At another rate, net or schedule than the book's, and not compared: mine.")
    assert bits == "It equals the committed training of the same seed in every epoch, to the last bit."


def test_a_collapse_that_no_committed_training_had_is_not_called_usual(others):
    lost = replace(of(others, "multi-factor"), status="collapsed")
    first = answer_words([lost], others)[0]
    assert "collapsed to guessing, and none of the 20 committed ones did." in first
    assert "not a mistake" not in first


def test_a_training_that_failed_at_once_has_no_curve_and_stops_no_report(others):
    failed = replace(of(others, "constant"), status="failed", history={})
    figure = draw_answer([failed, of(others, "cosine")], others)
    assert [ax.get_title() for ax in figure.axes if ax.get_title()] == ["cosine"]


def test_figures_at_another_rate_are_not_held_against_the_books(tmp_path, others):
    store = Store(tmp_path)
    for seed in range(2):
        for spec in specifications(["cosine", "constant"], "as-printed", [seed], 40):
            record = of(others, spec.run, seed)
            settings = {**record.spec["settings"], "lr": 0.1}
            store.write(spec, replace(record, spec={**record.spec, "settings": settings}))
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "their figures do not compare" in page
    assert "What was found" not in page
    assert "published lies" not in page.split("Your trainings")[-1].split("</table>", 1)[1]


def test_words_where_there_is_nothing_to_compare_with(others):
    own = [of(others, "cosine")]
    assert "they are no comparison" in answer_words(own, others, quick=True)[0]
    assert "that takes seven minutes" in answer_words(own, others, quick=True)[0]
    slower = replace(own[0], spec={**own[0].spec, "settings": {**own[0].spec["settings"], "lr": 0.1}})
    assert "seven minutes" not in answer_words([slower], others, quick=True)[0], "nor is it one without --quick"
    assert "at another rate, net or schedule than the book's" in answer_words([slower], others)[0]
    assert answer_table([slower], others, "as-printed").caption.endswith("as-printed; yours at 0.1, the others at 0.5")
    assert "run this in a clone" in answer_words(own, [])[0]
    short = replace(own[0], spec={**own[0].spec, "epochs": 3})
    assert "Your trainings have 40 epochs" not in answer_words(own, others)[0]
    assert "the book's 40" in answer_words([short], others)[0]
    assert answer_words([replace(own[0], status="failed")], others) == ["No training has come to its end."]


def test_the_table_tells_collapsed_trainings_apart(others):
    own = [of(others, "constant"), of(others, "cosine")]
    rows = {(row[0], row[1]): row for row in answer_table(own, others, "as-printed").rows}
    collapsed = rows["constant", "test accuracy"]
    assert collapsed[3] == "0.100 (collapsed)"
    constant = [r for r in others if r.spec["run"] == "constant"]
    lost = sum(r.status == "collapsed" for r in constant)
    assert lost > 0
    assert collapsed[5] == f"{lost} of {len(constant)}"
    assert collapsed[-1] == "collapsed"
    fine = rows["cosine", "test accuracy"]
    assert fine[2] == "0.867"
    assert fine[-1].startswith(("above", "below"))
    short = replace(own[1], spec={**own[1].spec, "epochs": 3})
    assert answer_table([own[0], short], others, "as-printed").rows[-1][-1] == "no comparison"
    assert answer_table([short], others, "as-printed").columns[-1] == "published lies", "nothing to compare at all"
    axes = draw_answer(own, others).axes
    assert len(axes) == 6
    assert [ax.get_ylabel() for ax in axes if ax.get_ylabel()] == ["train loss", "train accuracy", "test accuracy"]


def test_the_repositorys_own_folder_is_not_compared_with_itself(tmp_path):
    records = Store(EVIDENCE).records()
    assert own_and_committed(records, "as-printed", EVIDENCE)[1] == []
    assert own_and_committed(records, "as-printed", tmp_path)[1] == committed("as-printed")


@pytest.mark.slow
def test_a_report_on_one_seed_opens_with_the_answer_and_folds_what_it_cannot_judge(tmp_path, others):
    for record in others:
        if record.spec["seed"] == 0:
            (spec,) = specifications([record.spec["run"]], "as-printed", [0], 40)
            Store(tmp_path).write(spec, record)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert page.index("Your trainings, as-printed") < page.index("Four readings")
    assert "needs two seeds" not in page
    assert page.count("claims cannot be judged") == 1
    assert (tmp_path / "figures" / "yours-as-printed.png").exists()


def test_counts_of_collapsed_trainings_are_compared(others):
    found = {name: (collapsed, n, p) for name, collapsed, n, p in compare_collapses(others, "constant")}
    for name in ("constant", "cosine"):
        group = [r for r in others if r.spec["run"] == name]
        assert found[name][:2] == (sum(r.status == "collapsed" for r in group), len(group))
    assert found["constant"][2] is None
    alone = compare_counts(*found["cosine"][:2], *found["constant"][:2])
    assert alone <= found["cosine"][2] <= min(1.0, (len(found) - 1) * alone), "corrected over the other runs"
    many = [
        replace(r, spec={**r.spec, "seed": i})
        for i in range(20)
        for r in (of(others, "constant"), of(others, "cosine"))
    ]
    assert {name: p for name, *_, p in compare_collapses(many, "constant")}["cosine"] < 1e-9
    assert collapse_table(many, "constant", "").rows[0][:2] == ["constant", "20 of 20"]


def test_a_ramped_warmup_has_no_idle_epoch():
    per_epoch, ramped = (trained_scheduler("cosine-warmup", r, 235) for r in ("per-epoch", "per-epoch-ramped"))
    assert [per_epoch(t) for t in (1, 235)] == [0.0, 0.0]
    assert ramped(1) == pytest.approx(0.1 / 235)
    assert [ramped(235 * e) for e in range(1, 6)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert ramped == PerEpochScheduler(chapter_scheduler("cosine-warmup"), 235, every="update")
    with pytest.raises(UsageError, match="give --only cosine-warmup"):
        specifications(["cosine"], "per-epoch-ramped", [0], 40)


def test_collapses_of_the_ramped_warmup_are_counted_beside_the_cosine_per_epoch():
    records = Store(EVIDENCE).records()
    block = collapses_block([r for r in records if r.spec["reading"].startswith("per-epoch")])
    table = block.rpartition("**Reading: per-epoch-ramped, with warmup and without**")[2]
    for run, reading in (("cosine", "per-epoch"), ("cosine-warmup", "per-epoch-ramped")):
        group = [r for r in select(records, reading) if r.spec["run"] == run]
        lost = sum(r.status == "collapsed" for r in group)
        assert f"| {run} | {lost} of {len(group)} |" in table
    assert "**Reading: per-epoch-ramped**" not in block, "there is no constant rate to hold it against"


def test_the_ramped_warmup_is_judged_beside_the_cosine_per_epoch():
    records = [r for r in Store(EVIDENCE).records() if r.spec["run"] == "cosine" and r.spec["reading"] == "per-epoch"]
    ramped = [replace(r, spec={**r.spec, "run": "cosine-warmup", "reading": "per-epoch-ramped"}) for r in records]
    (claim,) = ramped_claim([*records, *ramped])
    assert claim.differences == [0.0] * sum(r.status == "finished" for r in records)
    assert claims_left_out(records, "per-epoch-ramped")[0].startswith("Reading per-epoch-ramped: 1 of 1 claims")


@pytest.mark.slow
def test_the_command_ends_in_the_answer(tmp_path):
    done = run_module("gluon_lr.chapter", "--quick", "--epochs", "1", "--only", "cosine", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "This was a quick run" in done.stdout
    assert "Published, yours and the committed trainings" in done.stdout
    assert "needs two seeds" not in done.stdout


def test_the_one_that_has_a_committed_twin_is_named(others):
    own = [of(others, "cosine"), replace(of(others, "constant"), spec={**of(others, "constant").spec, "seed": 99})]
    assert answer_words(own, others)[1].startswith("cosine, seed 0 equals the committed training")
    assert answer_words(own[:1], others)[1].startswith("It equals the committed training")
