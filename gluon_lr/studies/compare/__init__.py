"""A study of the user's own: schedules compared on any net and data."""

from .comparison import Comparison
from .experiment import compare

__all__ = ["Comparison", "compare"]
