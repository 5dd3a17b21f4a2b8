"""Scheduled weight decay: as strong as the gradients are weak."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from ..state.private import gradient_is_fresh, mark_gradient, second_moments, trainer_parameters


@dataclass(frozen=True)
class ScheduledWeightDecay:
    """Decay the weights before each update, decoupled from the gradient, by a strength that follows the training.

    With Adam: w ← w·(1 − η·λ/√v̄), where v̄ is the mean of the bias-corrected second moments over *all* weights. With
    SGD of momentum m: w ← w·(1 − η·λ/(1 − m)), the strength that the momentum's sum of steps needs. The optimizer's
    own ``wd`` has to be 0; each parameter's ``wd_mult`` counts.

    Args:
        decay: λ.

    Source: Xie et al., On the Overlooked Pitfalls of Weight Decay (SWD).
    """

    decay: float

    def apply(self, trainer: Any, t: int) -> None:
        """Decay all weights ahead of update ``t``.

        Raises:
            UsageError: the optimizer decays too, or is neither Adam nor SGD.
        """
        optimizer = trainer.optimizer
        if optimizer.wd != 0:
            raise UsageError(f"the optimizer decays by itself (wd={optimizer.wd:g}): build it with wd=0")
        kind = type(optimizer).__name__
        rate = optimizer.lr_scheduler(t) if optimizer.lr_scheduler is not None else optimizer.lr
        if kind in ("SGD", "NAG"):
            strength = 1 / (1 - optimizer.momentum)
        elif kind in ("Adam", "AdamW"):
            strength = self._adam_strength(trainer)
        else:
            raise UsageError(f"scheduled weight decay is defined for SGD and Adam, not for {kind}")
        for parameter in trainer_parameters(trainer):
            if parameter.grad_req == "null" or parameter.wd_mult == 0:
                continue
            for array in parameter.list_data():
                fresh = gradient_is_fresh(array)
                array *= 1 - rate * self.decay * strength * parameter.wd_mult
                mark_gradient(array, fresh)

    def _adam_strength(self, trainer: Any) -> float:
        """1/√v̄; 0 before there are moments."""
        total, size = 0.0, 0
        for variance, updates in second_moments(trainer):
            total += variance.sum().asnumpy().item() / (1 - trainer.optimizer.beta2**updates)
            size += variance.size
        return 1 / math.sqrt(total / size) if total > 0 else 0.0
