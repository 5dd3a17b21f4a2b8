"""Fast ways to compute something, against the plain way in double precision."""

import math
import pickle

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

from gluon_lr.data import ArrayBatches
from gluon_lr.data.host import array_of
from gluon_lr.denormals import denormals_as_zero
from gluon_lr.metrics import Metrics
from gluon_lr.optimizers.adamw import AdamW
from gluon_lr.training import train
from gluon_lr.update import Shard


class Vectors(gluon.Block):
    """Parameters whose gradients the test writes."""

    def __init__(self, sizes, dtype="float32"):
        super().__init__()
        draw = np.random.default_rng(0)
        with self.name_scope():
            for i, size in enumerate(sizes):
                self.params.get(f"v{i:03d}", shape=(size,), dtype=dtype)
        self.initialize()
        self.values = list(self.collect_params().values())
        for value in self.values:
            value.set_data(mx.nd.array(draw.normal(size=value.shape), dtype=dtype))

    def set_gradients(self, step):
        draw = np.random.default_rng((1, step))
        for value in self.values:
            gradient = mx.nd.array(draw.normal(size=value.shape) * 100, dtype=value.dtype)
            gradient.copyto(value.grad())
            value.data()._fresh_grad = True

    def numpy(self):
        return [value.data().asnumpy().astype(np.float64) for value in self.values]


def adamw_in_double_precision(net, steps, batch_sizes, rate, wd, clip):
    """What AdamW's formula makes of the same gradients, with the constants as MXNet's operator rounds them."""
    beta1, beta2, eps = (float(np.float32(x)) for x in (0.9, 0.999, 1e-8))
    weights = net.numpy()
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    for step in range(steps):
        net.set_gradients(step)
        t = step + 1
        correction = math.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        for i, value in enumerate(net.values):
            g = value.grad().asnumpy().astype(np.float64) / batch_sizes[step]
            g = g if clip is None else np.clip(g, -clip, clip)
            m, v = (beta1 * moments[i][0] + (1 - beta1) * g, beta2 * moments[i][1] + (1 - beta2) * g * g)
            moments[i] = m, v
            own = rate * value.lr_mult
            weights[i] = weights[i] - own * (correction * m / (np.sqrt(v) + eps) + wd * value.wd_mult * weights[i])
    return weights


@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("count", [1, 5])
def test_adamw_is_its_formula_for_any_number_of_parameters(count, clip):
    net = Vectors([3 + i % 7 for i in range(count)])
    net.values[0].wd_mult, net.values[-1].lr_mult = 0.0, 0.5
    batch_sizes = [64, 64, 17, 64]  # the last batch of an epoch is smaller: another scale of the gradients
    expected = adamw_in_double_precision(net, 4, batch_sizes, 0.05, 0.3, clip)
    trainer = gluon.Trainer(
        net.collect_params(), "adamw", {"learning_rate": 0.05, "wd": 0.3, "clip_gradient": clip}, kvstore=None
    )
    for step, size in enumerate(batch_sizes):
        net.set_gradients(step)
        before = [value.grad().asnumpy() for value in net.values]
        trainer.step(size)
        for value, gradient in zip(net.values, before):
            np.testing.assert_array_equal(value.grad().asnumpy(), gradient)
    for got, wanted in zip(net.numpy(), expected):
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=2e-7)


def test_adamw_keeps_no_arrays_and_can_be_pickled():
    net = Vectors([4, 5])
    trainer = gluon.Trainer(net.collect_params(), "adamw", {"learning_rate": 0.05})
    net.set_gradients(0)
    trainer.step(8)
    assert not any(isinstance(value, mx.nd.NDArray) for value in vars(trainer.optimizer).values())
    again = pickle.loads(pickle.dumps(trainer.optimizer))
    assert isinstance(again, AdamW)
    assert again.num_update == 1


def test_adamw_trains_half_precision_by_way_of_a_copy_in_single_precision():
    single, half = Vectors([6, 7]), Vectors([6, 7], "float16")
    for net, options in ((single, {}), (half, {"multi_precision": True})):
        trainer = gluon.Trainer(net.collect_params(), "adamw", {"learning_rate": 0.05, "wd": 0.1, **options})
        for step in range(3):
            net.set_gradients(step)
            trainer.step(64)
    for got, wanted in zip(half.numpy(), single.numpy()):
        np.testing.assert_allclose(got, wanted, rtol=2e-2, atol=2e-3)


@pytest.mark.parametrize("wd", [0.0, 0.1])
@pytest.mark.parametrize("clip", [None, 0.3])
def test_plain_sgd_is_mxnets(wd, clip):
    nets = [Vectors([300, 7, 1, 50, 8, 9]) for _ in range(2)]
    options = {"learning_rate": 0.3, "wd": wd, "clip_gradient": clip}
    for net, rule in zip(nets, ("sgd", "plainsgd")):
        net.values[1].lr_mult, net.values[2].wd_mult = 0.5, 0.0
        trainer = gluon.Trainer(net.collect_params(), rule, dict(options))
        for step, size in enumerate([64, 64, 17]):
            net.set_gradients(step)
            trainer.step(size)
        assert trainer.optimizer.num_update == 3
    for got, wanted in zip(nets[1].numpy(), nets[0].numpy()):
        if wd:  # MXNet's two operators round the decay differently
            np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)
        else:
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("options", [{"momentum": 0.9}, {"multi_precision": True}])
def test_plain_sgd_leaves_momentum_and_half_precision_to_mxnets(options):
    dtype = "float16" if "multi_precision" in options else "float32"
    nets = [Vectors([6, 7], dtype) for _ in range(2)]
    for net, rule in zip(nets, ("sgd", "plainsgd")):
        trainer = gluon.Trainer(net.collect_params(), rule, {"learning_rate": 0.3, **options})
        for step in range(3):
            net.set_gradients(step)
            trainer.step(64)
    for got, wanted in zip(nets[1].numpy(), nets[0].numpy()):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("sizes", [[64] * 40 + [17], [3, 3, 5, 5, 3], [1]])
def test_metrics_of_many_batches_are_those_of_each_alone(front_end, sizes):
    library = mx.np if front_end == "np" else mx.nd
    draw = np.random.default_rng(0)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    metrics, losses, hits = Metrics(loss), [], 0
    for size in sizes:
        outputs, labels = draw.normal(size=(size, 10)), draw.integers(0, 10, size)
        output, y = library.array(outputs, dtype="float32"), library.array(labels, dtype="float32")
        value = loss(output, y)
        losses.append(float(value.sum().asnumpy().item()))
        hits += int((outputs.astype(np.float32).argmax(1) == labels).sum())
        metrics.add([Shard(output, y, value)])
    assert metrics.losses().tolist() == losses
    assert metrics.accuracy() == hits / sum(sizes)
    metrics.require_classes()


def test_metrics_of_labels_and_losses_in_other_shapes():
    loss = gluon.loss.SoftmaxCrossEntropyLoss(axis=1)
    metrics, expected, hits = Metrics(loss), [], 0
    draw = np.random.default_rng(0)
    for _ in range(3):
        outputs, labels = draw.normal(size=(4, 5, 6)).astype(np.float32), draw.integers(0, 5, (4, 6))
        output, y = mx.nd.array(outputs), mx.nd.array(labels)
        value = loss(output, y).reshape((4, 1))
        expected.append(float(value.sum().asscalar()))
        hits += int((outputs.argmax(1) == labels).sum())
        metrics.add([Shard(output, y, value)])
    np.testing.assert_allclose(metrics.losses(), expected, rtol=1e-6)
    assert metrics.accuracy() == hits / (3 * 4 * 6)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_arrays_made_without_waiting_are_those_that_mxnet_makes(front_end, dtype):
    library = mx.np if front_end == "np" else mx.nd
    values = np.random.default_rng(0).integers(0, 256, (5, 1, 4, 3)).astype(dtype)
    for part in (values, values[:, :, ::2], values[:0]) if front_end == "np" else (values, values[:, :, ::2]):
        got, wanted = array_of(part), library.array(part)
        assert type(got) is type(wanted)
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
        np.testing.assert_array_equal(got.asnumpy(), wanted.asnumpy())


def smallest_product():
    return (mx.nd.array([1e-30]) * 1e-10).asnumpy().item()


def test_denormals_are_zero_in_the_block_and_are_back_after_it():
    assert smallest_product() != 0
    with denormals_as_zero([mx.cpu()]) as there:
        if not there:
            pytest.skip("no such mode on this machine")
        assert smallest_product() == 0
        with denormals_as_zero([mx.cpu(), mx.cpu(0)]):
            assert smallest_product() == 0
        assert smallest_product() == 0
        assert np.float32(1e-30) * np.float32(1e-10) != 0  # Python's own thread is left alone
    assert smallest_product() != 0


def test_denormals_are_back_after_a_failure():
    with pytest.raises(ZeroDivisionError), denormals_as_zero([mx.cpu()]):
        raise ZeroDivisionError
    assert smallest_product() != 0


def test_denormals_are_left_alone_for_a_gpu_and_several_workers(monkeypatch):
    with denormals_as_zero([mx.gpu(0)]) as there:
        assert not there
    monkeypatch.setenv("MXNET_CPU_WORKER_NTHREADS", "2")
    with denormals_as_zero([mx.cpu()]) as there:
        assert not there
        assert smallest_product() != 0


def test_training_takes_denormals_as_zero_and_leaves_the_mode_as_it_was(fashion):
    net = gluon.nn.Dense(10)
    net.initialize()
    seen = []
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    train_iter = ArrayBatches(fashion[0][:64], fashion[1][:64], 64)
    trainer = gluon.Trainer(net.collect_params(), "adam")
    with denormals_as_zero([mx.cpu()]) as there:
        expected = 0 if there else smallest_product()
    train(net, train_iter, train_iter, 1, loss, trainer, mx.cpu(), on_epoch=lambda _: seen.append(smallest_product()))
    assert seen == [expected]
    assert smallest_product() != 0
