"""Exact capture and restore of a net and its trainer: in memory, or on disk without pickles."""

from .disk import load, save
from .memory import Snapshot, capture, restore
from .reach import blocks_within, parameters_of
from .undo import preserved

__all__ = ["Snapshot", "blocks_within", "capture", "load", "parameters_of", "preserved", "restore", "save"]
