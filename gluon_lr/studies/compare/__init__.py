"""A study of the user's own: schedules compared on any net and data."""

from .experiment import Comparison, compare

__all__ = ["Comparison", "compare"]
