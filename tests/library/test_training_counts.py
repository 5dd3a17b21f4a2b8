"""What a training counts: the updates that were made, whoever made them, and no step that AMP skipped."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

from gluon_lr.errors import UsageError
from gluon_lr.state import private
from gluon_lr.training import History, train

CPU = mx.cpu()
LOSS = gluon.loss.SoftmaxCrossEntropyLoss()
BATCHES = [(mx.nd.ones((4, 3)) * i, mx.nd.array([0, 1, 0, 1])) for i in range(1, 6)]


class Noting:
    """A schedule that notes the updates before which it is applied."""

    def __init__(self):
        self.seen = []

    def apply(self, trainer, t):
        self.seen.append(t)


def made(**rule):
    net = gluon.nn.Dense(2, in_units=3)
    net.initialize()
    return net, gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01, **rule})


def test_a_history_that_began_in_the_middle_goes_on_where_the_trainer_is():
    (net, trainer), noting = made(), Noting()
    train(net, BATCHES, BATCHES, 2, LOSS, trainer, CPU)
    history = train(net, BATCHES, BATCHES, 1, LOSS, trainer, CPU, schedules=[noting])
    train(net, BATCHES, BATCHES, 2, LOSS, trainer, CPU, schedules=[noting], history=history)
    assert noting.seen == list(range(11, 21))


def test_a_new_trainer_goes_on_from_the_history():
    (net, trainer), noting = made(), Noting()
    history = train(net, BATCHES, BATCHES, 1, LOSS, trainer, CPU)
    again = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01})
    train(net, BATCHES, BATCHES, 2, LOSS, again, CPU, schedules=[noting], history=history)
    assert noting.seen == list(range(6, 11))


def test_a_step_that_amp_skips_is_no_update(monkeypatch):
    from mxnet.contrib.amp.loss_scaler import LossScaler

    (net, trainer), noting = made(), Noting()
    trainer._amp_loss_scaler, trainer._amp_original_scale = LossScaler(), trainer._scale
    overflows = iter([True, False, True, True, False])
    monkeypatch.setattr(LossScaler, "has_overflow", lambda self, parameters: next(overflows))
    assert private.loss_scaler(trainer) is not None
    history = train(net, BATCHES, BATCHES, 1, LOSS, trainer, CPU, schedules=[noting])
    assert (noting.seen, history.updates, trainer.optimizer.num_update) == ([1, 2], [2], 2)


class CountsItself(list):
    """A loader whose epoch cannot be set."""

    epoch = property(lambda self: 7)


def test_a_loader_that_counts_its_epochs_itself_is_left_alone():
    from gluon_lr import Learner, LRFinder

    net, trainer = made()
    assert len(train(net, CountsItself(BATCHES), BATCHES, 2, LOSS, trainer, CPU)) == 2
    found = LRFinder(Learner(net, CountsItself(BATCHES), CPU, LOSS, trainer)).find(max_updates=5, progress=False)
    assert len(found) == 5


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"history": History().as_dict()}, "history is a dict: expected what"),
        ({"on_epoch": 3}, "on_epoch is 3: expected a function"),
        ({"schedules": Noting()}, r"expected a list of schedules, such as schedules=\[schedule\]"),
        ({"schedules": None}, "schedules is None: expected a list"),
    ],
)
def test_arguments_are_checked_before_anything_is_trained(wrong, words):
    net, trainer = made()
    with pytest.raises(UsageError, match=words):
        train(net, BATCHES, BATCHES, 1, LOSS, trainer, CPU, **wrong)
    assert trainer.optimizer.num_update == 0


def seen_by(iterator):
    """The examples that a training of three epochs sees, and the losses of four evaluations."""
    from gluon_lr.training import evaluate

    seen = []

    def noting(batch):
        if batch is other[0]:
            return batch
        seen.extend(batch.data[0].asnumpy().ravel().astype(int).tolist())
        size = batch.data[0].shape[0] - batch.pad
        del seen[len(seen) - batch.pad :]
        return batch.data[0][:size], batch.label[0][:size].reshape(-1)

    net = gluon.nn.Dense(2, in_units=1)
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01})
    other = [(mx.nd.ones((2, 1)), mx.nd.zeros(2))]
    train(net, iterator, other, 3, LOSS, trainer, CPU, unpack=noting)
    return seen, {evaluate(net, iterator, LOSS, CPU) for _ in range(4)}


def test_iterators_of_mxnets_that_wrap_give_every_example_once_a_pass(tmp_path):
    np.savetxt(tmp_path / "x.csv", np.arange(10.0)[:, None])
    np.savetxt(tmp_path / "y.csv", np.arange(10)[:, None] % 2)
    files = {"data_csv": str(tmp_path / "x.csv"), "label_csv": str(tmp_path / "y.csv")}
    iterator = mx.io.CSVIter(data_shape=(1,), label_shape=(1,), batch_size=4, **files)
    seen, losses = seen_by(iterator)
    assert seen == 3 * list(range(10))
    assert len(losses) == 1, "an evaluation does not depend on the one before"


def test_examples_that_roll_over_are_trained_in_the_next_epoch():
    X, y = np.arange(10.0, dtype="float32")[:, None], (np.arange(10) % 2).astype("float32")
    seen, _ = seen_by(mx.io.NDArrayIter(X, y, 4, last_batch_handle="roll_over"))
    assert seen == [*range(8), 8, 9, *range(10), *range(8)]


def test_a_history_that_is_whole_is_given_back_whatever_was_validated():
    net, trainer = made()
    history = train(net, BATCHES, BATCHES, 2, LOSS, trainer, CPU, valid_iter=BATCHES)
    assert train(net, BATCHES, BATCHES, 2, LOSS, trainer, CPU, history=history) is history
    with pytest.raises(UsageError, match="valid_iter is missing"):
        train(net, BATCHES, BATCHES, 3, LOSS, trainer, CPU, history=history)


def test_a_list_of_no_contexts_is_no_context():
    from gluon_lr import Learner
    from gluon_lr.training import evaluate

    net, trainer = made()
    for use in (lambda: evaluate(net, BATCHES, LOSS, []), lambda: Learner(net, BATCHES, [], LOSS, trainer)):
        with pytest.raises(UsageError, match="expected a context"):
            use()


class PerCall:
    """The book's factor scheduler: it decays at each call."""

    def __init__(self, base_lr=0.1):
        self.base_lr = base_lr

    def __call__(self, num_update):
        self.base_lr *= 0.9
        return self.base_lr


def test_noting_the_rate_of_a_scheduler_that_counts_its_calls_makes_no_call():
    (net, trainer), (other, plain) = made(lr_scheduler=PerCall()), made(lr_scheduler=PerCall())
    history = train(net, BATCHES, BATCHES, 1, LOSS, trainer, CPU)
    for X, y in BATCHES:
        with mx.autograd.record():
            loss = LOSS(other(X), y)
        loss.backward()
        plain.step(4)
    assert trainer.optimizer.lr_scheduler.base_lr == plain.optimizer.lr_scheduler.base_lr
    assert history.lr_first == pytest.approx([0.01 * 0.9])


@pytest.mark.parametrize("own", [False, True])
def test_rates_are_those_of_the_updates_that_were_made(own, monkeypatch):
    from mxnet.contrib.amp.loss_scaler import LossScaler

    from gluon_lr import WarmupScheduler

    class Rising(mx.lr_scheduler.LRScheduler):
        def __call__(self, t):
            return 0.1 * t

    scheduler = Rising() if own else WarmupScheduler(1.0, 10)
    net, trainer = made(lr_scheduler=scheduler)
    trainer._amp_loss_scaler, trainer._amp_original_scale = LossScaler(), trainer._scale
    overflows = iter([True, True, False, False, True, *[True] * 5])
    monkeypatch.setattr(LossScaler, "has_overflow", lambda self, parameters: next(overflows))
    history = train(net, BATCHES, BATCHES, 2, LOSS, trainer, CPU)
    told = [history.lr_first, history.lr_mean, history.lr_last]
    np.testing.assert_allclose(told, [[0.1, np.nan], [0.15, np.nan], [0.2, np.nan]], rtol=1e-12)
