"""A snapshot as a file: it carries a training over, and what is damaged or of something else is refused by name."""

import pickle
import zipfile

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, init, lr_scheduler
from small import OPTIMIZERS, assert_same, made, state, work

from gluon_lr.errors import OutputError, RecordError
from gluon_lr.schedulers import SquareRootScheduler
from gluon_lr.state import capture, disk, load, preserved, restore, save


@pytest.mark.parametrize(("optimizer", "params"), OPTIMIZERS, ids=[name for name, _ in OPTIMIZERS])
def test_a_file_carries_a_training_over_to_another_process_objects(optimizer, params, tmp_path):
    net, trainer = made(optimizer, params)
    work(net, trainer, 0, 3)
    save(tmp_path / "s.npz", net, trainer, {"epoch": 3})
    expected = work(net, trainer, 3, 6)
    other, other_trainer = made(optimizer, params)
    assert load(tmp_path / "s.npz", other, other_trainer) == {"epoch": 3}
    np.testing.assert_array_equal(work(other, other_trainer, 3, 6), expected)


SGD = ("sgd", {"momentum": 0.9, "learning_rate": 0.1})
GATHERING = ("lbsgd", {"momentum": 0.9, "learning_rate": 0.1, "batch_scale": 2})  # adds up two gradients an update


def three_alike(*names, optimizer=SGD):
    """Layers of one shape, with momentum: only their place in the net tells them apart."""
    net = gluon.nn.HybridSequential()
    net.add(*[gluon.nn.Dense(4, in_units=4, prefix=f"{name}_") for name in names])
    net.initialize(init.Xavier())
    return net, gluon.Trainer(net.collect_params(), optimizer[0], dict(optimizer[1]))


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("optimizer", [SGD, GATHERING], ids=["sgd", "lbsgd"])
def test_states_follow_the_layers_whatever_these_are_called(optimizer, in_memory, tmp_path):
    """A trainer numbers its parameters in the order of their names, dense10 before dense9: the same net, made later in
    another process, has other numbers for the same layers."""
    net, trainer = three_alike("dense9", "dense10", "dense11", optimizer=optimizer)
    work(net, trainer, 0, 3)
    save(tmp_path / "s.npz", net, trainer)
    kept = capture(net, trainer)
    expected = work(net, trainer, 3, 6)
    other, other_trainer = three_alike("dense0", "dense1", "dense2", optimizer=optimizer)
    if in_memory:
        restore(kept, other, other_trainer)
    else:
        load(tmp_path / "s.npz", other, other_trainer)
    np.testing.assert_array_equal(work(other, other_trainer, 3, 6), expected)


@pytest.mark.fault
def test_a_trainer_of_other_parameters_is_refused_and_nothing_changed(tmp_path):
    net, trainer = three_alike("a", "b", "c")
    work(net, trainer, 0, 1)
    save(tmp_path / "s.npz", net, trainer)
    first = gluon.Trainer(net[0].collect_params(), "sgd", {"momentum": 0.9, "learning_rate": 0.1})
    before = state(net)
    work(net, trainer, 1, 2)
    moved = state(net)
    with pytest.raises(RecordError, match="moves other parameters"):
        load(tmp_path / "s.npz", net, first)
    assert_same(state(net), moved)
    assert not np.array_equal(before["0.weight"][0], moved["0.weight"][0])


@pytest.mark.fault
def test_another_architecture_is_refused_and_nothing_changed(tmp_path):
    net, trainer = made()
    work(net, trainer, 0, 1)
    save(tmp_path / "s.npz", net, trainer)
    wider = gluon.nn.HybridSequential()
    wider.add(gluon.nn.Dense(7, in_units=4), gluon.nn.BatchNorm(in_channels=7), gluon.nn.Dense(3, in_units=7))
    wider.initialize()
    before = state(wider)
    with pytest.raises(RecordError, match=r"another net: 0\.(weight|bias)"):
        load(tmp_path / "s.npz", wider)
    assert_same(state(wider), before)
    shorter = gluon.nn.HybridSequential()
    shorter.add(gluon.nn.Dense(6, in_units=4))
    shorter.initialize()
    with pytest.raises(RecordError, match="in one of the two only"):
        load(tmp_path / "s.npz", shorter)


@pytest.mark.fault
def test_another_scheduler_is_refused(tmp_path):
    net, trainer = made("sgd", {"lr_scheduler": SquareRootScheduler()})
    work(net, trainer, 0, 1)
    save(tmp_path / "s.npz", net, trainer)
    other, plain = made("sgd")
    with pytest.raises(RecordError, match="SquareRootScheduler, not None"):
        load(tmp_path / "s.npz", other, plain)


@pytest.mark.fault
def test_another_optimizer_is_refused_and_nothing_changed(tmp_path):
    net, trainer = made("adam")
    work(net, trainer, 0, 2)
    save(tmp_path / "s.npz", net, trainer)
    taken = capture(net, trainer)
    other, plain = made("sgd", {"momentum": 0.9})
    work(other, plain, 0, 1)
    before = state(other)
    for put_back in (lambda: load(tmp_path / "s.npz", other, plain), lambda: restore(taken, other, plain)):
        with pytest.raises(RecordError, match="optimizer Adam, this one has SGD"):
            put_back()
        assert_same(state(other), before)
        assert plain.optimizer.num_update == 1
    load(tmp_path / "s.npz", other)
    assert_same(state(other), state(net))


def test_a_block_is_undone_from_a_file_too(tmp_path):
    scheduler = lr_scheduler.MultiFactorScheduler([2, 4], 0.5, base_lr=1.0)
    net, trainer = made("sgd", {"lr_scheduler": scheduler, "momentum": 0.9})
    work(net, trainer, 0, 1)
    before = state(net)
    with preserved(net, trainer, path=tmp_path / "s.npz"):
        trainer.optimizer.lr_scheduler = None
        trainer.set_learning_rate(0.3)
        work(net, trainer, 1, 9)
    with pytest.raises(RuntimeError), preserved(net, trainer, path=tmp_path / "s.npz"):
        raise RuntimeError
    assert_same(state(net), before)
    assert trainer.optimizer.lr_scheduler is scheduler
    assert (scheduler.base_lr, trainer.optimizer.num_update) == (1.0, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault
def test_every_truncation_and_many_flips_of_a_file_are_refused_by_name(tmp_path):
    net, trainer = made("sgd", {"momentum": 0.9})
    work(net, trainer, 0, 1)
    path = tmp_path / "s.npz"
    save(path, net, trainer)
    content = path.read_bytes()
    before = state(net)
    draw = np.random.default_rng(0)
    for cut in [0, 1, *draw.integers(2, len(content) - 1, 40), len(content) - 1]:
        path.write_bytes(content[:cut])
        with pytest.raises(RecordError, match=r"s\.npz"):
            load(path, net, trainer)
    accepted = 0
    for place in draw.integers(0, len(content), 200):
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << int(place) % 8)]) + content[place + 1 :])
        try:
            load(path, net, trainer)
            accepted += 1  # a flip in the zip's dates or attributes changes no content
        except RecordError as error:
            assert "s.npz" in str(error)  # noqa: PT017
        assert_same(state(net), before)
    assert accepted < 100


@pytest.mark.slow
@pytest.mark.fault
def test_no_bit_of_an_arrays_header_goes_wrong_unseen(tmp_path):
    """numpy reads less than the whole of a member whose header is damaged, and the zip's checksum stays unread."""
    net = gluon.nn.Dense(64, in_units=32)
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"momentum": 0.9, "learning_rate": 0.1})
    with autograd.record():
        loss = net(mx.nd.ones((2, 32))).sum()
    loss.backward()
    trainer.step(2)
    path = tmp_path / "s.npz"
    save(path, net, trainer)
    content, expected = path.read_bytes(), state(net)
    momentum = trainer._updaters[0].states[0].asnumpy()
    start = content.index(b"\x93NUMPY", content.index(b"array0.npy"))
    for place in range(start, start + 128):
        for bit in range(8):
            path.write_bytes(content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :])
            with pytest.raises(RecordError, match=r"s\.npz"):
                load(path, net, trainer)
    assert_same(state(net), expected)
    np.testing.assert_array_equal(trainer._updaters[0].states[0].asnumpy(), momentum)


@pytest.mark.fault
def test_nothing_read_back_can_execute_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (exec, ("raise SystemExit('executed')",))

    path = tmp_path / "s.npz"
    net, trainer = made()
    for content in (pickle.dumps(Evil()), None):
        if content is None:
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("description.npy", pickle.dumps(Evil()))
            np.savez(path, description=np.array([Evil()], dtype=object))
        else:
            path.write_bytes(content)
        with pytest.raises(RecordError, match="damaged"):
            load(path, net, trainer)


@pytest.mark.fault
def test_a_newer_version_and_a_missing_file_are_named(tmp_path, monkeypatch):
    net, _ = made()
    with pytest.raises(RecordError, match="is not there"):
        load(tmp_path / "none.npz", net)
    monkeypatch.setattr(disk, "VERSION", 99)
    save(tmp_path / "s.npz", net)
    monkeypatch.undo()
    with pytest.raises(RecordError, match="format version 99"):
        load(tmp_path / "s.npz", net)


def test_amps_loss_scale_is_handed_on(tmp_path):
    pairs = [made(), made()]
    for (_, trainer), scale in zip(pairs, (8.0, 2.0)):
        trainer._amp_loss_scaler = type("Scaler", (), {})()
        trainer._amp_loss_scaler._loss_scale = scale
    save(tmp_path / "s.npz", *pairs[0])
    load(tmp_path / "s.npz", *pairs[1])
    assert pairs[1][1]._amp_loss_scaler._loss_scale == 8.0


@pytest.mark.fault
def test_a_failed_write_leaves_the_old_file_whole(tmp_path):
    net, trainer = made()
    work(net, trainer, 0, 1)
    save(tmp_path / "s.npz", net, trainer)
    before = (tmp_path / "s.npz").read_bytes()
    trainer.optimizer.odd = object()
    with pytest.raises(RecordError, match=r"a object .*optimizer\.odd"):
        save(tmp_path / "s.npz", net, trainer)
    assert (tmp_path / "s.npz").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["s.npz"]
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        save(tmp_path / "file" / "s.npz", net)


def test_notes_come_back_as_they_were_or_are_refused(tmp_path):
    net, _ = made()
    notes = {"best": np.float32(0.5), "n": np.int64(3), "curve": [0.1, None, float("inf")], "of": {"a": True, "b": "ö"}}
    save(tmp_path / "kept", net, notes=notes)
    assert load(tmp_path / "kept", net) == {**notes, "best": 0.5, "n": 3}
    for wrong, said in [
        ({"acc": {9: 0.5, 10: 0.6}}, r"notes\['acc'\] has the key 9: expected texts"),
        ({None: 1}, "notes has the key None: expected texts"),
        ({"acc": [0.5, {0.1}]}, r"notes\['acc'\]\[1\] holds a set: expected numbers, texts, lists"),
        ({"acc": np.zeros(2)}, r"notes\['acc'\] holds a ndarray"),
    ]:
        with pytest.raises(RecordError, match=said):
            save(tmp_path / "other", net, notes=wrong)
    assert not (tmp_path / "other").exists()


def test_arrays_of_numpys_in_a_block_are_state_too(tmp_path):
    class Averaging(gluon.nn.Dense):
        def __init__(self):
            super().__init__(2, in_units=3)
            self.average, self.kinds = np.zeros(2), np.array([object()])
            self.about = {"anchors": np.zeros(2), "file": object()}  # no state that a file could hold

        def forward(self, x):
            self.average = self.average + 1
            return super().forward(x)

    trained, other = Averaging(), Averaging()
    for net in (trained, other):
        net.initialize()
    for _ in range(3):
        trained(mx.nd.ones((1, 3)))
    save(tmp_path / "net", trained)
    load(tmp_path / "net", other)
    assert other.average.tolist() == [3.0, 3.0]


def test_a_folder_is_not_a_damaged_file(tmp_path):
    with pytest.raises(RecordError, match="cannot be read") as told:
        load(tmp_path, gluon.nn.Dense(2))
    assert "Delete" not in str(told.value)
