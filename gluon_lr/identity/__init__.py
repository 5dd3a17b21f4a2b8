"""What a value is, so that another one is not taken for it: the same in every process."""

from .walk import describe, identify

__all__ = ["describe", "identify"]
