"""What else is scheduled: momentum, weight decay, batch size; and rates that watch the training."""

from .autolrs import AutoLRS, Candidate
from .batch_size import ScheduledBatches, grow_batch_instead
from .heavy_ball import AdaptiveHeavyBall
from .hyperparameters import HyperparameterSchedule, RescaleMomentum
from .plateau import ReduceOnPlateau
from .weight_decay import ScheduledWeightDecay

__all__ = [
    "AdaptiveHeavyBall",
    "AutoLRS",
    "Candidate",
    "HyperparameterSchedule",
    "ReduceOnPlateau",
    "RescaleMomentum",
    "ScheduledBatches",
    "ScheduledWeightDecay",
    "grow_batch_instead",
]
