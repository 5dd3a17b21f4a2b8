"""Scheduled weight decay: as strong as the gradients are weak."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import real_number
from ..errors import UsageError
from ..schedulers.foreign import next_rate
from ..state.private import (
    arrays_of,
    compresses_gradients,
    gradient_is_fresh,
    is_initialized,
    mark_gradient,
    put_weights_on_kvstore,
    second_moments,
    trainer_parameters,
    updates_on_kvstore,
    updates_on_servers,
)


@dataclass(frozen=True)
class ScheduledWeightDecay:
    """Decay the weights before each update, decoupled from the gradient, by a strength that follows the training.

    With Adam: w ← w·(1 − η·λ/√v̄), where v̄ is the mean of the bias-corrected second moments over *all* weights. With
    SGD of momentum m: w ← w·(1 − η·λ/(1 − m)), the strength that the momentum's sum of steps needs. The optimizer's
    own ``wd`` has to be 0; each parameter's ``lr_mult`` and ``wd_mult`` count.

    Args:
        decay: λ, at least 0.

    Raises:
        UsageError: λ is negative or not a finite number.

    Source: Xie et al., On the Overlooked Pitfalls of Weight Decay (SWD).
    """

    decay: float

    def __post_init__(self) -> None:
        decay = real_number("decay", self.decay)
        if not (math.isfinite(decay) and decay >= 0):
            raise UsageError(f"decay is {decay:g}: expected a finite number of at least 0")
        object.__setattr__(self, "decay", decay)

    def apply(self, trainer: Any, t: int) -> None:
        """Decay all weights ahead of update ``t``.

        Raises:
            UsageError: the optimizer decays too, is neither Adam nor SGD, keeps copies of float16 weights, or has a
                momentum of 1; parameter servers update, or a kvstore that compresses; or a weight is sparse.
        """
        optimizer = trainer.optimizer
        if optimizer.wd != 0:
            raise UsageError(f"the optimizer decays by itself (wd={optimizer.wd:g}): build it with wd=0")
        if updates_on_servers(trainer):
            raise UsageError("weights on parameter servers cannot be decayed from here: use update_on_kvstore=False")
        if updates_on_kvstore(trainer) and compresses_gradients(trainer):
            raise UsageError("weights cannot be handed to a kvstore that compresses: use update_on_kvstore=False")
        if optimizer.multi_precision and any(np.dtype(p.dtype) == np.float16 for p in trainer_parameters(trainer)):
            raise UsageError("scheduled weight decay does not reach the copies of multi_precision: leave that out")
        kind = type(optimizer).__name__
        rate = optimizer.lr if optimizer.lr_scheduler is None else next_rate(optimizer.lr_scheduler, t)
        if kind in ("SGD", "NAG", "PlainSGD"):
            if optimizer.momentum >= 1:
                raise UsageError(f"momentum is {optimizer.momentum:g}: expected less than 1")
            strength = 1 / (1 - optimizer.momentum)
        elif kind in ("Adam", "AdamW"):
            strength = self._adam_strength(trainer)
        else:
            raise UsageError(f"scheduled weight decay is defined for SGD and Adam, not for {kind}")
        for parameter in trainer_parameters(trainer):
            mult = parameter.lr_mult * parameter.wd_mult
            if parameter.grad_req == "null" or mult == 0 or not is_initialized(parameter):
                continue
            for array in arrays_of(parameter):
                if array.stype != "default":
                    raise UsageError(f"{parameter.name} is sparse: scheduled weight decay is for dense weights")
                fresh = gradient_is_fresh(array)
                array *= 1 - rate * self.decay * strength * mult
                mark_gradient(array, fresh)
        if updates_on_kvstore(trainer):
            put_weights_on_kvstore(trainer)  # it updates a copy of its own, and hands that out

    def _adam_strength(self, trainer: Any) -> float:
        """1/√v̄; 0 before there are moments."""
        total, size = 0.0, 0
        for variance, updates in second_moments(trainer):
            total += variance.sum().asnumpy().item() / (1 - trainer.optimizer.beta2**updates)
            size += variance.size
        return 1 / math.sqrt(total / size) if total > 0 else 0.0
