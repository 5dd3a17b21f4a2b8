"""What is asked of each way of scheduling: whether it beats its counterpart. No source published figures for these."""

from __future__ import annotations

from .experiment import COUNTERPARTS

PAIRS = [(name, other) for name, other in COUNTERPARTS.items() if other]
# The least difference of accuracy that would matter (δ): half a point, the error of an accuracy near 0.87 on 10,000
# images is a third of a point. Fixed when there were three seeds, before others.
DELTA = 0.005
