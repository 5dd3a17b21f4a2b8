"""The sources' networks, and the model zoos' by name."""

from __future__ import annotations

from typing import Any, Tuple

import mxnet as mx
from mxnet.gluon import nn


class PaddedConv2D(nn.HybridBlock):
    """A 2-D convolution that computes with its channels filled up with zeros to ``multiple``.

    The function, the parameters' shapes and their gradients are those of ``nn.Conv2D``, save for ``extra`` output
    channels that are exactly zero. oneDNN's fast kernels work on blocks of 16 channels and fall back to slow ones for
    the 6 of LeNet's first layer; computing with 16, ten of them zero, costs less than computing with 6.

    Args:
        channels, in_channels: filters and input channels; input beyond ``in_channels`` is taken to be zero.
        kernel_size, padding: pixels.
        multiple: channels are filled up to a multiple of this many.
    """

    def __init__(
        self, channels: int, in_channels: int, kernel_size: int, padding: int = 0, multiple: int = 16, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._shape = (channels, in_channels, kernel_size, kernel_size)
        self._padding = padding
        self._extra_out = -channels % multiple
        self._extra_in = -in_channels % multiple if in_channels > 1 else 0
        with self.name_scope():
            self.weight = self.params.get("weight", shape=self._shape)
            self.bias = self.params.get("bias", shape=(channels,), init="zeros")

    def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any) -> Any:
        channels, in_channels, k, _ = self._shape
        filters = channels + self._extra_out
        if mx.util.is_np_array():
            zeros, join, convolution, axis = F.np.zeros, F.np.concatenate, F.npx.convolution, "axis"
        else:
            zeros, convolution, axis = F.zeros, F.Convolution, "dim"

            def join(parts: Any, dim: int) -> Any:
                return F.concat(*parts, dim=dim)

        where = {"ctx": x.context} if isinstance(x, mx.nd.NDArray) else {}
        if self._extra_in:
            weight = join([weight, zeros((channels, self._extra_in, k, k), **where)], **{axis: 1})
        if self._extra_out:
            weight = join([weight, zeros((self._extra_out, in_channels + self._extra_in, k, k), **where)], **{axis: 0})
            bias = join([bias, zeros((self._extra_out,), **where)], **{axis: 0})
        return convolution(x, weight, bias, kernel=(k, k), pad=(self._padding,) * 2, num_filter=filters)


def lenet() -> nn.HybridSequential:
    """The chapter's LeNet: two convolutions and three dense layers, ReLU, max-pooling, ten classes.

    Takes ``(batch, 1, 28, 28)``. Pooling stands before ReLU: the two commute, and ReLU then has a quarter of the work.
    """
    net = nn.HybridSequential()
    net.add(
        PaddedConv2D(6, in_channels=1, kernel_size=5, padding=2),
        nn.MaxPool2D(2, 2),
        nn.Activation("relu"),
        PaddedConv2D(16, in_channels=6, kernel_size=5),
        nn.MaxPool2D(2, 2),
        nn.Activation("relu"),
        nn.Dense(120, activation="relu"),
        nn.Dense(84, activation="relu"),
        nn.Dense(10),
    )
    return net


def plain_lenet() -> nn.HybridSequential:
    """The same function built of Gluon's own layers in the book's order; what :func:`lenet` is measured against."""
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(6, kernel_size=5, padding=2, activation="relu"),
        nn.MaxPool2D(2, 2),
        nn.Conv2D(16, kernel_size=5, activation="relu"),
        nn.MaxPool2D(2, 2),
        nn.Dense(120, activation="relu"),
        nn.Dense(84, activation="relu"),
        nn.Dense(10),
    )
    return net


def mlp(hidden: Tuple[int, ...] = (256, 256), classes: int = 10) -> nn.HybridSequential:
    """A multilayer perceptron with ReLU: the article's has two hidden layers. Takes any shape, flattened."""
    net = nn.HybridSequential()
    for width in hidden:
        net.add(nn.Dense(width, activation="relu"))
    net.add(nn.Dense(classes))
    return net


class SelfAttention(nn.HybridBlock):
    """Multi-head self-attention: softmax(QKᵀ/√d)V of each head, joined and mapped.

    Takes and gives ``(batch, tokens, width)``.

    Args:
        width: of a token; a multiple of ``heads``.
        heads: how many; each has d = width / heads.
    """

    def __init__(self, width: int, heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._heads, self._scale = heads, (width // heads) ** -0.5
        with self.name_scope():
            self.qkv = nn.Dense(3 * width, flatten=False, in_units=width)
            self.out = nn.Dense(width, flatten=False, in_units=width)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        # (batch, tokens, 3·width) → three of (batch·heads, tokens, d)
        split = F.transpose(F.reshape(self.qkv(x), shape=(0, 0, 3, self._heads, -1)), axes=(2, 0, 3, 1, 4))
        q, k, v = (F.reshape(F.slice_axis(split, axis=0, begin=i, end=i + 1), shape=(-3, -2)) for i in range(3))
        q, k, v = (F.reshape(part, shape=(-3, -2)) for part in (q, k, v))
        weights = F.softmax(F.batch_dot(q * self._scale, k, transpose_b=True), axis=-1)
        mixed = F.reshape(F.batch_dot(weights, v), shape=(-4, -1, self._heads, 0, 0))
        return self.out(F.reshape(F.transpose(mixed, axes=(0, 2, 1, 3)), shape=(0, 0, -3)))


class ViTBlock(nn.HybridBlock):
    """One transformer layer, normalized before its two parts: x + attention(LN(x)), then x + MLP(LN(x))."""

    def __init__(self, width: int, heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.norm1 = nn.LayerNorm(in_channels=width)
            self.attention = SelfAttention(width, heads)
            self.norm2 = nn.LayerNorm(in_channels=width)
            self.mlp = nn.HybridSequential()
            self.mlp.add(nn.Dense(4 * width, flatten=False, in_units=width), nn.GELU())
            self.mlp.add(nn.Dense(width, flatten=False, in_units=4 * width))

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.HybridBlock):
    """A vision transformer for small images: patches, learned positions, layers, the tokens' mean, one dense layer.

    Takes ``(batch, 3, size, size)`` of ``mx.nd``.

    Args:
        width, depth, heads: of the transformer.
        patch: a patch's side, pixels; it divides ``size``.
        size: an image's side, pixels; CIFAR-10's 32.
        classes: outputs.

    Source: Dosovitskiy et al. (2020), An Image is Worth 16×16 Words.

    Example:
        >>> net = ViT(width=16, depth=1, heads=2, patch=8)
        >>> net.initialize()
        >>> net(mx.nd.zeros((2, 3, 32, 32))).shape
        (2, 10)
    """

    def __init__(
        self, width: int, depth: int, heads: int, patch: int, size: int = 32, classes: int = 10, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._patch, self._side = patch, size // patch
        with self.name_scope():
            self.embedding = nn.Dense(width, flatten=False, in_units=3 * patch * patch)
            self.position = self.params.get("position", shape=(1, self._side**2, width), init=mx.init.Normal(0.02))
            self.layers = nn.HybridSequential()
            for _ in range(depth):
                self.layers.add(ViTBlock(width, heads))
            self.norm = nn.LayerNorm(in_channels=width)
            self.head = nn.Dense(classes, in_units=width)

    def hybrid_forward(self, F: Any, x: Any, position: Any) -> Any:
        side, patch = self._side, self._patch
        cut = F.transpose(F.reshape(x, shape=(0, 0, side, patch, side, patch)), axes=(0, 2, 4, 1, 3, 5))
        tokens = self.embedding(F.reshape(cut, shape=(0, side * side, -1)))
        tokens = self.layers(F.broadcast_add(tokens, position))
        return self.head(F.mean(self.norm(tokens), axis=1))
