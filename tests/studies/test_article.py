"""The article's claims: each is true of trainings made so, and false of others."""

import numpy as np
import pytest
from conftest import ROOT

from gluon_lr.analysis.verdicts import judge
from gluon_lr.experiments.record import Record
from gluon_lr.experiments.store import Store
from gluon_lr.studies.article.claims import DECAYING, claims, stops_by_schedule
from gluon_lr.studies.article.experiment import RUNS
from gluon_lr.studies.talk.claims import claims as talk_claims

EPOCHS = 100


def trainings(late=0.0, shapes=(), seeds=5):
    """Every schedule's trainings: accuracy rises to 0.8 by epoch 50 and by ``late`` after it; ``shapes`` go on top."""
    noise, epochs = np.random.default_rng(0), np.arange(EPOCHS)
    records = []
    for seed in range(seeds):
        for run in RUNS:
            base = np.minimum(0.8, 0.5 + 0.006 * epochs) + late * np.clip((epochs - 64) / 20, 0, 1)
            accuracy = base + noise.normal(0, 1e-4, EPOCHS) + dict(shapes).get(run, 0.0)
            least = (20 if run == "adam" else 80) + noise.integers(-3, 4)
            curves = {"train_acc": accuracy + 0.02, "test_acc": accuracy, "test_loss": np.abs(epochs - least) / 100}
            history = {name: curve.tolist() for name, curve in curves.items()}
            history["train_loss"] = history["test_loss"]
            records.append(Record({"run": run, "seed": seed}, "finished", history, {}, {}, 1.0))
    return records


def kinds(records):
    return {verdict.claim.text: verdict.kind for verdict in judge(claims(records))}


def test_every_claim_is_measured_and_has_a_delta_with_its_reason():
    for claim in claims(trainings()):
        assert len(claim.differences) == 5, claim.text
        assert claim.delta > 0, claim.text
        assert claim.why, claim.text


@pytest.mark.parametrize(("late", "wanted"), [(0.0, "supported"), (0.02, "refuted")])
def test_learning_stops_where_nothing_is_gained_after_epoch_60(late, wanted):
    records = trainings(late)
    assert kinds(records)["Learning stops near epoch 60"] == wanted
    assert [verdict.kind for verdict in judge(stops_by_schedule(records))] == [wanted] * len(DECAYING)


def test_a_schedule_that_alone_goes_on_learning_is_told_from_the_others():
    rise = {"step": 0.02 * np.clip((np.arange(EPOCHS) - 64) / 20, 0, 1)}
    found = {v.claim.text: v.kind for v in judge(stops_by_schedule(trainings(shapes=rise)))}
    assert found.pop("Step stops learning near epoch 60") == "refuted"
    assert set(found.values()) == {"supported"}


def test_a_ranking_holds_where_every_rival_is_beaten():
    zigzag = 0.01 * (-1.0) ** np.arange(EPOCHS)
    rough = {run: zigzag for run in RUNS if run != "exponential"}
    found = kinds(trainings(shapes=rough))
    assert found["Exponential is the smoothest of all"] == "supported"
    assert found["Adam over-fits soonest of all"] == "supported"
    rough.pop("step")
    assert kinds(trainings(shapes=rough))["Exponential is the smoothest of all"] != "supported", "step is as smooth"
    better = kinds(trainings(shapes={"exponential": 0.02, "time-based": 0.01, "decay-per-epoch": 0.01}))
    for text in ("Exponential beats time-based", "Time-based beats linear", "Time-based beats step",
                 "A decay per update trains worse than the same decay per epoch"):  # fmt: skip
        assert better[text] == "supported", text


def test_best_of_all_is_not_judged_where_a_rival_was_not_trained():
    records = Store(ROOT / "chapter_runs" / "article").records()
    some = [r for r in records if r.spec["run"] in ("exponential", "linear", "adam", "time-based", "step")]
    for all_of_them, known in ((records, True), (some, False)):
        judged = {verdict.claim.text: verdict.test.difference.n > 1 for verdict in judge(claims(all_of_them))}
        assert judged["Exponential is the smoothest of all"] is known
        assert judged["Adam over-fits soonest of all"] is known
        assert judged["Linear over-fits more than exponential"] is True
    talk = Store(ROOT / "chapter_runs" / "talk").records()
    few = [r for r in talk if r.spec["settings"]["schedule"] in ("one-cycle", "constant", "cosine")]
    for all_of_them, known in ((talk, True), (few, False)):
        judged = {verdict.claim.text: verdict.test.difference.n > 1 for verdict in judge(talk_claims(all_of_them))}
        for text in (
            "One-cycle is the best of all",
            "No schedule is best of all",
            "One-cycle bears high rates best of all",
        ):
            assert judged[text] is known
