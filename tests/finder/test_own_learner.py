"""The tutorial's page as it is written there: a learner and an iteration of the user's own, and its stopping rule."""

import json
import math

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon

from gluon_lr import CosineScheduler, Learner, LRFinder, LRFinderResult, LRFinderStoppingCriteria
from gluon_lr.errors import UsageError

DRAW = np.random.default_rng(2)
X = DRAW.normal(size=(64, 4)).astype("float32")
Y = X[:, :3].argmax(1).astype("float32")


class TutorialsLearner:
    """What the page shows: it keeps its own loader's iterator, loss and trainer."""

    def __init__(self, net, data_loader, ctx, scheduler=None, returns="number"):
        self.net, self.data_loader, self.ctx, self.returns = net, data_loader, ctx, returns
        self.data_loader_iter = iter(data_loader)
        self.net.initialize(mx.init.Xavier(), ctx=self.ctx)
        self.loss_fn = gluon.loss.SoftmaxCrossEntropyLoss()
        options = {"learning_rate": 0.001} if scheduler is None else {"lr_scheduler": scheduler}
        self.trainer = gluon.Trainer(net.collect_params(), "sgd", {"momentum": 0.9, **options})

    def iteration(self, lr=None, take_step=True):
        if lr and (lr != self.trainer.learning_rate):
            self.trainer.set_learning_rate(lr)
        data, label = next(self.data_loader_iter)
        data, label = data.as_in_context(self.ctx), label.as_in_context(self.ctx)
        with autograd.record():
            output = self.net(data)
            loss = self.loss_fn(output, label)
        loss.backward()
        if take_step:
            self.trainer.step(data.shape[0])
        self.iteration_loss = loss.mean().asnumpy().item()
        return self.iteration_loss if self.returns == "number" else loss.mean()

    def close(self):
        self.data_loader_iter = None


def without_end():
    dataset = gluon.data.ArrayDataset(X, Y)
    while True:
        yield from gluon.data.DataLoader(dataset, 16)


def state(learner):
    weights = {name: p.data().asnumpy() for name, p in learner.net.collect_params().items()}
    return weights, learner.trainer.optimizer.num_update, learner.trainer.learning_rate


@pytest.mark.parametrize("in_units", [4, 0])
@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.parametrize("returns", ["number", pytest.param("array", marks=pytest.mark.slow)])
def test_the_pages_learner_is_searched_and_left_as_it_was(in_units, scheduled, returns, tmp_path):
    scheduler = CosineScheduler(100, 0.1) if scheduled else None
    learner = TutorialsLearner(gluon.nn.Dense(3, in_units=in_units), without_end(), mx.cpu(), scheduler, returns)
    if in_units:
        before = state(learner)
    found = LRFinder(learner).find(lr_start=1e-4, lr_multiplier=1.5, progress=False)
    after = state(learner)
    assert all(isinstance(loss, float) for _, loss in found)
    assert learner.trainer.optimizer.lr_scheduler is scheduler
    assert after[1] == 0
    if in_units:
        assert all((before[0][name] == after[0][name]).all() for name in before[0])
        assert before[1:] == after[1:]
    found.to_json(tmp_path / "search.json")
    assert list(LRFinderResult.from_json(tmp_path / "search.json")) == list(found)
    learner.iteration(lr=None if scheduled else 0.05)
    assert learner.iteration_loss > 0
    learner.close()


def test_a_subclass_with_an_iteration_of_its_own_works_with_a_scheduler():
    class Own(Learner):
        def iteration(self, lr=None, take_step=True):
            data, label = self._next()
            self.trainer.set_learning_rate(lr)
            with autograd.record():
                loss = self.loss(self.net(data), label)
            loss.backward()
            self.trainer.step(len(data))
            return np.float32(loss.mean().asnumpy().item())

    net = gluon.nn.Dense(3, in_units=4)
    net.initialize()
    scheduler = CosineScheduler(100, 0.1)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"lr_scheduler": scheduler})
    batches = [(mx.nd.array(X[:16]), mx.nd.array(Y[:16]))]
    found = LRFinder(Own(net, batches, mx.cpu(), trainer=trainer)).find(lr_start=1e-3, progress=False)
    assert json.dumps(list(found))
    assert trainer.optimizer.lr_scheduler is scheduler


def test_a_subclass_may_know_batches_that_the_base_does_not():
    class Triples(Learner):
        def iteration(self, lr=None, take_step=True):
            a, b, y = self._next()
            with autograd.record():
                loss = self.loss(self.net(mx.nd.concat(a, b, dim=1)), y)
            loss.backward()
            if take_step:
                self.trainer.set_learning_rate(lr)
                self.trainer.step(len(y))
            return loss.mean().asnumpy().item()

    batches = [(mx.nd.array(X[:16, :2]), mx.nd.array(X[:16, 2:]), mx.nd.array(Y[:16]))]
    learner = Triples(gluon.nn.Dense(3), batches, mx.cpu())
    assert len(LRFinder(learner).find(lr_start=1e-3, progress=False)) > 10
    with pytest.raises(UsageError, match="3 items"):
        Learner(gluon.nn.Dense(3), batches, mx.cpu())


def test_an_iteration_puts_the_scheduler_back_and_keeps_its_loss():
    net = gluon.nn.Dense(3, in_units=4)
    net.initialize()
    scheduler = CosineScheduler(100, 0.1)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"lr_scheduler": scheduler})
    learner = Learner(net, [(mx.nd.array(X[:16]), mx.nd.array(Y[:16]))], mx.cpu(), trainer=trainer)
    assert learner.iteration_loss is None
    loss = learner.iteration(lr=0.5)
    assert learner.iteration_loss == loss
    assert learner.loss_fn is learner.loss
    assert trainer.optimizer.lr_scheduler is scheduler
    learner.loss = lambda output, label: "no array"
    with pytest.raises(UsageError, match="gives a str"):
        learner.iteration(lr=0.5)
    assert trainer.optimizer.lr_scheduler is scheduler


def test_a_stopping_rule_of_the_users_own():
    class AfterSeven:
        reason = None

        def __init__(self):
            self.seen = 0

        def __call__(self, loss):
            self.seen += 1
            self.reason = "seven seen" if self.seen == 7 else None
            return self.seen == 7

    learner = Learner(gluon.nn.Dense(3), [(mx.nd.array(X[:16]), mx.nd.array(Y[:16]))], mx.cpu())
    rule = AfterSeven()
    found = LRFinder(learner).find(lr_start=1e-3, repeats=2, stopping=rule, progress=False)
    assert [len(one) for one in found.repeats] == [7, 7], "each repetition begins the rule again"
    assert found.stop_reason == "seven seen"
    assert rule.seen == 0
    assert len(LRFinder(learner).find(lr_start=1e-3, stopping=lambda loss: True, progress=False)) == 1
    tutorials = LRFinder(learner).find(lr_start=1e-3, stopping=LRFinderStoppingCriteria(0.3, 20), progress=False)
    assert list(tutorials) == list(LRFinder(learner).find(lr_start=1e-3, progress=False))
    with pytest.raises(UsageError, match="stopping is 5: expected a function"):
        LRFinder(learner).find(stopping=5, progress=False)


def test_what_an_iteration_returns_has_to_be_a_number():
    class Odd(TutorialsLearner):
        def iteration(self, lr=None, take_step=True):
            return [1.0, 2.0]

    learner = Odd(gluon.nn.Dense(3, in_units=4), without_end(), mx.cpu())
    with pytest.raises(UsageError, match=r"returned .1.0, 2.0.: expected the batch's mean loss"):
        LRFinder(learner).find(progress=False)


def test_a_search_within_record_is_refused_in_those_words():
    learner = Learner(gluon.nn.Dense(3), [(mx.nd.array(X[:16]), mx.nd.array(Y[:16]))], mx.cpu())
    with autograd.record(), pytest.raises(UsageError, match=r"inside autograd.record\(\): call it outside"):
        LRFinder(learner).find(progress=False)


def test_shapes_are_found_with_a_whole_batch_and_move_no_statistics():
    class ForSixteen(gluon.HybridBlock):
        """A net made for its batch size, as recurrent nets with a fixed state are."""

        def __init__(self):
            super().__init__()
            self.norm, self.out = gluon.nn.BatchNorm(), gluon.nn.Dense(3)

        def hybrid_forward(self, F, x):
            return self.out(self.norm(F.reshape(x, shape=(16, 4))))

    net = ForSixteen()
    learner = Learner(net, [(mx.nd.array(X[:16]), mx.nd.array(Y[:16]))], mx.cpu())
    assert (net.norm.running_mean.data().asnumpy() == 0).all()
    assert (net.norm.running_var.data().asnumpy() == 1).all()
    assert math.isfinite(learner.iteration(0.1))
