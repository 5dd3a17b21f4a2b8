"""Batches that grow where the rate would fall."""

import pickle

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon, init

from gluon_lr import schedulers as s
from gluon_lr.data import ArrayBatches
from gluon_lr.errors import UsageError
from gluon_lr.experiments.run import seed_everything
from gluon_lr.hyper import (
    ScheduledBatches,
    grow_batch_instead,
)
from gluon_lr.nets import mlp
from gluon_lr.training import train


def test_sizes_of_batches_are_whole_numbers_of_at_least_one():
    images, labels = np.zeros((8, 1), np.uint8), np.arange(8)
    for sizes in ([0.5, 4], [0, 4], [2.5, 4]):
        with pytest.raises(UsageError, match=r"the batch size of epoch 0 is .*: expected a whole number of at least 1"):
            ScheduledBatches(images, labels, s.PiecewiseConstantScheduler([1], sizes))
    batches = ScheduledBatches(images, labels, s.PiecewiseConstantScheduler([1], [4, 1.5]))
    assert len(batches) == 2
    batches.epoch = 1
    for act in (lambda: len(batches), lambda: iter(batches)):
        with pytest.raises(UsageError, match=r"the batch size of epoch 1 is 1\.5"):
            act()
    for arguments, says in (((0, 5), "batch_size is 0"), ((2.5, 5), "batch_size is 2.5"), ((2, "5"), "largest is '5'")):
        with pytest.raises(UsageError, match=says):
            grow_batch_instead(0.5, *arguments)
    one, other = (grow_batch_instead(s.StepScheduler(2, 0.5), np.int64(16), 50) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert " at 0x" not in repr(one)
    assert pickle.loads(pickle.dumps(one)) == one
    assert one[0](0) == 16
    assert grow_batch_instead(s.LinearScheduler(4, 1.0), 5, 5)[0].values(6).tolist() == [5.0] * 6


def test_batches_grow_where_the_rate_would_fall():
    rate = s.StepScheduler(2, 0.5, base_lr=0.8)
    sizes, rates = grow_batch_instead(rate, 16, 50)
    assert sizes.values(8).tolist() == [16, 16, 32, 32, 50, 50, 50, 50]
    np.testing.assert_allclose(rates.values(8) / sizes.values(8), rate.values(8) / 16)
    batches = ScheduledBatches(np.zeros((100, 1), np.uint8), np.arange(100), sizes, shuffle=True, seed=3)
    plain = ArrayBatches(np.zeros((100, 1), np.uint8), np.arange(100), 16, shuffle=True, seed=3)
    for epoch in range(5):
        batches.epoch = plain.epoch = epoch
        assert len(batches) == -(-100 // int(sizes(epoch)))
        served = [y.asnumpy().astype(int) for _, y in batches]
        assert len(served[0]) == sizes(epoch)
        assert np.concatenate(served).tolist() == plain.order(epoch).tolist()


def test_a_batch_in_parts_is_the_same_update(fashion):
    ends = []
    for at_once in (None, 64, 50):
        seed_everything(0)
        net = mlp((8,))
        net.initialize(init.Xavier())
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
        batches = ArrayBatches(fashion[0][:512], fashion[1][:512], 128, shuffle=True)
        loss = gluon.loss.SoftmaxCrossEntropyLoss()
        history = train(net, batches, batches, 2, loss, trainer, mx.cpu(), at_once=at_once)
        assert history.updates == [4, 4]
        ends.append(history.train_loss)
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-5)
    np.testing.assert_allclose(ends[0], ends[2], rtol=1e-5)


def test_a_schedule_that_rises_first_has_batches_of_one_at_least_and_one_from_zero_is_refused():
    sizes, rates = grow_batch_instead(s.LinearScheduler(5, 0.1, 1.0), 4, 256)
    assert sizes.values(6).tolist() == [4, 1, 1, 1, 1, 1]
    assert (rates.values(6) > 0).all()
    with pytest.raises(UsageError, match="begins at 0"):
        grow_batch_instead(s.WarmupScheduler(s.StepScheduler(2, 0.5, 1.0), 2), 64, 256)


def test_an_epoch_serves_every_example_once_whatever_is_asked_meanwhile():
    images = np.zeros((6000, 784), np.uint8)  # more than is made in one go
    for sizes in ([256, 512], [512, 256]):
        batches = ScheduledBatches(images, np.arange(6000), s.PiecewiseConstantScheduler([1], sizes))
        served = []
        for _, y in batches:
            served += y.asnumpy().tolist()
            assert len(batches) == -(-6000 // sizes[1]), "of the epoch that begins next"
        assert served == list(range(6000))
    batches = ScheduledBatches(images, np.arange(6000), s.PiecewiseConstantScheduler([1], [256, 512]))
    first = iter(batches)
    served = next(first)[1].asnumpy().tolist()
    assert sum(len(y) for _, y in batches) == 6000
    assert served + [label for _, y in first for label in y.asnumpy().tolist()] == list(range(6000))


def test_batches_that_served_an_epoch_are_still_known_by_their_first_size():
    sizes = s.PiecewiseConstantScheduler([1], [1, 2])
    batches = ScheduledBatches(np.zeros((4, 1), np.uint8), np.arange(4), sizes)
    assert [[len(y) for _, y in batches] for _ in range(2)] == [[1, 1, 1, 1], [2, 2]]
    assert (batches.batch_size, batches.epoch, len(batches)) == (1, 2, 2)
