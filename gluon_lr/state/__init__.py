"""Exact capture and restore of a net and its trainer: in memory, or on disk without pickles."""

from .disk import load, save
from .memory import Snapshot, capture, restore
from .undo import preserved

__all__ = ["Snapshot", "capture", "load", "preserved", "restore", "save"]
