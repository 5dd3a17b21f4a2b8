"""A training moves to other devices with its update counts, or is refused."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from small import assert_same, made, state, work

from gluon_lr.errors import RecordError
from gluon_lr.schedulers import CosineScheduler
from gluon_lr.state import capture, load, restore, save

DECAY = CosineScheduler(12, 0.05)


def counts(trainer):
    return {device: dict(count) for device, count in trainer.optimizer._all_index_update_counts.items()}


def on_kvstore(contexts, updates=True):
    """A net and a trainer whose kvstore does the updates, or only adds gradients up."""
    net, _ = made(contexts=contexts)
    params = {"learning_rate": 0.05, "lr_scheduler": DECAY}
    return net, gluon.Trainer(net.collect_params(), "adam", params, kvstore="local", update_on_kvstore=updates)


def carried(net, trainer, other, other_trainer, in_memory, path):
    """The state of the first pair, in the second."""
    if in_memory:
        restore(capture(net, trainer), other, other_trainer)
    else:
        save(path, net, trainer)
        load(path, other, other_trainer)


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("optimizer", ["adam", "nadam", "sgd", "lamb"])
def test_rate_and_bias_correction_go_on_on_another_device(optimizer, in_memory, tmp_path):
    params = {"lr_scheduler": DECAY, "learning_rate": 0.05, **({"momentum": 0.9} if optimizer == "sgd" else {})}
    net, trainer = made(optimizer, params)
    work(net, trainer, 0, 5)
    other, other_trainer = made(optimizer, params, [mx.cpu(1)])
    carried(net, trainer, other, other_trainer, in_memory, tmp_path / "s.npz")
    optimizer = other_trainer.optimizer
    assert optimizer._index_update_count is optimizer._all_index_update_counts[1]
    for step in range(5, 9):
        expected = work(net, trainer, step, step + 1)
        np.testing.assert_array_equal(work(other, other_trainer, step, step + 1, [mx.cpu(1)]), expected)
        assert other_trainer.learning_rate == trainer.learning_rate == DECAY(step + 1)
    assert_same(state(other), state(net))
    assert counts(other_trainer) == {1: counts(trainer)[0]}
    assert set(counts(other_trainer)[1].values()) == {9}
    states = other_trainer._updaters[0].states.values()
    states = [part for each in states for part in (each if isinstance(each, tuple) else (each,))]
    assert {part.context for part in states} == {mx.cpu(1)}


@pytest.mark.parametrize("to", [[2, 3], [1, 0]])
@pytest.mark.parametrize("in_memory", [True, False])
def test_each_of_two_contexts_hands_on_its_own_statistics_and_counts(to, in_memory, tmp_path):
    before, after = [mx.cpu(0), mx.cpu(1)], [mx.cpu(number) for number in to]
    net, trainer = on_kvstore(before, updates=False)
    work(net, trainer, 0, 2, before)
    trainer.optimizer._all_index_update_counts[1][0] = 7  # as where a step skipped what had no gradient elsewhere
    other, other_trainer = on_kvstore(after, updates=False)
    carried(net, trainer, other, other_trainer, in_memory, tmp_path / "s.npz")
    first, second = counts(trainer)[0], counts(trainer)[1]
    assert first != second
    assert counts(other_trainer) == {to[0]: first, to[1]: second}
    np.testing.assert_array_equal(work(other, other_trainer, 2, 4, after), work(net, trainer, 2, 4, before))
    assert_same(state(other), state(net))


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_another_number_of_contexts_is_refused_and_nothing_changed(before, after, in_memory, tmp_path):
    before, after = ([mx.cpu(i) for i in range(count)] for count in (before, after))
    net, trainer = made("adam", contexts=before)
    work(net, trainer, 0, 2, before)
    other, other_trainer = made("adam", contexts=after)
    work(other, other_trainer, 7, 8, after)
    kept, kept_counts = state(other), counts(other_trainer)
    with pytest.raises(RecordError, match="contexts"):
        carried(net, trainer, other, other_trainer, in_memory, tmp_path / "s.npz")
    assert_same(state(other), kept)
    assert counts(other_trainer) == kept_counts


def test_a_net_that_was_itself_moved_to_another_device_goes_on_there():
    net, trainer = made("adam", {"lr_scheduler": DECAY, "learning_rate": 0.05})
    work(net, trainer, 0, 3)
    taken = capture(net, trainer)
    expected = work(net, trainer, 3, 6)
    net.collect_params().reset_ctx(mx.cpu(1))
    restore(taken, net, trainer)
    assert set(counts(trainer)) == {1}
    np.testing.assert_array_equal(work(net, trainer, 3, 6, [mx.cpu(1)]), expected)
    assert trainer.learning_rate == DECAY(6)


def test_counts_of_a_device_left_behind_do_not_come_along():
    """Reset to another device, MXNet itself begins its counts again and keeps the old ones."""
    net, trainer = made("sgd")
    trainer.optimizer._all_index_update_counts[1] = {0: 3}
    trainer.optimizer._all_index_update_counts[0] = {0: 5}
    other, other_trainer = made("sgd", contexts=[mx.cpu(1)])
    restore(capture(net, trainer), other, other_trainer)
    assert counts(other_trainer) == {1: {0: 5}}


def test_devices_that_share_a_number_and_then_do_not_are_refused():
    contexts = [mx.cpu(0), mx.cpu(1)]
    net, trainer = made("sgd", contexts=contexts)
    taken = capture(net, trainer)
    taken.trainer["contexts"] = [["cpu", 0], ["gpu", 0]]  # MXNet counts both under 0
    kept = state(net)
    work(net, trainer, 0, 1, contexts)
    moved = state(net)
    with pytest.raises(RecordError, match=r"\[cpu\(0\), gpu\(0\)\].*\[cpu\(0\), cpu\(1\)\]"):
        restore(taken, net, trainer)
    assert_same(state(net), moved)
    assert not np.array_equal(kept["0.weight"][0], moved["0.weight"][0])


def test_a_kvstore_that_updates_goes_on_with_its_own_counts(tmp_path):
    before, after = [mx.cpu(0), mx.cpu(1)], [mx.cpu(2), mx.cpu(3)]
    net, trainer = on_kvstore(before)
    work(net, trainer, 0, 3, before)
    other, other_trainer = on_kvstore(after)
    carried(net, trainer, other, other_trainer, False, tmp_path / "s.npz")
    np.testing.assert_array_equal(work(other, other_trainer, 3, 6, after), work(net, trainer, 3, 6, before))
    assert other_trainer.learning_rate == trainer.learning_rate == DECAY(6)
    assert_same(state(other), state(net))


def test_a_kvstore_on_gpus_that_updates_stays_on_them():
    contexts = [mx.cpu(0), mx.cpu(1)]
    net, trainer = on_kvstore(contexts)
    work(net, trainer, 0, 1, contexts)
    taken = capture(net, trainer)
    taken.trainer["contexts"] = [["gpu", 0], ["gpu", 1]]
    with pytest.raises(RecordError, match="update_on_kvstore=False"):
        restore(taken, net, trainer)


@pytest.mark.parametrize("updates", [True, False])
def test_updates_on_the_kvstore_and_elsewhere_are_not_mixed(updates):
    contexts = [mx.cpu(0), mx.cpu(1)]
    net, trainer = on_kvstore(contexts, updates)
    work(net, trainer, 0, 2, contexts)
    other, other_trainer = on_kvstore(contexts, not updates)
    kept = state(other)
    with pytest.raises(RecordError, match=f"update_on_kvstore={updates}"):
        restore(capture(net, trainer), other, other_trainer)
    assert_same(state(other), kept)


@pytest.mark.parametrize("in_memory", [True, False])
def test_the_number_that_counting_began_at_is_handed_on(in_memory, tmp_path):
    net, _ = made()
    trainer = gluon.Trainer(net.collect_params(), mx.optimizer.Adam(begin_num_update=100, lr_scheduler=DECAY))
    work(net, trainer, 0, 2)
    other, _ = made(contexts=[mx.cpu(1)])
    other_trainer = gluon.Trainer(other.collect_params(), mx.optimizer.Adam(lr_scheduler=DECAY))
    carried(net, trainer, other, other_trainer, in_memory, tmp_path / "s.npz")
    assert (other_trainer.optimizer.begin_num_update, other_trainer.optimizer.num_update) == (100, 102)
    work(other, other_trainer, 2, 3, [mx.cpu(1)])
    assert set(counts(other_trainer)[1].values()) == {103}
