"""What is asked of each way of scheduling: whether it beats its counterpart. No source published figures for these."""

from __future__ import annotations

from .experiment import COUNTERPARTS

PAIRS = [(name, other) for name, other in COUNTERPARTS.items() if other]
