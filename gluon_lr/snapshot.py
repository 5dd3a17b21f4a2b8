"""Exact capture and restore of a net and its trainer: the public names of :mod:`gluon_lr.state`."""

from .state import Snapshot, capture, load, preserved, restore, save

__all__ = ["Snapshot", "capture", "load", "preserved", "restore", "save"]
