"""The finder's page holds the tables that its committed trainings, searches and losses give."""

import math
import runpy
from pathlib import Path

import numpy as np
import pytest

from gluon_lr.finder import tuning, walk
from gluon_lr.report.blocks import update_blocks

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks" / "finder"


@pytest.fixture
def script(monkeypatch):
    """A function of a script's name: what the script defines."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return lambda name: runpy.run_path(str(FOLDER / name))


def unchanged(blocks, tmp_path):
    page = tmp_path / "finder.md"
    page.write_text((ROOT / "docs" / "results" / "finder.md").read_text(encoding="utf-8"), encoding="utf-8")
    before = page.read_text(encoding="utf-8")
    update_blocks(page, blocks)
    assert page.read_text(encoding="utf-8") == before


def test_the_tables_of_the_rules_are_what_was_trained(script, tmp_path):
    unchanged(script("regret.py")["blocks"](), tmp_path)


def test_the_tables_of_tune_are_what_was_trained(script, tmp_path):
    unchanged(script("tuning.py")["blocks"](FOLDER), tmp_path)


@pytest.mark.slow
def test_the_table_of_what_was_chosen_is_what_the_losses_say(script, tmp_path):
    chosen = script("chosen.py")
    unchanged({chosen["BLOCK"]: chosen["table"](chosen["CHOSEN_ON"])}, tmp_path)


def recorded(chosen, tmp_path, rates=(0.05, 0.1, 0.2, 0.4), best=0.2):
    """Losses that fall to a valley in ln(rate), of 400 updates."""
    losses = [[2 + (math.log(rate / best)) ** 2 - t / 400 for t in range(400)] for rate in rates]
    path = tmp_path / "task.seed0.npz"
    np.savez(path, rates=rates, losses=np.array(losses, np.float32), curve_updates=50, start=0.1, suggested=True)
    return chosen["Recorded"](path)


def test_a_replay_reads_a_trial_between_two_recorded_rates(script, tmp_path):
    world = recorded(script("chosen.py"), tmp_path)
    middle = world.attempt(math.sqrt(0.1 * 0.2), 100)
    ends = [world.attempt(rate, 100) for rate in (0.1, 0.2)]
    assert len(middle.losses) == 100
    assert middle.score == pytest.approx((ends[0].score + ends[1].score) / 2)
    assert world.regret(0.2) == 0
    assert world.regret(0.9) == world.regret(0.4), "beyond the grid its end"


def test_a_replay_makes_the_trials_that_tune_makes(script, tmp_path):
    chosen = script("chosen.py")
    world = recorded(chosen, tmp_path)
    trials = world.trials(1.0)
    assert [trial.updates for trial in trials] == [(400 - 50) // tuning.TRIALS] * tuning.TRIALS
    assert [trial.rate for trial in trials[:3]] == [0.1, 0.1 / walk.FACTOR, 0.1 * walk.FACTOR]
    assert world.trials(0.3) == [], "too small a budget: the curve alone"
    assert world.rate([]) == 0.1


def test_a_replay_of_a_training_that_exploded_explodes(script, tmp_path):
    chosen = script("chosen.py")
    world = recorded(chosen, tmp_path)
    world.losses[3, 30:] = np.nan
    trial = world.attempt(0.4, 100)
    assert trial.outcome == "exploded"
    assert len(trial.losses) == 31
    assert world.attempt(0.4, 20).outcome == "finished"
