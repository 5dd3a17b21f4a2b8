"""AdamW for Gluon's trainer, on the fused operator that MXNet has but gives no class."""

from __future__ import annotations

import math
from typing import Any, Optional, Tuple

import mxnet as mx
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
        """One fused step on one parameter."""
        self._update_count(index)
        t = self._index_update_count[index]
        lr, wd = self._get_lr(index), self._get_wd(index)
        corrected = lr * math.sqrt(1 - self.beta2**t) / (1 - self.beta1**t)
        mean, variance = state
        # The operator computes w − eta·(lr·m/(√v + ε) + wd·w): with eta = 1 the decay gets its rate from here.
        clip = {} if self.clip_gradient is None else {"clip_gradient": self.clip_gradient}
        scale = mx.nd.array([self.rescale_grad], ctx=weight.context, dtype="float32")
        mx.nd.contrib.adamw_update(
            weight,
            grad,
            mean,
            variance,
            rescale_grad=scale,
            lr=corrected,
            eta=1.0,
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            wd=lr * wd,
            out=weight,
            **clip,
        )
