"""Numbers and data that go wrong: a clear error, a run recorded as collapsed, or the right result; nothing else."""

import math

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

from gluon_lr import Learner
from gluon_lr.data import ArrayBatches
from gluon_lr.errors import GluonLRError, UsageError
from gluon_lr.experiments.run import execute
from gluon_lr.experiments.spec import Ingredients, RunSpec
from gluon_lr.experiments.store import Store
from gluon_lr.nets import mlp
from gluon_lr.training import train

pytestmark = pytest.mark.fault
LOSS = gluon.loss.SoftmaxCrossEntropyLoss


class Spoiled(gluon.loss.SoftmaxCrossEntropyLoss):
    """A loss that is spoiled by a factor from its third batch on."""

    def __init__(self, factor):
        super().__init__()
        self.factor, self.calls = factor, 0

    def __call__(self, *arguments):
        self.calls += 1
        value = super().__call__(*arguments)
        return value * self.factor if self.calls > 2 else value


def images(n=32, dtype=np.uint8):
    draw = np.random.default_rng(1)
    return draw.integers(0, 256, (n, 6)).astype(dtype), (np.arange(n) % 3).astype(np.int64)


def batches(n=32, size=8):
    return ArrayBatches(*images(n), size, shuffle=True)


def trained(train_iter=None, net=None, loss=None, rate=0.1, epochs=2, test_iter=None):
    net = mlp((8,), classes=3) if net is None else net
    net.initialize(mx.init.Xavier())
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": rate})
    train_iter = batches() if train_iter is None else train_iter
    return train(
        net, train_iter, batches() if test_iter is None else test_iter, epochs, loss or LOSS(), trainer, mx.cpu()
    )


def recorded(tmp_path, **arguments):
    """The status of a run with these ingredients, as a sweep records it."""

    def build(spec, ctx, data_dir=None):
        net = mlp((8,), classes=3)
        net.initialize(mx.init.Xavier(), ctx=ctx)
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": arguments.get("rate", 0.1)})
        loss = arguments.get("loss") or LOSS()
        return Ingredients(net, arguments.get("train_iter") or batches(), batches(), loss, trainer, {}, classes=3)

    return execute(RunSpec("test", "odd", 0, 3), build, Store(tmp_path))


@pytest.mark.parametrize("factor", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_a_collapse(tmp_path, factor):
    record = recorded(tmp_path, loss=Spoiled(factor))
    assert record.status == "collapsed"
    assert record.epochs == 1, "nothing is learned after that"
    assert not math.isfinite(record.last("train_loss"))


@pytest.mark.parametrize("rate", [1e10, 1e38, 3e38])
def test_an_exploding_rate_is_a_collapse(tmp_path, rate):
    assert recorded(tmp_path, rate=rate).status == "collapsed"


@pytest.mark.parametrize("label", [3, 1000, -1])
def test_a_label_out_of_range_is_named_not_clipped(label):
    X, y = images()
    y[17] = label
    with pytest.raises(UsageError, match=f"label.* {label}"):
        trained(ArrayBatches(X, y, 8))


@pytest.mark.parametrize("label", [3, 1000, -1, 0.5, math.nan])
def test_a_test_label_out_of_range_is_named_too(label):
    with pytest.raises(UsageError, match=f"label.* {label}"):
        trained(test_iter=[(mx.nd.zeros((4, 6)), mx.nd.array([0, 1, label, 2]))])


@pytest.mark.parametrize("label", [math.nan, math.inf])
def test_a_label_that_is_no_number_is_named(label):
    X = mx.nd.zeros((4, 6))
    with pytest.raises(UsageError, match="label"):
        trained([(X, mx.nd.array([0, 1, label, 2]))])


@pytest.mark.parametrize("loader", [[], iter(())])
def test_a_loader_of_nothing_is_named(loader):
    with pytest.raises(UsageError, match="empty"):
        trained(loader)
    with pytest.raises(UsageError, match="empty"):
        trained(test_iter=loader)


def test_no_images_and_as_many_labels_as_images():
    with pytest.raises(UsageError, match="no images"):
        ArrayBatches(np.zeros((0, 6), np.uint8), np.zeros(0), 8)
    with pytest.raises(UsageError, match="as many"):
        ArrayBatches(np.zeros((3, 6), np.uint8), np.zeros(4), 8)


@pytest.mark.parametrize(("n", "size", "updates"), [(5, 1000, 1), (1, 1, 1), (1, 256, 1), (9, 8, 2)])
def test_batches_larger_than_the_data_and_a_single_image(n, size, updates):
    history = trained(batches(n, size))
    assert history.updates == [updates, updates]
    assert np.isfinite(history.train_loss).all()


def test_arrays_that_are_not_contiguous_train_as_their_copies():
    X, y = images(64)
    wide = np.asfortranarray(np.repeat(X, 2, axis=1))
    views = [wide[::2, ::2], np.ascontiguousarray(wide[::2, ::2])]
    assert not views[0].flags.c_contiguous
    ends = []
    for view in views:
        mx.random.seed(0)
        ends.append(trained(ArrayBatches(view, y[::2], 8)).train_loss)
    assert ends[0] == ends[1]


@pytest.mark.parametrize("dtype", [np.uint8, np.float64, np.float16, np.int32])
def test_bytes_and_other_numbers_are_scaled_to_what_the_net_takes(dtype):
    X, y = images(dtype=dtype)
    batch, labels = next(iter(ArrayBatches(X, y, 8)))
    assert batch.dtype == labels.dtype == np.float32
    mx.random.seed(0)
    assert trained(ArrayBatches(X, y, 8)).train_loss == pytest.approx(_bytes_losses(), rel=1e-3)


def _bytes_losses():
    mx.random.seed(0)
    return trained(ArrayBatches(*images(), 8)).train_loss


@pytest.mark.parametrize("dtype", ["float64", "uint8"])
def test_a_loader_of_another_type_than_the_nets_is_named(dtype):
    X, y = images()
    with pytest.raises(UsageError, match=dtype):
        trained([(mx.nd.array(X, dtype=dtype), mx.nd.array(y))])


def test_a_batch_of_another_shape_is_named():
    loader = [(mx.nd.zeros((4, 6)), mx.nd.zeros(4)), (mx.nd.zeros((4, 7)), mx.nd.zeros(4))]
    with pytest.raises(UsageError, match=r"\(4, 7\)"):
        trained(loader)


def test_a_net_with_nothing_to_train_is_named():
    frozen = mlp((8,), classes=3)
    for parameter in frozen.collect_params().values():
        parameter.grad_req = "null"
    with pytest.raises(UsageError, match="nothing to train"):
        trained(net=frozen)
    for net in (frozen, gluon.nn.Flatten()):
        with pytest.raises(UsageError, match="nothing to train"):
            Learner(net, batches(), mx.cpu())


def test_the_error_of_a_run_stands_in_its_record(tmp_path):
    X, y = images()
    y[0] = 7
    record = recorded(tmp_path, train_iter=ArrayBatches(X, y, 8))
    assert record.status == "failed"
    assert "label" in record.error
    assert issubclass(UsageError, GluonLRError)
