"""A snapshot tells a net its shapes, as ``load_parameters`` does, without a batch."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from small import assert_same, net_with_batchnorm, state

from gluon_lr.errors import RecordError
from gluon_lr.state import capture, load, restore, save


def trained(contexts=None):
    net = net_with_batchnorm(contexts)
    trainer = gluon.Trainer(net.collect_params(), "adam")
    step(net, trainer, contexts)
    return net, trainer


def step(net, trainer, contexts=None):
    values = []
    for context in contexts or [mx.cpu()]:
        X = mx.nd.array(np.random.default_rng(0).normal(size=(6, 5)), ctx=context)
        with mx.autograd.record():
            values.append(net(X).square())
        values[-1].backward()
    trainer.step(6)
    return [value.asnumpy() for value in values]


@pytest.mark.parametrize("contexts", [None, [mx.cpu(1)], [mx.cpu(0), mx.cpu(1)]])
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_training_goes_on_in_a_net_that_knows_no_shapes(contexts, in_memory, tmp_path):
    net, trainer = trained(contexts)
    save(tmp_path / "s.npz", net, trainer)
    other = net_with_batchnorm(contexts, deferred=True)
    other_trainer = gluon.Trainer(other.collect_params(), "adam")
    assert other[0].weight.shape == (8, 0)
    if in_memory:
        restore(capture(net, trainer), other, other_trainer)
    else:
        load(tmp_path / "s.npz", other, other_trainer)
    assert_same(state(other), state(net))
    np.testing.assert_array_equal(step(other, other_trainer, contexts), step(net, trainer, contexts))
    assert_same(state(other), state(net))
    assert other_trainer.optimizer.num_update == 2


def test_no_random_number_is_drawn_for_it(tmp_path):
    save(tmp_path / "s.npz", *trained())
    other = net_with_batchnorm(deferred=True)
    mx.random.seed(3)
    expected = mx.nd.random.uniform(shape=3).asnumpy()
    mx.random.seed(3)
    load(tmp_path / "s.npz", other)
    np.testing.assert_array_equal(mx.nd.random.uniform(shape=3).asnumpy(), expected)


@pytest.mark.parametrize("ctx", [None, mx.cpu(1), [mx.cpu(1)]])
def test_a_net_that_was_never_initialized_goes_where_it_is_told(ctx, tmp_path):
    net, _ = trained()
    save(tmp_path / "s.npz", net)
    other = gluon.nn.HybridSequential()
    other.add(gluon.nn.Dense(8, activation="relu"), gluon.nn.BatchNorm(), gluon.nn.Dense(3))
    load(tmp_path / "s.npz", other, ctx=ctx)
    assert_same(state(other), state(net))
    assert other[0].weight.list_ctx() == [mx.cpu() if ctx is None else mx.cpu(1)]


@pytest.mark.parametrize("initialized", [True, False])
def test_shapes_that_are_known_and_differ_are_refused_before_any_is_given(initialized, tmp_path):
    save(tmp_path / "s.npz", *trained())
    other = gluon.nn.HybridSequential()
    other.add(gluon.nn.Dense(8), gluon.nn.BatchNorm(), gluon.nn.Dense(4))
    if initialized:
        other.initialize()
    with pytest.raises(RecordError, match=r"2\.weight is float32\(3, 8\) there and float32\(4, 0\) here"):
        load(tmp_path / "s.npz", other)
    assert other[0].weight.shape == (8, 0)


def test_another_type_is_refused(tmp_path):
    save(tmp_path / "s.npz", trained()[0])
    other = net_with_batchnorm(deferred=True)
    other.cast("float16")
    with pytest.raises(RecordError, match=r"0\.weight is float32\(8, 5\) there and float16\(8, 0\) here"):
        load(tmp_path / "s.npz", other)


def test_nets_of_both_front_ends_get_arrays_of_their_kind(front_end, tmp_path):
    array = mx.np if front_end == "np" else mx.nd
    net, other = gluon.nn.Dense(2), gluon.nn.Dense(2)
    net.initialize()
    net(array.ones((1, 3)))
    save(tmp_path / "s.npz", net)
    other.initialize()
    load(tmp_path / "s.npz", other)
    assert isinstance(other.weight.data(), mx.np.ndarray) == (front_end == "np")
    np.testing.assert_array_equal(other(array.ones((1, 3))).asnumpy(), net(array.ones((1, 3))).asnumpy())
