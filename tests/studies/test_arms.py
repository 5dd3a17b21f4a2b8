"""The article's and the talk's arms, as their sources describe them: whole curves, images, optimizers."""

import math

import mxnet as mx
import numpy as np
import pytest

from gluon_lr.schedulers import PerEpochScheduler
from gluon_lr.studies.article import experiment as article
from gluon_lr.studies.talk import experiment as talk

E = np.arange(100)
TIME_BASED = 0.5 / np.cumprod(1 + 0.005 * E)  # each rate from the one before
ARTICLE = {
    "constant": np.full(100, 0.01),
    "linear": 0.5 * (1 - E / 100),
    "polynomial": 0.5 * (1 - E / 100) ** 2,
    "time-based": TIME_BASED,
    "exponential": 0.5 * np.exp(-0.1 * E),
    "step": 0.5 * 0.8 ** (E // 10),
    "decay-per-epoch": 0.1 / (1 + 0.01 * E),
    "decay-per-update": 0.1 / (1 + 0.01 * E),
}


@pytest.mark.parametrize("run", ARTICLE)
def test_the_articles_rates(run):
    np.testing.assert_allclose(article.article_scheduler(run).values(100), ARTICLE[run], rtol=1e-9)


@pytest.mark.slow
def test_the_articles_trainings():
    specs = {spec.run: spec for spec in article.specifications(article.RUNS, [0], 100, limit=640)}
    runs = {name: article.build(spec, mx.cpu()) for name, spec in specs.items()}
    assert {
        name: type(run.trainer.optimizer).__name__ for name, run in runs.items() if name != "adam"
    } == dict.fromkeys(ARTICLE, "PlainSGD")
    adam = runs["adam"].trainer.optimizer
    assert (type(adam).__name__, adam.lr, adam.beta1, adam.beta2, adam.lr_scheduler) == (
        "Adam",
        0.001,
        0.9,
        0.999,
        None,
    )
    per_epoch = runs["step"].trainer.optimizer.lr_scheduler
    assert isinstance(per_epoch, PerEpochScheduler)
    assert [per_epoch(t) for t in (1, 10 * 10, 10 * 10 + 1)] == [0.5, 0.5, 0.4]
    per_update = runs["decay-per-update"].trainer.optimizer.lr_scheduler
    assert per_update(250) == pytest.approx(0.1 / (1 + 0.01 * 250)), "the trap: 0.0286 after an epoch of 250 updates"
    widths = [p.shape[0] for n, p in runs["linear"].net.collect_params().items() if n.endswith("bias")]
    assert widths == [256, 256, 10]


def test_each_seed_of_the_article_has_images_of_its_own_and_every_arm_of_a_seed_the_same():
    def images(run, seed):
        (spec,) = article.specifications([run], [seed], 1, limit=300)
        return article.build(spec, mx.cpu()).train_iter.images

    assert (images("linear", 0) == images("adam", 0)).all()
    assert not (images("linear", 0) == images("linear", 1)).all()
    assert len(article.build(article.specifications(["adam"], [0], 1)[0], mx.cpu()).train_iter.images) == 20_000


N = 960  # updates of a training of the small preset
T = np.arange(1, N + 1)


def talk_rates(schedule, rate):
    made = talk.talk_scheduler(schedule, rate, N)
    return np.array([made(int(t)) for t in T])


def test_the_talks_rates():
    warm = 6 * N / 100
    np.testing.assert_allclose(talk_rates("constant", 1e-3), 1e-3)
    np.testing.assert_allclose(talk_rates("constant-warmup", 1e-3), 1e-3 * np.minimum(1, T / warm))
    cosine = 1e-6 + (1e-3 - 1e-6) * (1 + np.cos(np.pi * T / N)) / 2
    np.testing.assert_allclose(talk_rates("cosine", 1e-3), cosine)
    after = 1e-6 + (1e-3 - 1e-6) * (1 + np.cos(np.pi * (T - warm) / (N - warm))) / 2
    np.testing.assert_allclose(talk_rates("cosine-warmup", 1e-3), np.where(warm > T, 1e-3 * T / warm, after))
    np.testing.assert_allclose(talk_rates("step", 1e-3), 1e-3 * 0.9 ** np.floor(T / (5 * N / 100)))
    cycle = 20 * N / 100
    within = np.mod(T - 1, cycle) / cycle
    restarts = 1e-6 + (4.6e-4 - 1e-6) * (1 + np.cos(np.pi * within)) / 2
    np.testing.assert_allclose(talk_rates("warm-restarts-20", 4.6e-4), restarts)


def test_the_talks_one_cycle_rises_for_three_tenths_and_ends_with_the_training():
    rates = talk_rates("one-cycle", 1e-2)
    assert T[rates.argmax()] in (math.floor(0.3 * N), math.ceil(0.3 * N))
    assert rates.max() == pytest.approx(1e-2, rel=1e-4)
    assert talk.talk_scheduler("one-cycle", 1e-2, N)(0) == pytest.approx(1e-2 / 25)
    assert rates[-1] == pytest.approx(1e-2 / 25 / 1e4), "it ends at the training's last update, not later"
    assert rates[-2] > rates[-1]


@pytest.mark.slow
def test_the_talks_trainings():
    few = talk.Preset(32, 1, 2, 8, 256, 100, 100, 128, 2)
    for schedule, moves in (("one-cycle", True), ("cosine", False)):
        (spec,) = [s for s in talk.specifications([schedule], [0], few) if s.settings["rate"] == 1e-3]
        run = talk.build(spec, mx.cpu())
        optimizer = run.trainer.optimizer
        assert (type(optimizer).__name__, optimizer.wd) == ("AdamW", 1e-4)
        assert bool(run.schedules) == moves, "one-cycle moves Adam's first momentum"
        if moves:
            (schedule,) = run.schedules
            schedule.apply(run.trainer, 1)  # of four updates: the rate is near its peak
            low = optimizer.beta1
            schedule.apply(run.trainer, spec.epochs * len(run.train_iter))
            assert 0.85 <= low < optimizer.beta1 == pytest.approx(0.95)
        kept = {image.tobytes() for image in run.valid_iter.images}
        assert not kept & {image.tobytes() for image in run.train_iter.images}, "validation images are not trained on"
