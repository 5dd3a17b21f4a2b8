"""Experiments: a run's specification, its record on disk, and the ways to do many of them."""

from .record import Record
from .spec import Ingredients, RunSpec
from .store import Store
from .sweep import sweep

__all__ = ["Ingredients", "Record", "RunSpec", "Store", "sweep"]
