"""Schedule more than the rate: momentum, weight decay, batch size; and a rate that watches the training."""

from .batch_size import ScheduledBatches, grow_batch_instead
from .hyperparameters import HyperparameterSchedule, RescaleMomentum
from .plateau import ReduceOnPlateau
from .weight_decay import ScheduledWeightDecay

__all__ = [
    "HyperparameterSchedule",
    "ReduceOnPlateau",
    "RescaleMomentum",
    "ScheduledBatches",
    "ScheduledWeightDecay",
    "grow_batch_instead",
]
