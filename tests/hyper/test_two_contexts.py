"""Scheduled weight decay and the adaptive heavy ball on two contexts, with a kvstore that updates and without."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon

from gluon_lr.errors import UsageError
from gluon_lr.hyper import ScheduledWeightDecay
from gluon_lr.optimizers import heavy_ball  # which registers it

TWO = [mx.cpu(0), mx.cpu(1)]
KINDS = [([mx.cpu(0)], None), (TWO, None), (TWO, False)]


def trained(optimizer, contexts, on_kvstore, updates=4, **rule):
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(3, in_units=2), gluon.nn.Dense(1, in_units=3))
    net.initialize(mx.init.Constant(0.3), ctx=contexts)
    decay = rule.pop("decay", None)
    trainer = gluon.Trainer(net.collect_params(), optimizer, rule, update_on_kvstore=on_kvstore)
    X = np.arange(8, dtype="float32").reshape(4, 2) / 8
    for t in range(1, updates + 1):
        if decay is not None:
            ScheduledWeightDecay(decay).apply(trainer, t)
        with autograd.record():
            parts = gluon.utils.split_and_load(mx.nd.array(X), contexts)
            losses = [(net(part) - 1) ** 2 for part in parts]
        autograd.backward(losses)
        trainer.step(len(X))
    return np.concatenate([p.list_data()[0].asnumpy().ravel() for p in net.collect_params().values()])


@pytest.mark.parametrize(("optimizer", "rule"), [("sgd", {"momentum": 0.5}), ("adam", {})])
def test_scheduled_weight_decay_is_the_same_on_two_contexts(optimizer, rule):
    one, kvstore, without = (
        trained(optimizer, contexts, kv, learning_rate=0.1, decay=0.5, **rule) for contexts, kv in KINDS
    )
    assert not np.allclose(one, trained(optimizer, [mx.cpu(0)], None, learning_rate=0.1, **rule), atol=1e-3)
    np.testing.assert_allclose(kvstore, one, rtol=1e-5)
    np.testing.assert_allclose(without, one, rtol=1e-5)


def test_the_adaptive_heavy_ball_sees_all_parameters_or_says_so(caplog):
    one = trained("adaptiveheavyball", [mx.cpu(0)], None, learning_rate=0.1)
    np.testing.assert_allclose(trained("adaptiveheavyball", TWO, False, learning_rate=0.1), one, rtol=1e-5)
    assert not caplog.messages
    heavy_ball._say_that_they_come_apart.cache_clear()
    trained("adaptiveheavyball", TWO, None, learning_rate=0.1)
    (told,) = caplog.messages
    assert "sees 1 of 4 parameters" in told
    assert "build the trainer with update_on_kvstore=False" in told
    with pytest.raises(UsageError, match="multi_precision"):
        trained("adaptiveheavyball", [mx.cpu(0)], None, multi_precision=True)
