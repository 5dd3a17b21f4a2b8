"""Sparse weights, gradients and optimizer states are kept as they are stored."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon

from gluon_lr.state import capture, load, preserved, restore, save


class Factors(gluon.Block):
    """A linear layer over very many features, of whose weights a batch touches few."""

    def __init__(self):
        super().__init__()
        self.rows = self.params.get("rows", shape=(40, 3), stype="row_sparse", grad_stype="row_sparse")

    def forward(self, features):
        return mx.nd.sparse.dot(features, self.rows.row_sparse_data(features.indices))


def batch(i):
    draw = np.random.default_rng(i)
    return mx.nd.array((draw.random((8, 40)) < 0.05).astype(np.float32)).tostype("csr")


def factors(optimizer="adam"):
    mx.random.seed(0)
    net = Factors()
    net.initialize(mx.init.Normal(0.1))
    return net, gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": 0.1})


def looked_up(optimizer="adam"):
    """A dense weight with sparse gradients."""
    mx.random.seed(0)
    net = gluon.nn.Embedding(40, 3, sparse_grad=True)
    net.initialize(mx.init.Normal(0.1))
    return net, gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": 0.1})


def steps(net, trainer, first, last):
    losses = []
    for i in range(first, last):
        X = batch(i) if isinstance(net, Factors) else batch(i).indices
        with autograd.record():
            loss = (net(X) - 1).square().mean()
        loss.backward()
        trainer.step(1)
        losses.append(loss.asscalar())
    return losses


@pytest.mark.parametrize("made", [factors, looked_up])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("from_file", [False, True])
def test_what_happens_in_between_leaves_no_trace(made, optimizer, before, from_file, tmp_path):
    net, trainer = made(optimizer)
    steps(net, trainer, 0, before)
    expected = steps(net, trainer, 100, 105)
    net, trainer = made(optimizer)
    steps(net, trainer, 0, before)
    with preserved(net, trainer, path=tmp_path / "s.npz" if from_file else None):
        steps(net, trainer, 50, 55)
    assert steps(net, trainer, 100, 105) == expected


@pytest.mark.parametrize("made", [factors, looked_up])
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_training_goes_on_in_another_net(made, in_memory, tmp_path):
    net, trainer = made()
    steps(net, trainer, 0, 3)
    other, other_trainer = made()
    if in_memory:
        restore(capture(net, trainer), other, other_trainer)
    else:
        save(tmp_path / "s.npz", net, trainer)
        load(tmp_path / "s.npz", other, other_trainer)
    assert steps(other, other_trainer, 3, 8) == steps(net, trainer, 3, 8)


def test_a_gradient_that_waits_for_its_step_keeps_its_rows():
    net, trainer = looked_up()
    with autograd.record():
        loss = net(mx.nd.array([3, 5])).sum()
    loss.backward()
    mx.nd.waitall()
    with preserved(net, trainer):
        steps(net, trainer, 0, 2)
        assert net.weight.grad().indices.asnumpy().tolist() != [3, 5]
    assert net.weight.grad().indices.asnumpy().tolist() == [3, 5]
    trainer.step(1)


def test_a_file_holds_only_the_rows_that_there_are(tmp_path):
    net = gluon.nn.Dense(1, in_units=1)
    net.initialize()
    net.kept = [
        mx.nd.sparse.row_sparse_array(([[1, 2], [0, 0]], [7, 9]), shape=(20, 2)),
        mx.nd.sparse.zeros("row_sparse", (20, 2)),
        mx.nd.sparse.csr_matrix(([1.0, 2.0], [0, 4], [0, 1, 2]), shape=(2, 5)),
        mx.nd.sparse.zeros("csr", (2, 5)),
    ]
    assert capture(net).nbytes == 4 * (2 + 2 * 2 + 2)
    save(tmp_path / "s.npz", net)
    other = gluon.nn.Dense(1, in_units=1)
    other.initialize()
    other.kept = None
    load(tmp_path / "s.npz", other)
    for ours, theirs in zip(net.kept, other.kept):
        assert (theirs.stype, theirs.shape, theirs.dtype) == (ours.stype, ours.shape, ours.dtype)
        np.testing.assert_array_equal(theirs.asnumpy(), ours.asnumpy())
    assert other.kept[0].indices.asnumpy().tolist() == [7, 9]
