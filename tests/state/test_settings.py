"""What is set of parameters beside their values: frozen layers, multipliers, and refusals that change nothing."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from small import assert_same, made, state, work

from gluon_lr.errors import RecordError
from gluon_lr.state import capture, load, preserved, restore, save

CHANGES = {
    "frozen": lambda net: net[0].collect_params().setattr("grad_req", "null"),
    "added up": lambda net: net.collect_params().setattr("grad_req", "add"),
    "rate": lambda net: net.collect_params().setattr("lr_mult", 0.1),
    "decay": lambda net: net[2].collect_params().setattr("wd_mult", 0.0),
}


def settings(net):
    return [(p.grad_req, p.lr_mult, p.wd_mult) for p in net.collect_params().values()]


@pytest.mark.parametrize("from_file", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_what_a_block_sets_of_parameters_is_undone_with_all_else(change, from_file, tmp_path):
    (net, trainer), twin = made("sgd", {"momentum": 0.9}), made("sgd", {"momentum": 0.9})
    for pair in ((net, trainer), twin):
        work(*pair, 0, 3)
    before = state(net), settings(net)
    with preserved(net, trainer, path=tmp_path / "kept" if from_file else None):
        CHANGES[change](net)
        work(net, trainer, 3, 5)
        assert settings(net) != before[1]
    assert_same(state(net), before[0])
    assert settings(net) == before[1]
    work(net, trainer, 0, 3)
    work(*twin, 0, 3)
    assert_same(state(net), state(twin[0]))


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_checkpoint_goes_into_a_net_with_a_frozen_backbone_which_stays_frozen(in_memory, tmp_path):
    net, trainer = made("sgd", {"momentum": 0.9})
    work(net, trainer, 0, 3)
    other, others = made("sgd", {"momentum": 0.9})
    CHANGES["frozen"](other)
    if in_memory:
        restore(capture(net, trainer), other, others)
    else:
        save(tmp_path / "checkpoint", net, trainer)
        load(tmp_path / "checkpoint", other, others)
    for mine, theirs in zip(net.collect_params().values(), other.collect_params().values()):
        np.testing.assert_array_equal(mine.data().asnumpy(), theirs.data().asnumpy())
    assert others.optimizer.num_update == 3
    assert settings(other)[0][0] == "null"
    backbone = other[0].weight.data().asnumpy()
    work(other, others, 3, 5)
    np.testing.assert_array_equal(other[0].weight.data().asnumpy(), backbone)


def test_a_refusal_takes_back_what_was_given_to_a_net_without_shapes(tmp_path):
    contexts = [mx.cpu(0), mx.cpu(1)]

    def two(units, on_kvstore):
        net = gluon.nn.HybridSequential()
        net.add(gluon.nn.Dense(2, in_units=units), gluon.nn.BatchNorm(in_channels=2))
        net.initialize(mx.init.One(), ctx=contexts)
        net[1].running_mean.data(contexts[1])[:] = 7.0
        return net, gluon.Trainer(net.collect_params(), "sgd", update_on_kvstore=on_kvstore)

    net, trainer = two(2, False)
    with autograd.record():
        losses = [net(mx.nd.ones((4, 2), ctx=ctx)) for ctx in contexts]
    autograd.backward(losses)
    trainer.step(8)
    save(tmp_path / "checkpoint", net, trainer)
    other, others = two(0, True)
    with pytest.raises(RecordError, match="update_on_kvstore=False"):
        load(tmp_path / "checkpoint", other, others)
    with pytest.raises(gluon.parameter.DeferredInitializationError):
        other[0].weight.data()
    assert other[0].weight.shape == (2, 0)
    right, rights = two(0, False)
    load(tmp_path / "checkpoint", right, rights)
    np.testing.assert_array_equal(right[0].weight.data(contexts[1]).asnumpy(), net[0].weight.data().asnumpy())
    again, agains = two(2, True)  # its kvstore is decided on afresh, as at its first step
    with pytest.raises(RecordError, match="update_on_kvstore=False"):
        load(tmp_path / "checkpoint", again, agains)
    assert again[1].running_mean.data(contexts[1]).asnumpy().tolist() == [7.0, 7.0]
    with autograd.record():
        losses = [again(mx.nd.ones((4, 2), ctx=ctx)) for ctx in contexts]
    autograd.backward(losses)
    agains.step(8)
    np.testing.assert_array_equal(again[0].weight.data(contexts[1]).asnumpy(), net[0].weight.data().asnumpy())
