"""Optimizers that MXNet has no class for; a trainer finds them by name once this room is imported."""

from .adamw import AdamW, PlainSGD
from .heavy_ball import AdaptiveHeavyBall

__all__ = ["AdamW", "AdaptiveHeavyBall", "PlainSGD"]
