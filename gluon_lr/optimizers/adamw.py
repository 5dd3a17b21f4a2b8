"""AdamW and a plain SGD for Gluon's trainer."""

from __future__ import annotations

import math
from typing import Any, Optional, Tuple

import mxnet as mx
import numpy as np
from mxnet.ndarray.sparse import BaseSparseNDArray
from mxnet.optimizer import Optimizer


@Optimizer.register
class AdamW(Optimizer):
    """Adam with decoupled weight decay: m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g²,
    w ← w − η·(√(1−β₂^t)/(1−β₁^t) · m/(√v + ε) + wd·w).

    ``gluon.Trainer(params, "adamw", {...})`` finds it once this module is imported. The decay is multiplied by the
    rate η, as in PyTorch and in the paper's implementation, and by each parameter's ``wd_mult``.

    Args:
        learning_rate: default 0.001, or the scheduler's where there is one.
        beta1, beta2, epsilon: default 0.9, 0.999, 1e-8.
        kwargs: MXNet's own, among them ``wd`` and ``lr_scheduler``.

    Source: Loshchilov and Hutter (2017), Decoupled Weight Decay Regularization.

    Example:
        >>> net = mx.gluon.nn.Dense(1, in_units=1, use_bias=False)
        >>> net.initialize(mx.init.One())
        >>> trainer = mx.gluon.Trainer(net.collect_params(), "adamw", {"learning_rate": 0.1, "wd": 0.5})
        >>> with mx.autograd.record():
        ...     loss = net(mx.nd.ones((1, 1)))
        >>> loss.backward()
        >>> trainer.step(1)
        >>> round(net.weight.data().asnumpy().item(), 4)
        0.85
    """

    def __init__(
        self,
        learning_rate: Optional[float] = None,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        **kwargs: Any,
    ) -> None:
        # A default handed on would be written over the scheduler's rate.
        if learning_rate is None and kwargs.get("lr_scheduler") is None:
            learning_rate = 0.001
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def create_state(self, index: int, weight: Any) -> Tuple[Any, Any]:
        """Zeros for the gradient's first and second moments."""
        zeros = [mx.nd.zeros(weight.shape, weight.context, dtype=weight.dtype) for _ in range(2)]
        return zeros[0], zeros[1]

    def update(self, index: int, weight: Any, grad: Any, state: Tuple[Any, Any]) -> None:
        """One step on one parameter."""
        self._update_count(index)
        t = self._index_update_count[index]
        lr, wd = self._get_lr(index), self._get_wd(index)
        # MXNet's adamw_update takes the gradient's scale as an array, for which each parameter would wait for all that
        # is queued, and five times as long per weight; its multi_adamw_update loses four digits of v by cancellation.
        if wd:
            mx.nd.sgd_update(weight, weight, out=weight, lr=lr * wd)  # w − lr·wd·w
        clip = {} if self.clip_gradient is None else {"clip_gradient": self.clip_gradient}
        mx.nd.adam_update(
            weight,
            grad,
            *state,
            out=weight,
            lr=lr * math.sqrt(1 - self.beta2**t) / (1 - self.beta1**t),
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            rescale_grad=self.rescale_grad,
            **clip,
        )


@Optimizer.register
class PlainSGD(mx.optimizer.SGD):
    """MXNet's SGD, to the last bit without weight decay, in a third of its time where there is no momentum.

    ``"sgd"`` updates four parameters in one call of an operator that for each of the four counts through as many
    weights as the largest has. Here each parameter has a call of its own, ``sgd_update``. With momentum, and for half
    precision, this is MXNet's own.

    Example:
        >>> net = mx.gluon.nn.Dense(1, in_units=1, use_bias=False)
        >>> net.initialize(mx.init.One())
        >>> trainer = mx.gluon.Trainer(net.collect_params(), "plainsgd", {"learning_rate": 0.5})
        >>> with mx.autograd.record():
        ...     loss = net(mx.nd.ones((1, 1)))
        >>> loss.backward()
        >>> trainer.step(1)
        >>> net.weight.data().asnumpy().item()
        0.5
    """

    def update_multi_precision(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step on one parameter or on lists of them."""
        if not isinstance(index, (list, tuple)):
            index, weight, grad, state = [index], [weight], [grad], [state]
        half = self.multi_precision and weight[0].dtype == np.float16
        if half or self.momentum > 0 or any(isinstance(array, BaseSparseNDArray) for array in (*weight, *grad)):
            super().update_multi_precision(index, weight, grad, state)
            return
        self._update_count(index)
        options = {"rescale_grad": self.rescale_grad}  # each that MXNet has to read costs a microsecond a parameter
        if self.clip_gradient:
            options["clip_gradient"] = self.clip_gradient
        rates, decays = self._get_lrs(index), self._get_wds(index)
        for array, gradient, rate, decay in zip(weight, grad, rates, decays):
            decaying = {"wd": decay} if decay else {}
            mx.nd.sgd_update(array, gradient, out=array, lr=rate, **options, **decaying)
