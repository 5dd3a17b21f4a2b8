"""A study's command: its options, its runs, its report."""

from __future__ import annotations

import contextlib
import logging
import os
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any, ContextManager, List, Optional, Sequence

from ..data.fetch import obtain
from ..errors import RecordError, UsageError
from ..experiments.record import Record
from ..experiments.spec import RunSpec
from ..experiments.store import Store
from ..experiments.sweep import cluster, sweep
from ..experiments.tracking import MlflowTracker
from ..files import writable_folder
from ..report.blocks import update_blocks
from .options import Options, parse
from .study import Study

log = logging.getLogger(__name__)


def command(study: Study, argv: Optional[List[str]] = None) -> int:
    """A study's command line: train what is missing, write the report, print its table; the exit code."""
    options = parse(study, argv)
    options = replace(options, variant=study.variant(options))
    if options.markdown and (options.variant or options.epochs not in (None, study.epochs)):
        raise UsageError("trainings that differ from the study's are on no page: leave --markdown out")
    specs = study.specifications(options)
    if not options.report_only:
        for dataset in study.datasets:
            obtain(dataset, options.data_dir)  # once, here, rather than in every worker at the same time
    code = _run(study, options, specs)
    records, _ = study.read(options.folder)
    for paragraph in study.words(records, options) if study.words else []:
        print("\n" + textwrap.fill(paragraph, 100))
    stamp = " (QUICK RUN: not comparable)" if options.quick else ""
    table = study.summary(records, options)
    print(f"\n{table.caption}{stamp}\n{table.markdown()}")
    for more in study.further(records, options) if study.further else []:
        print(f"\n{more.caption}{stamp}\n{more.markdown()}")
    for page in options.markdown:
        update_blocks(page, study.generated(records))
    return code


def _run(study: Study, options: Options, specs: Sequence[RunSpec]) -> int:
    """Train what is missing, write the report, say where it is; the exit code."""
    folder = options.folder
    Store(folder).require_own(study.name)
    before = {} if options.fresh else {spec.key: _is_complete(Store(folder), spec) for spec in specs}
    records: List[Record] = []
    tracking: Optional[MlflowTracker] = None
    if options.report_only:
        if not Store(folder).paths():
            quick = " (quick ones are there: add --quick)" if Store(folder / "quick").paths() else ""
            raise UsageError(
                f"no records in {folder}{quick}: leave --report-only out to make some, or name another --out"
            )
    else:
        _check_context(options.ctx)
        tracking = _tracking(options, specs, folder)
        if tracking is not None:
            print(f"MLflow: {tracking.uri}", flush=True)
        records = _train(study, options, specs, tracking or contextlib.nullcontext())
        if options.kvstore and not records:
            return 0  # another worker of the same training reports it
    done = [spec for spec in specs if before.get(spec.key)]
    if not options.report_only and done:
        print(f"{len(done)} of {len(specs)} runs read from {folder / 'runs'}, {len(specs) - len(done)} trained")
    contexts = sorted({r.environment["context"] for r in records if r.environment and r.status != "failed"})
    if contexts:
        print(f"trained on {', '.join(contexts)}")
    page = study.write_report(folder, options.quick)
    for note in study.read(folder)[1]:
        log.warning("%s", note)
    if tracking is not None:
        tracking.figures(sorted((folder / "figures").glob("*.png")))
    print(f"report: {page}\nresults: {folder / 'results.csv'}")
    failed = [record for record in records if record.status == "failed"]
    for record in failed:
        print(f"failed: {record.spec['run']} seed {record.spec['seed']}: {record.failure}")
    return 1 if failed else 0


def _is_complete(store: Store, spec: RunSpec) -> bool:
    """Whether a run is recorded whole already; a damaged record is not, and is reported where it is read."""
    with contextlib.suppress(RecordError):
        found = store.find(spec)
        return found is not None and found.complete
    return False


def _train(study: Study, options: Options, specs: Sequence[RunSpec], tracking: ContextManager[Any]) -> List[Record]:
    """The runs, over processes, a cluster, or the processes of one training.

    They are followed by ``tracking`` from when they begin: a run that is to be made again still has its old record
    before.
    """
    before = study.before or (lambda options: None)
    if options.kvstore is not None:
        if len(specs) != 1:
            raise UsageError(
                f"--kvstore trains one run over its processes, here are {len(specs)}: choose one by --only and --seeds"
            )
        from ..experiments.distributed import train_together

        before(options)
        with tracking:
            record = train_together(
                specs[0], study.build, options.folder, options.kvstore, options.ctx, options.data_dir
            )
        return [] if record is None else [record]
    with cluster(options.dask):
        before(options)
        if options.fresh:  # before they are followed: the old records are not news
            for spec in specs:
                Store(options.folder).forget(spec)
        with tracking:
            return sweep(
                specs,
                study.build,
                options.folder,
                jobs=options.jobs,
                ctx=options.ctx,
                data_dir=options.data_dir,
                fresh=options.fresh,
            )


def _tracking(options: Options, specs: Sequence[RunSpec], folder: Path) -> Optional[MlflowTracker]:
    if options.track is None:
        return None
    own_store = not (options.track or os.environ.get("MLFLOW_TRACKING_URI"))
    return MlflowTracker(options.track, specs[0].study, specs, writable_folder(folder) if own_store else folder)


def _check_context(name: str) -> None:
    """Refuse a context that is not there before any worker starts; MXNet is loaded only where that takes it."""
    if name.startswith("gpu"):
        from ..training import try_context

        try_context(name)
