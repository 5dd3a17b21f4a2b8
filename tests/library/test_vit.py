"""The vision transformer's fast parts, against plain ones in double precision: outputs, gradients, names.

MXNet has its products for attention in single precision only: what uses them is compared with the plain one in double.
"""

import math

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, init
from mxnet.gluon import nn

import gluon_lr.optimizers  # noqa: F401  registers adamw
from gluon_lr.errors import UsageError
from gluon_lr.nets import SelfAttention, Standardize, StandardizedDense, ViT


class PlainAttention(nn.HybridBlock):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        with self.name_scope():
            self.qkv = nn.Dense(3 * width, flatten=False, in_units=width)
            self.out = nn.Dense(width, flatten=False, in_units=width)

    def hybrid_forward(self, F, x):
        split = F.transpose(F.reshape(self.qkv(x), shape=(0, 0, 3, self.heads, -1)), axes=(2, 0, 3, 1, 4))
        q, k, v = (F.reshape(F.slice_axis(split, axis=0, begin=i, end=i + 1), shape=(-3, -2)) for i in range(3))
        q, k, v = (F.reshape(part, shape=(-3, -2)) for part in (q, k, v))
        weights = F.softmax(F.batch_dot(q * self.scale, k, transpose_b=True), axis=-1)
        mixed = F.reshape(F.batch_dot(weights, v), shape=(-4, -1, self.heads, 0, 0))
        return self.out(F.reshape(F.transpose(mixed, axes=(0, 2, 1, 3)), shape=(0, 0, -3)))


class PlainBlock(nn.HybridBlock):
    def __init__(self, width, heads):
        super().__init__()
        with self.name_scope():
            self.norm1 = nn.LayerNorm(in_channels=width)
            self.attention = PlainAttention(width, heads)
            self.norm2 = nn.LayerNorm(in_channels=width)
            self.mlp = nn.HybridSequential()
            self.mlp.add(nn.Dense(4 * width, flatten=False, in_units=width), nn.GELU())
            self.mlp.add(nn.Dense(width, flatten=False, in_units=4 * width))

    def hybrid_forward(self, F, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PlainViT(nn.HybridBlock):
    def __init__(self, width, depth, heads, patch, size=32, classes=10):
        super().__init__()
        self.patch, self.side = patch, size // patch
        with self.name_scope():
            self.embedding = nn.Dense(width, flatten=False, in_units=3 * patch * patch)
            self.position = self.params.get("position", shape=(1, self.side**2, width), init=init.Normal(0.02))
            self.layers = nn.HybridSequential()
            for _ in range(depth):
                self.layers.add(PlainBlock(width, heads))
            self.norm = nn.LayerNorm(in_channels=width)
            self.head = nn.Dense(classes, in_units=width)

    def hybrid_forward(self, F, x, position):
        cut = F.transpose(
            F.reshape(x, shape=(0, 0, self.side, self.patch, self.side, self.patch)), axes=(0, 2, 4, 1, 3, 5)
        )
        tokens = self.embedding(F.reshape(cut, shape=(0, self.side**2, -1)))
        tokens = self.layers(F.broadcast_add(tokens, position))
        return self.head(F.mean(self.norm(tokens), axis=1))


def random_parameters(net, dtype="float64"):
    """Of single precision, the same draw for each net; γ and β are not left at 1 and 0."""
    net.initialize()
    net.cast(dtype)
    draw = np.random.default_rng(0)
    for parameter in net._collect_params_with_prefix().values():
        values = draw.normal(0.3, 0.5, parameter.shape) / math.sqrt(parameter.shape[-1])
        parameter.set_data(mx.nd.array(values.astype(np.float32), dtype=dtype))


def output_and_gradients(net, x, *more):
    """By name: the output, the gradient for ``x``, those of the parameters."""
    x.attach_grad()
    with autograd.record():
        output = net(x, *more)
    output.backward(mx.nd.array(np.random.default_rng(1).normal(size=output.shape), dtype=x.dtype))
    gradients = {name: p.grad().asnumpy() for name, p in net._collect_params_with_prefix().items()}
    return {"output": output.asnumpy(), "x": x.grad.asnumpy(), **gradients}


def assert_alike(got, wanted, tolerance):
    """Each array within this much of its greatest number."""
    assert list(got) == list(wanted)
    for name, array in wanted.items():
        np.testing.assert_allclose(got[name], array, rtol=0, atol=tolerance * abs(array).max(), err_msg=name)


class Normalized(nn.HybridBlock):
    def __init__(self, norm, dense):
        super().__init__()
        with self.name_scope():
            self.norm, self.dense = norm, dense

    def hybrid_forward(self, F, x):
        normalized = self.norm(x)
        return self.dense(*normalized) if isinstance(normalized, (list, tuple)) else self.dense(normalized)


@pytest.mark.parametrize("hybrid", [False, True])
def test_standardized_dense_is_layer_normalization_and_dense(hybrid):
    fast = Normalized(Standardize(12), StandardizedDense(7, flatten=False, in_units=12))
    plain = Normalized(nn.LayerNorm(in_channels=12), nn.Dense(7, flatten=False, in_units=12))
    # Far from zero beside its deviation, as the tokens of a deep net can be.
    tokens = np.random.default_rng(2).normal(20, 0.5, (5, 3, 12))
    results = []
    for net in (fast, plain):
        random_parameters(net)
        if hybrid:
            net.hybridize(static_alloc=True, static_shape=True)
        results.append(output_and_gradients(net, mx.nd.array(tokens, dtype="float64")))
    assert_alike(*results, 1e-10)


class BatchFirst(nn.HybridBlock):
    """The fast attention as the plain one takes tokens."""

    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def hybrid_forward(self, F, x):
        ones = F.ones_like(F.reshape(F.slice(x, begin=(0, 0, 0), end=(1, 1, None)), shape=(-1,)))
        return F.transpose(self.attention(F.transpose(x, axes=(1, 0, 2)), ones, F.zeros_like(ones)), axes=(1, 0, 2))


@pytest.mark.parametrize("hybrid", [False, True])
def test_attention_is_the_plain_one(hybrid):
    tokens = np.random.default_rng(2).normal(1, 2, (4, 5, 12)).astype(np.float32)
    fast, plain = SelfAttention(12, 3), PlainAttention(12, 3)
    random_parameters(fast, "float32")
    random_parameters(plain)
    fast = BatchFirst(fast)
    if hybrid:
        fast.hybridize(static_alloc=True, static_shape=True)
    got = output_and_gradients(fast, mx.nd.array(tokens))
    got = {name.replace("attention.", ""): array for name, array in got.items()}
    assert_alike(got, output_and_gradients(plain, mx.nd.array(tokens, dtype="float64")), 2e-6)


@pytest.mark.parametrize("hybrid", [False, True])
def test_vit_is_the_plain_one(hybrid):
    images = np.random.default_rng(3).normal(size=(6, 3, 32, 32)).astype(np.float32)
    fast, plain = ViT(16, 2, 2, 8), PlainViT(16, 2, 2, 8)
    random_parameters(fast, "float32")
    random_parameters(plain)
    if hybrid:
        fast.hybridize(static_alloc=True, static_shape=True)
    got = output_and_gradients(fast, mx.nd.array(images))
    assert_alike(got, output_and_gradients(plain, mx.nd.array(images, dtype="float64")), 1e-5)


def test_vit_has_the_plain_ones_parameters_and_reads_its_files(tmp_path):
    fast, plain = ViT(16, 2, 2, 8), PlainViT(16, 2, 2, 8)
    names = [[(n.split("_", 1)[1], p.shape) for n, p in net.collect_params().items()] for net in (fast, plain)]
    own = {"plainblock": "vitblock", "plainattention": "selfattention"}
    for name, replaced in own.items():
        names[1] = [(n.replace(name, replaced), shape) for n, shape in names[1]]
    assert names[0] == names[1]
    mx.random.seed(0)
    plain.initialize(init.Xavier())
    X = mx.nd.random.normal(shape=(2, 3, 32, 32))
    plain.save_parameters(str(tmp_path / "vit.params"))
    fast.load_parameters(str(tmp_path / "vit.params"))
    np.testing.assert_allclose(fast(X).asnumpy(), plain(X).asnumpy(), rtol=1e-4, atol=1e-5)
    mx.random.seed(0)
    again = ViT(16, 2, 2, 8)
    again.initialize(init.Xavier())
    for one, other in zip(again.collect_params().values(), plain.collect_params().values()):
        np.testing.assert_array_equal(one.data().asnumpy(), other.data().asnumpy())


def test_vit_trains_as_the_plain_one_does():
    losses = []
    for make in (ViT, PlainViT):
        net = make(16, 1, 2, 8)
        mx.random.seed(0)
        net.initialize(init.Xavier())
        net.hybridize(static_alloc=True, static_shape=True)
        loss = gluon.loss.SoftmaxCrossEntropyLoss()
        trainer = gluon.Trainer(net.collect_params(), "adamw", {"learning_rate": 1e-3, "wd": 1e-4})
        draw = np.random.default_rng(0)
        X, y = mx.nd.array(draw.normal(size=(32, 3, 32, 32))), mx.nd.array(draw.integers(0, 10, 32))
        seen = []
        for _ in range(20):
            with autograd.record():
                value = loss(net(X), y)
            value.backward()
            trainer.step(32)
            seen.append(float(value.mean().asscalar()))
        losses.append(seen)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
    assert losses[0][-1] < losses[0][0] - 0.5


@pytest.mark.parametrize(("heads", "patch", "says"), [(3, 8, "multiple of heads"), (2, 5, "multiple of patch")])
def test_sizes_that_do_not_divide_are_refused_before_they_crash(heads, patch, says):
    with pytest.raises(UsageError, match=says):
        ViT(width=16, depth=1, heads=heads, patch=patch)
