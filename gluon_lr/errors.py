"""The errors a caller can expect: each says what was wrong, what was expected and what to do."""

from __future__ import annotations


class GluonLRError(Exception):
    """Anything this package raises on purpose; command lines print it as one line and exit with 1."""

    exit_code = 1


class UsageError(GluonLRError, ValueError):
    """An argument cannot be used as given; command lines exit with 2."""

    exit_code = 2


class DataError(GluonLRError):
    """A dataset is missing, damaged or cannot be fetched."""


class RecordError(GluonLRError):
    """A run's record, snapshot or checkpoint cannot be read, or belongs to something else."""


class DamagedError(RecordError):
    """A record is cut short or altered: nothing in it can be believed."""


class OutputError(GluonLRError):
    """An output folder or file cannot be written."""


class MissingDependencyError(GluonLRError, ImportError):
    """MXNet is not installed, or this machine or Python lacks what it needs; the text says what to do."""
