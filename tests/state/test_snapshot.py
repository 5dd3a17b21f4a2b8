"""A snapshot restores everything, in place and bit for bit."""

import signal
import threading

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, lr_scheduler
from small import OPTIMIZERS, assert_same, made, state, work

from gluon_lr.errors import UsageError
from gluon_lr.state import capture, load, memory, preserved, restore, save


@pytest.mark.parametrize(("optimizer", "params"), OPTIMIZERS, ids=[name for name, _ in OPTIMIZERS])
@pytest.mark.parametrize("before", [0, 3])
def test_what_happens_in_between_leaves_no_trace(optimizer, params, before):
    net, trainer = made(optimizer, params)
    work(net, trainer, 0, before)
    expected = work(net, trainer, 100, 104)
    end = state(net)
    net, trainer = made(optimizer, params)
    work(net, trainer, 0, before)
    with preserved(net, trainer):
        trainer.set_learning_rate(0.5)
        work(net, trainer, 50, 55)
    np.testing.assert_array_equal(work(net, trainer, 100, 104), expected)
    assert_same(state(net), end)


def test_references_stay_valid_and_arrays_are_the_same_objects():
    net, trainer = made("sgd", {"momentum": 0.9})
    work(net, trainer, 0, 2)
    updater, optimizer = trainer._updaters[0], trainer.optimizer
    weight, momentum = net[0].weight.data(), updater.states[0]
    was = weight.asnumpy(), momentum.asnumpy()
    with preserved(net, trainer):
        work(net, trainer, 2, 4)
    assert trainer.optimizer is optimizer
    assert trainer._updaters[0].states[0] is momentum
    assert net[0].weight.data() is weight
    np.testing.assert_array_equal(weight.asnumpy(), was[0])
    np.testing.assert_array_equal(momentum.asnumpy(), was[1])


def test_two_contexts_with_statistics_of_their_own():
    contexts = [mx.cpu(0), mx.cpu(1)]
    net, trainer = made("sgd", {"momentum": 0.9}, contexts)
    work(net, trainer, 0, 2, contexts)
    means = [a.asnumpy() for a in net[1].running_mean.list_data()]
    assert not np.array_equal(*means)
    expected = state(net)
    counts = {d: dict(c) for d, c in trainer.optimizer._all_index_update_counts.items()}
    with preserved(net, trainer):
        work(net, trainer, 2, 5, contexts)
    assert_same(state(net), expected)
    assert trainer.optimizer._all_index_update_counts == counts
    assert trainer.optimizer._index_update_count in trainer.optimizer._all_index_update_counts.values()


@pytest.mark.parametrize("to", ["the same", "another", "a file"])
@pytest.mark.parametrize("grad_req", ["add", "write"])
def test_gradients_that_wait_for_their_step_are_kept(grad_req, to, tmp_path):
    net, trainer = made(grad_req=grad_req)
    for parameter in net.collect_params().values():
        if parameter.grad_req != "null":
            parameter.zero_grad()
    X = mx.nd.array(np.random.default_rng(0).normal(size=(4, 4)))

    def backward(scale):
        with autograd.record():
            loss = (net(scale * X) ** 2).sum()
        loss.backward()
        mx.nd.waitall()

    def gradients(of):
        return {
            name: p.grad().asnumpy() for name, p in of._collect_params_with_prefix().items() if p.grad_req != "null"
        }

    backward(1)
    backward(3)
    waiting, other, other_trainer = gradients(net), net, trainer
    assert min(np.abs(gradient).sum() for gradient in waiting.values()) > 0
    if to == "the same":
        with preserved(net, trainer):
            backward(7)
            trainer.step(1)
            assert not np.array_equal(gradients(net)["0.weight"], waiting["0.weight"])
    else:
        other, other_trainer = made(grad_req=grad_req)
        save(tmp_path / "s.npz", net, trainer)
        load(tmp_path / "s.npz", other, other_trainer) if to == "a file" else restore(
            capture(net, trainer), other, other_trainer
        )
    for name, gradient in gradients(other).items():
        np.testing.assert_array_equal(gradient, waiting[name], err_msg=name)
    before = other[0].weight.data().asnumpy()
    other_trainer.step(1)  # raises where the gradients no longer count as fresh
    np.testing.assert_array_equal(other[0].weight.data().asnumpy(), before - np.float32(0.01) * waiting["0.weight"])
    with pytest.raises(UserWarning, match="has not been updated by backward"):
        other_trainer.step(1)


def test_gradients_that_a_step_has_used_are_not_used_again():
    net, trainer = made()
    work(net, trainer, 0, 1)
    with preserved(net, trainer), autograd.record():
        net(mx.nd.ones((2, 4))).sum().backward()
    with pytest.raises(UserWarning, match="has not been updated by backward"):
        trainer.step(1)


def test_mxnets_own_scheduler_is_put_back_with_its_state():
    scheduler = lr_scheduler.MultiFactorScheduler([2, 4], 0.5, base_lr=1.0)
    net, trainer = made("sgd", {"lr_scheduler": scheduler})
    work(net, trainer, 0, 1)
    with preserved(net, trainer):
        trainer.optimizer.lr_scheduler = None
        trainer.set_learning_rate(0.3)
        work(net, trainer, 1, 9)
        scheduler(100)
    assert trainer.optimizer.lr_scheduler is scheduler
    assert (scheduler.base_lr, trainer.optimizer.num_update, trainer.learning_rate) == (1.0, 1, 1.0)
    work(net, trainer, 1, 3)
    assert trainer.learning_rate == 0.5


def test_what_a_scheduler_holds_stays_the_same_objects():
    from gluoncv.utils import LRScheduler, LRSequential

    class Noting(lr_scheduler.LRScheduler):
        def __init__(self, inner):
            super().__init__(0.1)
            self.inner, self.seen, self.lock = inner, [], threading.Lock()

        def __call__(self, t):
            self.seen.append(t)
            return self.inner(t)

    parts = [LRScheduler("constant", base_lr=0.1, niters=2), LRScheduler("cosine", base_lr=0.1, niters=4)]
    sequence = LRSequential(parts)
    scheduler = Noting(sequence)
    net, trainer = made("sgd", {"lr_scheduler": scheduler})
    work(net, trainer, 0, 1)
    held = scheduler.seen, scheduler.lock, sequence.schedulers
    before, state_before = list(scheduler.seen), [dict(vars(part)) for part in parts]
    with preserved(net, trainer):
        work(net, trainer, 1, 4)
        assert scheduler.seen != before
    assert scheduler.inner is sequence
    assert all(now is was for now, was in zip((scheduler.seen, scheduler.lock, sequence.schedulers), held))
    assert sequence.schedulers[0] is parts[0]
    assert (scheduler.seen, [vars(part) for part in parts]) == (before, state_before)


def test_updates_on_parameter_servers_are_refused_before_the_first_step():
    net, _ = made()
    for store in ("dist_sync", "dist_async"):
        trainer = gluon.Trainer(net.collect_params(), "sgd", kvstore=store)
        with pytest.raises(UsageError, match="update_on_kvstore=False"):
            capture(net, trainer)
    capture(net, gluon.Trainer(net.collect_params(), "sgd", kvstore="dist_sync", update_on_kvstore=False))


def test_tied_parameters_are_held_once():
    net = gluon.nn.Sequential()
    first = gluon.nn.Dense(4, in_units=4)
    net.add(first, gluon.nn.Dense(4, in_units=4, params=first.params))
    net.initialize()
    assert capture(net).nbytes == 4 * (16 + 4)


def test_numbers_of_the_optimizer_and_scaler_are_put_back():
    net, trainer = made("sgd", {"momentum": 0.5, "wd": 0.1})
    work(net, trainer, 0, 1)
    trainer._amp_loss_scaler = type("Scaler", (), {})()
    vars(trainer._amp_loss_scaler).update(_loss_scale=8.0, _unskipped=3)
    trainer._amp_loss_scaler.has_overflow = lambda _: False
    with preserved(net, trainer):
        optimizer = trainer.optimizer
        optimizer.momentum, optimizer.wd, optimizer.rescale_grad, trainer._scale = 0.9, 0.0, 3.0, 7.0
        trainer._amp_loss_scaler._loss_scale = 1.0
        optimizer.added = 1
    assert not hasattr(optimizer, "added")
    assert (optimizer.momentum, optimizer.wd, optimizer.rescale_grad, trainer._scale) == (0.5, 0.1, 1 / 8, 1.0)
    assert trainer._amp_loss_scaler._loss_scale == 8.0


def _work_and_raise(net, trainer, raised):
    work(net, trainer, 2, 4)
    raise raised


@pytest.mark.fault
def test_an_exception_and_ctrl_c_leave_no_trace_either():
    net, trainer = made("adam")
    work(net, trainer, 0, 2)
    expected = state(net)
    for raised in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(raised), preserved(net, trainer):
            _work_and_raise(net, trainer, raised)
        assert_same(state(net), expected)


@pytest.mark.fault
def test_ctrl_c_in_the_middle_of_a_restore_waits_for_its_end(monkeypatch):
    net, trainer = made("adam")
    work(net, trainer, 0, 2)
    expected, taken = state(net), capture(net, trainer)
    work(net, trainer, 2, 4)
    original = memory.restore_trainer

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        original(*arguments)

    monkeypatch.setattr(memory, "restore_trainer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        restore(taken, net, trainer)
    assert_same(state(net), expected)
    assert trainer.optimizer.num_update == 2


def test_a_snapshot_holds_one_copy():
    net, trainer = made("adam")
    work(net, trainer, 0, 1)
    parameters = sum(p.data().size for p in net.collect_params().values())
    trainable = sum(p.data().size for p in net.collect_params().values() if p.grad_req != "null")
    assert capture(net, trainer).nbytes == 4 * (parameters + 2 * trainable)


def test_np_nets_are_restored_too():
    mx.npx.set_np()
    try:
        net = gluon.nn.Dense(2, in_units=3)
        net.initialize()
        before = net.weight.data().asnumpy()
        with preserved(net):
            net.weight.set_data(mx.np.zeros((2, 3)))
        np.testing.assert_array_equal(net.weight.data().asnumpy(), before)
    finally:
        mx.npx.reset_np()


def test_an_uninitialized_net_is_refused_with_the_remedy():
    with pytest.raises(UsageError, match=r"net\.initialize"):
        capture(gluon.nn.Dense(2))


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("on_kvstore", [True, False])
def test_a_kvstore_that_updates_is_put_back_with_its_weights(before, on_kvstore):
    contexts = [mx.cpu(0), mx.cpu(1)]
    ends = []
    for disturbed in (False, True):
        net, _ = made(contexts=contexts)
        trainer = gluon.Trainer(
            net.collect_params(), "sgd", {"momentum": 0.9}, kvstore="local", update_on_kvstore=on_kvstore
        )
        work(net, trainer, 0, before, contexts)
        if disturbed:
            with preserved(net, trainer):
                work(net, trainer, 50, 53, contexts)
        work(net, trainer, 10, 13, contexts)
        assert trainer._update_on_kvstore == on_kvstore
        ends.append(state(net))
    assert_same(*ends)
