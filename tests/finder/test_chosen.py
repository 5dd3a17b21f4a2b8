"""The replay of ``tune`` on recorded losses, which says how much its numbers flatter it."""

import math
import runpy
from pathlib import Path

import numpy as np
import pytest

from gluon_lr.finder import tuning, walk

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "finder"


@pytest.fixture
def chosen(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return runpy.run_path(str(FOLDER / "chosen.py"))


def recorded(chosen, tmp_path, rates=(0.05, 0.1, 0.2, 0.4), best=0.2):
    """Losses that fall to a valley in ln(rate), of 400 updates."""
    losses = [[2 + (math.log(rate / best)) ** 2 - t / 400 for t in range(400)] for rate in rates]
    path = tmp_path / "task.seed0.npz"
    np.savez(path, rates=rates, losses=np.array(losses, np.float32), curve_updates=50, start=0.1, suggested=True)
    return chosen["Recorded"](path)


def test_a_replay_reads_a_trial_between_two_recorded_rates(chosen, tmp_path):
    world = recorded(chosen, tmp_path)
    middle = world.attempt(math.sqrt(0.1 * 0.2), 100)
    ends = [world.attempt(rate, 100) for rate in (0.1, 0.2)]
    assert len(middle.losses) == 100
    assert middle.score == pytest.approx((ends[0].score + ends[1].score) / 2)
    assert world.regret(0.2) == 0
    assert world.regret(0.9) == world.regret(0.4), "beyond the grid its end"


def test_a_replay_makes_the_trials_that_tune_makes(chosen, tmp_path):
    world = recorded(chosen, tmp_path)
    trials = world.trials(1.0)
    assert [trial.updates for trial in trials] == [(400 - 50) // tuning.TRIALS] * tuning.TRIALS
    assert [trial.rate for trial in trials[:3]] == [0.1, 0.1 / walk.FACTOR, 0.1 * walk.FACTOR]
    assert world.trials(0.3) == [], "too small a budget: the curve alone"
    assert world.rate([]) == 0.1


def test_a_replay_of_a_training_that_exploded_explodes(chosen, tmp_path):
    world = recorded(chosen, tmp_path)
    world.losses[3, 30:] = np.nan
    trial = world.attempt(0.4, 100)
    assert trial.outcome == "exploded"
    assert len(trial.losses) == 31
    assert world.attempt(0.4, 20).outcome == "finished"
