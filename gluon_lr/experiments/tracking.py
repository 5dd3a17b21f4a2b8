"""Send runs to an MLflow server: their parameters, each epoch's metrics and rate, and the report's figures.

The records on disk stay the truth. The command that runs the sweep reads them as they grow and sends the news to
MLflow. So no worker ever waits for the server, and no run is lost if the server disappears.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import threading
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from ..errors import RecordError, UsageError
from .record import Record, read_record
from .spec import RunSpec
from .store import Store

log = logging.getLogger(__name__)

_EVERY = 2.0  # seconds between two looks at the records
_LOST_EVERY = 20.0  # the same while the server does not answer
_METRICS = ("train_loss", "train_acc", "test_loss", "test_acc", "valid_loss", "valid_acc", "seconds")
_RATE = "greatest_lr_at_epoch_ends"
_STATUS = {"finished": "FINISHED", "collapsed": "FINISHED", "failed": "FAILED"}


def tracker(choice: str) -> str:
    """``mlflow`` or ``mlflow:URI``, for ``type=``; the URI, or an empty string for the default.

    Example:
        >>> tracker("mlflow:http://127.0.0.1:5000")
        'http://127.0.0.1:5000'
    """
    import argparse

    name, _, uri = choice.partition(":")
    if name != "mlflow":
        raise argparse.ArgumentTypeError(f"unknown tracker {choice!r}; expected mlflow or mlflow:URI")
    return uri


class MlflowTracker:
    """Follow a sweep's records in the block and send them to MLflow: each run of ours becomes a run there.

    Args:
        uri: of the server or store; empty for ``$MLFLOW_TRACKING_URI``, and without that a store in ``folder``.
        study: the experiment's name.
        specs: the runs.
        folder: where their records are.

    Raises:
        UsageError: MLflow is not installed, or nobody answers at ``uri`` to begin with.
    """

    def __init__(self, uri: str, study: str, specs: Sequence[RunSpec], folder: Path) -> None:
        # Give up soon on a server that disappears; with the defaults, the client retries for minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise UsageError("--track needs MLflow: install gluon_lr[tracking]") from error
        logging.getLogger("alembic").setLevel(logging.WARNING)
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # we warn of the same once, below
        self.folder, self.specs = Path(folder).resolve(), list(specs)
        self._store = Store(self.folder)
        self.uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.folder / 'mlflow.db'}"
        self._epochs_sent: Dict[str, int] = {}  # key → epochs that MLflow knows
        self._runs: Dict[str, str] = {}  # key → MLflow's run
        self._ended: Dict[str, bool] = {}
        self._lost = False
        self._where = hashlib.sha1(str(self.folder).encode("utf-8")).hexdigest()[:16]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        try:
            self._client = MlflowClient(self.uri)
            self._experiment = self._find_experiment(study)
        except Exception as error:
            raise UsageError(
                f"no MLflow at {self.uri} ({_line(error)}). Start one with `mlflow server`, or leave the URI out for a "
                "store of its own"
            ) from error

    def __enter__(self) -> "MlflowTracker":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join()
        self._send_news(final=True)

    def figures(self, pictures: Sequence[Path]) -> None:
        """Give every run of the sweep the report's pictures."""
        for run in self._runs.values():
            for picture in pictures:
                if not self._try(self._client.log_artifact, run, str(picture), "figures"):
                    return

    def _follow(self) -> None:
        while not self._stop.wait(_LOST_EVERY if self._lost else _EVERY):
            self._send_news()

    def _send_news(self, final: bool = False) -> None:
        """Send MLflow what is new in the records. What cannot be sent now is sent at the next look.

        A record that says ``failed`` may come from an earlier call, and this call may be about to repeat its run. So
        it is sent only at the end.
        """
        for spec in self.specs:
            if self._ended.get(spec.key):
                continue
            try:
                record = read_record(self._store.record_path(spec))
            except RecordError:
                continue  # not begun yet; or damaged, and then the sweep reports it
            if record.status == "failed" and not final:
                continue
            if record.status not in _STATUS and record.epochs == self._epochs_sent.get(spec.key):
                continue
            if not self._try(self._send_run, spec, record):
                return

    def _send_run(self, spec: RunSpec, record: Record) -> None:
        if spec.key not in self._runs:
            self._runs[spec.key], self._epochs_sent[spec.key] = self._find_run(spec, record)
        run, known = self._runs[spec.key], self._epochs_sent[spec.key]
        if record.epochs > known:
            self._client.log_batch(run, metrics=_metrics(record, known))
            self._epochs_sent[spec.key] = record.epochs
        if record.status in _STATUS:
            if record.complete:
                self._log_greatest_rate(run, record)
            self._client.set_tag(run, "outcome", record.status)
            self._client.set_terminated(run, _STATUS[record.status])
            self._ended[spec.key] = True

    def _log_greatest_rate(self, run: str, record: Record) -> None:
        """The greatest rate that an epoch began or ended with, as a parameter: what a sweep over rates is grouped by.

        MLflow refuses another value for a parameter, so a run that is made again keeps its first one.
        """
        rates = [*record.history.get("lr_first", ()), *record.history.get("lr_last", ())]
        if rates and _RATE not in self._client.get_run(run).data.params:
            self._client.log_param(run, _RATE, max(rates))

    def _find_experiment(self, study: str) -> str:
        found = self._client.get_experiment_by_name(study)
        if found is not None:
            return found.experiment_id
        # We choose where a store of our own keeps its pictures; a server chooses for itself.
        where = (self.folder / "mlartifacts").as_uri() if self.uri.startswith("sqlite:") else None
        return self._client.create_experiment(study, artifact_location=where)

    def _find_run(self, spec: RunSpec, record: Record) -> "tuple[str, int]":
        """MLflow's run of ``spec``, found or created, and how many epochs it has; an earlier call may have begun it."""
        wanted = f"tags.key = '{spec.key}' and tags.folder = '{self._where}'"
        for run in self._client.search_runs([self._experiment], wanted, max_results=1):
            sent = self._client.get_metric_history(run.info.run_id, "train_loss")
            known = max((metric.step for metric in sent), default=0)
            if known <= record.epochs:  # it knows more if the run has been repeated since
                self._log_parameters(run.info.run_id, record, run.data.params)
                return run.info.run_id, known
        run = self._client.create_run(
            self._experiment, run_name=spec.key, tags={"key": spec.key, "folder": self._where}
        )
        self._log_parameters(run.info.run_id, record, {})
        return run.info.run_id, 0

    def _log_parameters(self, run: str, record: Record, known: Dict[str, Any]) -> None:
        """Log what MLflow does not know yet: its server may have gone away half-way."""
        for name, value in _parameters(record).items():
            if name not in known:
                self._client.log_param(run, name, value)

    def _try(self, call: Any, *arguments: Any) -> bool:
        """Whether ``call`` succeeded. If the server disappears, the user gets one warning."""
        try:
            call(*arguments)
        except Exception as error:
            if not self._lost:
                log.warning("MLflow at %s does not answer (%s); training goes on", self.uri, _line(error))
            self._lost = True
            return False
        if self._lost:
            log.warning("MLflow at %s answers again", self.uri)
        self._lost = False
        return True


def _parameters(record: Record) -> Dict[str, Any]:
    spec = {key: value for key, value in record.spec.items() if key != "settings"}
    values = {**spec, **record.spec["settings"], "dataset_edition": record.edition, **record.environment}
    if record.status == "failed":  # it may be run again elsewhere, and MLflow keeps the first values
        values = {**spec, **record.spec["settings"]}
    return {name: str(value)[:500] for name, value in values.items()}


def _metrics(record: Record, known: int) -> List[Any]:
    """MLflow's metrics of the epochs after ``known``; its step is the epoch, from 1."""
    import time

    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    names: Dict[str, Optional[str]] = {**{name: name for name in _METRICS}, "lr_mean": "learning_rate"}
    return [
        Metric(shown, float(record.history[name][epoch]), now, epoch + 1)
        for name, shown in names.items()
        for epoch in range(known, len(record.history.get(name, ())))
        if math.isfinite(record.history[name][epoch])
    ]


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
