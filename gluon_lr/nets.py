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
