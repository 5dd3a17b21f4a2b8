"""Gradient descent with a momentum that adapts to the curvature along the way."""

from __future__ import annotations

import functools
import logging
import math
from typing import Any, List, Sequence, Tuple

import mxnet as mx
from mxnet.optimizer import Optimizer

from ..errors import UsageError

log = logging.getLogger(__name__)


@Optimizer.register
class AdaptiveHeavyBall(Optimizer):
    """Heavy ball with β_k = clip((1 − √(γ·‖g_k − g_{k−1}‖ / ‖x_k − x_{k−1}‖))², 0, 1 − δ):
    x_{k+1} = x_k − γ·g_k + β_k·(x_k − x_{k−1}).

    Norms are taken over all parameters together, so on several contexts the trainer has to be built with
    ``update_on_kvstore=False``: a kvstore updates one parameter after another, which is logged. The first update has no
    momentum.

    Args:
        delta: keeps β below 1; default 1e-3.
        kwargs: MXNet's own: ``learning_rate`` is γ.

    Attributes:
        beta: the last update's β.

    Raises:
        UsageError: ``multi_precision`` is asked for.

    Source: Sun et al. (2021).
    """

    def __init__(self, delta: float = 1e-3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.multi_precision:
            raise UsageError("AdaptiveHeavyBall has no multi_precision: leave it out")
        self.delta = delta
        self.beta = 0.0
        self.aggregate_num = 2**31  # all parameters in one call, for their common norm

    def create_state(self, index: int, weight: Any) -> Tuple[Any, Any]:
        """The previous weight and gradient; equal to the present weight until there is one."""
        return weight.copy(), mx.nd.zeros(weight.shape, weight.context, dtype=weight.dtype)

    def update_multi_precision(
        self, index: Sequence[int], weight: Sequence[Any], grad: Sequence[Any], state: Sequence[Tuple[Any, Any]]
    ) -> None:
        """One step on all parameters."""
        trained = sum(parameter.grad_req != "null" for parameter in self.param_dict.values())
        if len(index) == 1 < trained:
            _say_that_they_come_apart(len(index), trained)
        self._update_count(index)
        rate = (
            self.lr if self.lr_scheduler is None else self.lr_scheduler(self.num_update)
        )  # once: it may count its calls
        rates, decays = self._rates(index, rate), self._get_wds(index)
        gradients = []
        for w, g, wd in zip(weight, grad, decays):
            g = g * self.rescale_grad
            if self.clip_gradient is not None:
                g = mx.nd.clip(g, -self.clip_gradient, self.clip_gradient)
            gradients.append(g + wd * w)
        moved = _norm(w - before for w, (before, _) in zip(weight, state))
        turned = _norm(g - before for g, (_, before) in zip(gradients, state))
        self.beta = 0.0 if moved == 0 else min(1 - self.delta, (1 - math.sqrt(rate * turned / moved)) ** 2)
        for w, g, lr, (last_weight, last_grad) in zip(weight, gradients, rates, state):
            step = self.beta * (w - last_weight) - lr * g
            w.copyto(last_weight)
            g.copyto(last_grad)
            w += step

    def _rates(self, index: Sequence[int], rate: float) -> List[float]:
        """The rate of each parameter, by its ``lr_mult``."""
        kept = self.lr_scheduler, self.lr
        self.lr_scheduler, self.lr = None, rate
        try:
            return self._get_lrs(index)
        finally:
            self.lr_scheduler, self.lr = kept


def _norm(arrays: Any) -> float:
    return math.sqrt(sum((array * array).sum().asnumpy().item() for array in arrays))


@functools.lru_cache(maxsize=None)
def _say_that_they_come_apart(given: int, trained: int) -> None:
    """Once a process. It is logged, not raised: MXNet calls an update on a kvstore from C, where errors go nowhere."""
    log.warning(
        "AdaptiveHeavyBall sees %d of %d parameters, so that each has a momentum of its own: build the trainer with "
        "update_on_kvstore=False",
        given,
        trained,
    )
