"""The sources' networks, and the model zoos' by name."""

from __future__ import annotations

from typing import Any, Optional, Tuple

import mxnet as mx
from mxnet.gluon import nn

from .errors import UsageError

_BLOCK = 16  # channels that AVX-512 works on at once


def _filled(F: Any, array: Any, axis: int, size: int) -> Any:
    """``array`` of this size along ``axis``, with zeros up to the next multiple of :data:`_BLOCK`."""
    if size % _BLOCK == 0:
        return array
    return F.concat(array, F.slice_axis(F.zeros_like(array), axis=axis, begin=0, end=-size % _BLOCK), dim=axis)


class FoldedConvPool(nn.HybridBlock):
    """A convolution and the 2×2 max-pooling after it, computed with rows of pixels folded into channels.

    The function, the parameters' shapes and their gradients are those of ``nn.Conv2D`` and ``nn.MaxPool2D(2, 2)``.
    oneDNN computes with channels in blocks of 16, so of the work on LeNet's 6 channels most is on zeros. Here a channel
    is one of ``fold`` neighbouring rows of one of the book's channels, 12 of 16, and a kernel steps over that many rows
    at once. The two rows that pooling compares stand along an axis of their own, so that it stays one pooling: on that
    axis the kernel is 2 long and the input 1 with one zero on either side, hence each output row sees a half of the
    kernel of its own and nothing of the other.

    Takes images ``(batch, 1, rows, columns)``, or what a block like it gave:
    ``(batch, fold_out·channels and zeros up to 16, rows / fold_out, 1, columns)``.

    Args:
        channels, in_channels: the convolution's, before folding.
        kernel_size, padding: pixels.
        fold_in, fold_out: rows that a channel holds in the input, 1 for images, and in the output.

    Raises:
        UsageError: the geometry is none that this can fold, as LeNet's two are.
    """

    def __init__(
        self,
        channels: int,
        in_channels: int,
        kernel_size: int,
        padding: int = 0,
        fold_in: int = 1,
        fold_out: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        rows = -(-(kernel_size + 2 * fold_out - 1) // fold_in) * fold_in  # that 2·fold_out neighbouring ones see
        if (
            (fold_out > 1 and in_channels > 1)
            or padding % fold_in
            or 2 * fold_out % fold_in
            or rows >= 2 * kernel_size
            or any(-size % _BLOCK > size > 1 for size in (channels * fold_out, in_channels * fold_in))
        ):
            raise UsageError(
                f"cannot fold {in_channels} into {channels} channels, {kernel_size} pixels, padding {padding}, rows "
                f"{fold_in} into {fold_out}: use Gluon's Conv2D and MaxPool2D"
            )
        self._shape = (channels, in_channels, kernel_size, kernel_size)
        self._padding, self._fold_in, self._fold_out = padding, fold_in, fold_out
        self._filters = channels * fold_out
        self._kernel = (rows // fold_in, 2, kernel_size)  # folds of rows, the pooled pair, columns
        with self.name_scope():
            self.weight = self.params.get("weight", shape=self._shape)
            self.bias = self.params.get("bias", shape=(channels,), init="zeros")

    def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any) -> Any:
        modern = mx.util.is_np_array()
        if modern:
            x, weight, bias = (array.as_nd_ndarray() for array in (x, weight, bias))
        if self._fold_in == 1:
            x = F.expand_dims(x, axis=3)
        x = F.Convolution(
            x,
            self._folded(F, weight),
            _filled(F, F.concat(*[bias] * self._fold_out, dim=0), 0, self._filters),
            num_filter=-(-self._filters // _BLOCK) * _BLOCK,
            kernel=self._kernel,
            stride=(2 * self._fold_out // self._fold_in, 1, 1),
            pad=(self._padding // self._fold_in, 1, self._padding),
        )
        x = F.Pooling(x, kernel=(1, 2, 2), stride=(1, 2, 2), pool_type="max")
        return x.as_np_ndarray() if modern else x

    def _folded(self, F: Any, weight: Any) -> Any:
        """The weights moved down by 0, 1, …, 2·fold_out − 1 rows among zeros, in the folded kernel's shape."""
        channels, in_channels, k, _ = self._shape
        moved, rows = 2 * self._fold_out, self._kernel[0] * self._fold_in
        flat = F.reshape(weight, shape=(channels, in_channels, k * k))
        # Zeros that end one row too late: cut into lines of ``rows`` rows, each copy begins a row below the last.
        late = F.slice_axis(F.zeros_like(flat), axis=2, begin=0, end=k * (rows + 1 - k))
        lines = F.slice_axis(F.concat(*[flat, late] * moved, dim=2), axis=2, begin=0, end=moved * rows * k)
        # Of what is folded, one is 1, and MXNet transposes six axes at most.
        split = (channels, in_channels * self._fold_out, 2, rows // self._fold_in, self._fold_in, k)
        order = (0, 4, 1, 3, 2, 5) if self._fold_out == 1 else (1, 0, 4, 3, 2, 5)
        # The kernel's second half meets the pooled pair's first row; pooling gives a tie to the first, as the book's.
        lines = F.transpose(F.reverse(F.reshape(lines, shape=split), axis=2), axes=order)
        inputs = in_channels * self._fold_in
        folded = F.reshape(lines, shape=(self._filters, inputs, *self._kernel))
        return _filled(F, folded if inputs == 1 else _filled(F, folded, 1, inputs), 0, self._filters)


def lenet(ctx: Optional[mx.Context] = None) -> nn.HybridSequential:
    """The chapter's LeNet: two convolutions and three dense layers, ReLU, max-pooling, ten classes.

    Takes ``(batch, 1, 28, 28)``. Pooling stands before ReLU: the two commute, and ReLU then has a quarter of the work.

    Args:
        ctx: where it will train; on a GPU it is :func:`plain_lenet`, since rows are folded for oneDNN's sake. Default
            a CPU.

    Example:
        >>> net = lenet()
        >>> net.initialize()
        >>> net(mx.nd.zeros((2, 1, 28, 28))).shape
        (2, 10)
    """
    if ctx is not None and ctx.device_type == "gpu":
        return plain_lenet()
    net = nn.HybridSequential()
    net.add(
        FoldedConvPool(6, in_channels=1, kernel_size=5, padding=2, fold_out=2),
        nn.Activation("relu"),
        FoldedConvPool(16, in_channels=6, kernel_size=5, fold_in=2),
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


class Standardize(nn.LayerNorm):
    """The half of layer normalization that has no parameters: each token less its mean and over its deviation.

    Gives that, γ and β; the :class:`StandardizedDense` after it multiplies by γ and adds β, by way of its own weights.
    In MXNet's ``LayerNorm`` the gradient's sums over a token take ten times as long as a product of the same size, so
    here the mean is taken away by a product with I − 1/width, and the rest is ``L2Normalization``, which divides by
    √(Σx² + ε′): with ε′ = width·ε that is the deviation times √width.

    Takes ``(tokens, batch, width)``.

    Args:
        width: of a token.
    """

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(in_channels=width, **kwargs)
        self._width = width

    def _alias(self) -> str:
        return "layernorm"

    def hybrid_forward(self, F: Any, x: Any, gamma: Any, beta: Any) -> Tuple[Any, Any, Any]:
        ones = F.ones_like(F.BlockGrad(gamma))
        identity = F.diag(ones)
        means = F.broadcast_div(F.ones_like(identity), F.reshape(ones * self._width, shape=(1, -1)))
        centred = F.FullyConnected(x, identity - means, num_hidden=self._width, no_bias=True, flatten=False)
        flat = F.reshape(centred, shape=(-3, 0))
        unit = F.L2Normalization(flat, eps=self._width * self._epsilon, mode="instance")
        return F.reshape_like(unit, x), gamma * self._width**0.5, beta


class StandardizedDense(nn.Dense):
    """``nn.Dense`` of a layer normalization: x(γ·Wᵀ) + (b + Wβ) for the x, γ and β that :class:`Standardize` gives.

    It is the same function as normalizing first, with γ and β applied to the weights, of which there are fewer numbers
    than in a batch of tokens.
    """

    def _alias(self) -> str:
        return "dense"

    def _rows(self, F: Any, array: Any) -> Any:
        return array

    def hybrid_forward(self, F: Any, x: Any, gamma: Any, beta: Any, weight: Any, bias: Any) -> Any:
        weight, bias = self._rows(F, weight), self._rows(F, bias)
        scaled = F.FullyConnected(weight, F.diag(gamma), num_hidden=self._in_units, no_bias=True)
        moved = F.FullyConnected(F.reshape(beta, shape=(1, -1)), weight, bias, num_hidden=self._units)
        return F.FullyConnected(x, scaled, F.reshape(moved, shape=(-1,)), num_hidden=self._units, flatten=False)


class HeadsDense(StandardizedDense):
    """Q, K and V of tokens, a :class:`StandardizedDense`: its parameters hold Q of all heads, then K, then V, and its
    output holds Q, K and V of the first head, then of the next, as MXNet's products for attention take them.

    Args:
        width: of a token; the output is three times as wide.
        heads: how many.
    """

    def __init__(self, width: int, heads: int, **kwargs: Any) -> None:
        super().__init__(3 * width, flatten=False, in_units=width, **kwargs)
        self._heads = heads

    def _rows(self, F: Any, array: Any) -> Any:
        three_by_heads = F.reshape(array, shape=(3, self._heads, -1))
        return F.reshape_like(F.transpose(three_by_heads, axes=(1, 0, 2)), array)


class SelfAttention(nn.HybridBlock):
    """Multi-head self-attention: softmax(QKᵀ/√d)V of each head, joined and mapped.

    Takes and gives ``(tokens, batch, width)``, and takes γ and β as :class:`StandardizedDense` does. In that layout
    MXNet has products for attention that read each head where it lies; the common ones want Q, K and V transposed, and
    take half as long again.

    Args:
        width: of a token; a multiple of ``heads``.
        heads: how many; each has d = width / heads.

    Raises:
        UsageError: width is no multiple of heads.
    """

    def __init__(self, width: int, heads: int, **kwargs: Any) -> None:
        if width % heads:
            raise UsageError(f"width is {width} and heads {heads}: expected a multiple of heads")
        super().__init__(**kwargs)
        self._heads = heads
        with self.name_scope():
            self.qkv = HeadsDense(width, heads)
            self.out = nn.Dense(width, flatten=False, in_units=width)

    def hybrid_forward(self, F: Any, x: Any, gamma: Any, beta: Any) -> Any:
        qkv = self.qkv(x, gamma, beta)
        products = F.contrib.interleaved_matmul_selfatt_qk(qkv, heads=self._heads)  # over √d already
        mixed = F.contrib.interleaved_matmul_selfatt_valatt(qkv, F.softmax(products, axis=-1), heads=self._heads)
        return self.out(mixed)


class ViTBlock(nn.HybridBlock):
    """One transformer layer, normalized before its two parts: x + attention(LN(x)), then x + MLP(LN(x)).

    Takes and gives ``(tokens, batch, width)``.
    """

    def __init__(self, width: int, heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.norm1 = Standardize(width)
            self.attention = SelfAttention(width, heads)
            self.norm2 = Standardize(width)
            self.mlp = nn.HybridSequential()
            self.mlp.add(StandardizedDense(4 * width, flatten=False, in_units=width), nn.GELU())
            self.mlp.add(nn.Dense(width, flatten=False, in_units=4 * width))

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        x = x + self.attention(*self.norm1(x))
        widen, gelu, narrow = self.mlp
        return x + narrow(gelu(widen(*self.norm2(x))))


class ViT(nn.HybridBlock):
    """A vision transformer for small images: patches, learned positions, layers, the tokens' mean, one dense layer.

    Takes ``(batch, 3, size, size)`` of ``mx.nd``, in single precision on a CPU: MXNet has its products for attention
    in no other there.

    Args:
        width, depth, heads: of the transformer.
        patch: a patch's side, pixels; it divides ``size``.
        size: an image's side, pixels; CIFAR-10's 32.
        classes: outputs.

    Raises:
        UsageError: patches do not fill the image, or width is no multiple of heads.

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
        if size % patch:
            raise UsageError(f"patch is {patch} and size {size}: expected a size that is a multiple of patch")
        super().__init__(**kwargs)
        self._patch, self._side = patch, size // patch
        with self.name_scope():
            self.embedding = nn.Dense(width, flatten=False, in_units=3 * patch * patch)
            self.position = self.params.get("position", shape=(1, self._side**2, width), init=mx.init.Normal(0.02))
            self.layers = nn.HybridSequential()
            for _ in range(depth):
                self.layers.add(ViTBlock(width, heads))
            self.norm = Standardize(width)
            self.head = StandardizedDense(classes, in_units=width)

    def hybrid_forward(self, F: Any, x: Any, position: Any) -> Any:
        side, patch = self._side, self._patch
        cut = F.transpose(F.reshape(x, shape=(0, 0, side, patch, side, patch)), axes=(2, 4, 0, 1, 3, 5))
        tokens = self.embedding(F.reshape(cut, shape=(side * side, -1, 3 * patch * patch)))
        tokens = self.layers(F.broadcast_add(tokens, F.transpose(position, axes=(1, 0, 2))))
        unit, gamma, beta = self.norm(tokens)
        return self.head(F.mean(unit, axis=0), gamma, beta)
