"""Iterators of MXNet's begin again for a search, and go on afterwards as if there had been none."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

from gluon_lr.errors import UsageError
from gluon_lr.finder import Learner, LRFinder


class Noting(mx.io.NDArrayIter):
    """40 batches; notes the first number of each that it gives."""

    def __init__(self, shuffle):
        X = np.random.default_rng(0).normal(size=(320, 3)).astype("float32")
        X[:, 0] = np.repeat(np.arange(40), 8) / 40
        super().__init__(X, (np.arange(320) % 2).astype("float32"), 8, shuffle=shuffle)
        self.given = []

    def next(self):
        batch = super().next()
        self.given.append(round(float(batch.data[0][0, 0].asscalar()) * 40))
        return batch


def learner_of(loader, deferred=False):
    mx.random.seed(0)
    net = gluon.nn.Dense(2, **({} if deferred else {"in_units": 3}))
    net.initialize()
    return Learner(net, loader, mx.cpu())


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("deferred", [False, True])
@pytest.mark.parametrize("used", [False, True])
def test_every_trial_sees_the_same_batches_from_the_start(deferred, shuffle, used):
    np.random.seed(0)
    loader = Noting(shuffle)
    learner = learner_of(loader, deferred)
    if used:
        learner.iteration(1e-3)
    begun = len(loader.given)
    result = LRFinder(learner).tune(400, candidates=3, progress=False)
    length = result.trials[0].updates
    trials = loader.given[-length * len(result.trials) :]
    parts = [trials[i : i + length] for i in range(0, len(trials), length)]
    assert len(parts) >= 2
    assert len(loader.given) - begun > length * len(parts), "the curve saw batches too"
    assert all(part == parts[0] for part in parts)
    if not shuffle:
        assert parts[0][:6] == [0, 1, 2, 3, 4, 5]
        assert loader.given[begun : begun + 3] == [0, 1, 2], "the curve begins there too"


def test_the_users_next_epoch_has_the_order_that_it_would_have_had():
    def order(searched):
        np.random.seed(0)
        loader = Noting(shuffle=True)
        if searched:
            LRFinder(learner_of(loader)).find(progress=False)
        loader.given.clear()
        loader.reset()
        list(loader)
        return loader.given

    assert order(True) == order(False)


def test_a_search_in_a_loop_over_the_iterator_takes_none_of_its_batches():
    loader, seen = Noting(shuffle=False), []
    for i, batch in enumerate(loader):
        seen.append(round(float(batch.data[0][0, 0].asscalar()) * 40))
        if i == 3:
            LRFinder(learner_of(loader, deferred=True)).find(max_updates=20, progress=False)
    assert seen == list(range(40))


def test_a_learner_goes_on_in_the_iterator_where_it_was():
    loader = Noting(shuffle=False)
    learner = learner_of(loader, deferred=True)
    for _ in range(5):
        learner.iteration(1e-3)
    LRFinder(learner).find(max_updates=20, progress=False)
    loader.given.clear()
    learner.iteration(1e-3)
    assert loader.given == [5]


class Thirty:
    """Stops after 30 losses."""

    def __init__(self):
        self.seen = []

    def __call__(self, loss):
        self.seen.append(loss)
        return len(self.seen) == 30


def test_a_stopping_rule_is_the_users_own_object_and_copied_only_for_repeats(tmp_path):
    stop = Thirty()
    result = LRFinder(learner_of(Noting(False))).find(stopping=stop, progress=False)
    assert [loss for _, loss in result] == stop.seen
    stop.seen.clear()
    repeated = LRFinder(learner_of(Noting(False))).find(stopping=stop, repeats=2, progress=False)
    assert (len(repeated), [len(other) for other in repeated.repeats], stop.seen) == (30, [30, 30], [])
    with open(tmp_path / "log", "w") as stop.log:
        assert len(LRFinder(learner_of(Noting(False))).find(stopping=stop, progress=False)) == 30
        stop.seen.clear()
        with pytest.raises(UsageError, match=r"stopping cannot be copied .*TextIOWrapper.*each of 2 repeats"):
            LRFinder(learner_of(Noting(False))).find(stopping=stop, repeats=2, progress=False)


@pytest.mark.parametrize("seed", [1.5, "x", -1])
def test_a_seed_that_makes_no_sense_is_refused_before_the_search(seed):
    loader = Noting(False)
    with pytest.raises(UsageError, match="seed is"):
        LRFinder(learner_of(loader)).find(seed=seed, progress=False)
    assert loader.given == []


def test_what_a_loader_rolls_over_is_there_after_a_search():
    def next_epoch(searched):
        data = [(np.full(3, i, "float32"), float(i % 2)) for i in range(10)]
        loader = gluon.data.DataLoader(data, 4, last_batch="rollover")
        list(loader)
        if searched:
            LRFinder(learner_of(loader)).find(max_updates=7, progress=False)
        return [[int(row[0]) for row in X.asnumpy()] for X, _ in loader]

    assert next_epoch(True) == next_epoch(False) == [[8, 9, 0, 1], [2, 3, 4, 5], [6, 7, 8, 9]]
