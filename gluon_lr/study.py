"""What the studies' command lines share: their options, and the way from specifications to a written report."""

from __future__ import annotations

import contextlib
import logging
import os
from argparse import Namespace
from pathlib import Path
from typing import Callable, List, Optional, Sequence

from .cli import Parser, check_context, choice_list, folder, positive_int, readme, seeds
from .data.fetch import obtain
from .data.sources import Dataset
from .errors import RecordError, UsageError
from .files import writable_folder
from .records import Record, RunSpec, read_comparable, read_record
from .report.comparison import arms_table
from .runs import Build
from .sweep import cluster, sweep
from .tracking import MlflowTracker, tracker

log = logging.getLogger(__name__)


def study_parser(
    name: str, description: str, runs: Sequence[str], epochs: int, out: str, blocks: Sequence[str]
) -> Parser:
    """A parser with the options that every study takes; ``blocks`` are those that it generates in a README."""
    parser = Parser(prog=f"python -m gluon_lr.{name}", description=description)
    listed = ",".join(runs)
    parser.add_argument(
        "--only", type=choice_list(list(runs)), default=list(runs), metavar="RUNS", help=f"some of {listed}"
    )
    parser.add_argument("--epochs", type=positive_int, help=f"epochs a run (default {epochs})")
    parser.add_argument("--seeds", type=seeds, default=[0], help="such as 0, 0-4 or 1,3,5 (default 0)")
    parser.add_argument("--jobs", type=positive_int, help="runs side by side (default: one a core or a few more)")
    parser.add_argument("--ctx", type=check_context, default="auto", help="auto, cpu, gpu or gpu:1 (default auto)")
    parser.add_argument("--out", type=folder, default=Path(out), help=f"folder for records and report (default {out})")
    parser.add_argument(
        "--data-dir",
        type=folder,
        metavar="FOLDER",
        help="folder that holds a folder per dataset (default $MXNET_HOME/datasets)",
    )
    parser.add_argument("--dask", metavar="ADDRESS", help="do the runs on the Dask cluster with this scheduler")
    parser.add_argument(
        "--kvstore", choices=["dist_sync"], help="train each run over several processes, found by DMLC_ variables"
    )
    parser.add_argument(
        "--track", type=tracker, metavar="mlflow[:URI]", help="tell MLflow of the runs; default a store in --out"
    )
    parser.add_argument("--quick", action="store_true", help="a minute: few epochs, a slice of the data; stamped so")
    parser.add_argument("--report-only", action="store_true", help="train nothing; write the report from what is there")
    parser.add_argument("--fresh", action="store_true", help="forget the records of these runs and make them anew")
    parser.add_argument(
        "--readme", type=readme(blocks), metavar="FILE", help="also rewrite the generated blocks of this Markdown file"
    )
    return parser


def parse(parser: Parser, argv: Optional[List[str]]) -> Namespace:
    """The options, with those refused that do not go together: a choice that has no effect is said, not ignored.

    Raises:
        UsageError: naming them.
    """
    options = parser.parse_args(argv)
    training = [name for name in ("track", "dask", "kvstore", "fresh") if getattr(options, name) not in (None, False)]
    if options.report_only and training:
        raise UsageError(f"--report-only trains nothing: leave --{training[0]} out, or leave --report-only out")
    if options.quick and options.readme:
        raise UsageError("--quick is not comparable, its figures stand in no README: leave one of the two out")
    if options.kvstore and (options.dask is not None or options.jobs is not None or options.fresh):
        raise UsageError("--kvstore trains one run over its own processes: leave --dask, --jobs and --fresh out")
    return options


def output_folder(options: Namespace) -> Path:
    """Where this call's records go: a quick call's stay apart from the full ones."""
    return options.out / "quick" if options.quick else options.out


def run_study(
    options: Namespace,
    specs: Sequence[RunSpec],
    build: Build,
    write_report: Callable[[Path, bool], Path],
    first: Callable[[], None] = lambda: None,
) -> int:
    """Train what is missing, write the report, say where it is; the exit code. ``first`` is called when everything
    that the command was given has been found to be right, before the trainings."""
    folder = output_folder(options)
    _require_own_records(specs[0].study, folder)
    records: List[Record] = []
    tracking: Optional[MlflowTracker] = None
    if options.report_only:
        if not any((folder / "runs").glob("*.json")):
            raise UsageError(f"no records in {folder}: leave --report-only out to make some, or name another --out")
    else:
        _check_context(options.ctx)
        tracking = _tracking(options, specs, folder)
        with tracking or contextlib.nullcontext():
            records = _do(options, specs, build, folder, first)
        if options.kvstore and not records:
            return 0  # another worker of the same training tells of it
    contexts = sorted({r.environment["context"] for r in records if r.environment})
    if contexts:
        print(f"trained on {', '.join(contexts)}")
    page = write_report(folder, options.quick)
    for note in read_comparable(folder)[1]:
        log.warning("%s", note)
    if tracking is not None:
        tracking.figures(sorted((folder / "figures").glob("*.png")))
        print(f"MLflow: {tracking.uri}")
    print(f"report: {page}\nresults: {folder / 'results.csv'}")
    failed = [record for record in records if record.status == "failed"]
    for record in failed:
        print(f"failed: {record.spec['run']} seed {record.spec['seed']}: {(record.error or '').splitlines()[-1]}")
    return 1 if failed else 0


def run_comparison(
    options: Namespace,
    dataset: Dataset,
    specs: Sequence[RunSpec],
    build: Build,
    write_report: Callable[[Path, bool], Path],
) -> int:
    """Fetch the data, do what :func:`run_study` does, and print the table of arms; the exit code."""
    if not options.report_only:
        obtain(dataset, options.data_dir)  # once, here, rather than in every worker at the same time
    code = run_study(options, specs, build, write_report)
    table = arms_table(read_comparable(output_folder(options))[0], "QUICK RUN" if options.quick else "The last epoch")
    print(f"\n{table.caption}\n{table.markdown()}")
    return code


def _require_own_records(study: str, folder: Path) -> None:
    """Refuse a folder with another study's records, before hours of work rather than after."""
    for path in sorted((folder / "runs").glob("*.json")):
        with contextlib.suppress(RecordError):  # said where it is needed
            found = read_record(path).spec["study"]
            if found != study:
                raise UsageError(f"{folder} holds records of the study {found}, not of {study}: name another --out")


def _do(
    options: Namespace, specs: Sequence[RunSpec], build: Build, folder: Path, first: Callable[[], None]
) -> List[Record]:
    """The runs, over processes, a cluster, or the processes of one training."""
    if options.kvstore is not None:
        if len(specs) != 1:
            raise UsageError(
                f"--kvstore trains one run over its processes, here are {len(specs)}: choose one by --only and --seeds"
            )
        from .distributed import train_together

        first()
        record = train_together(specs[0], build, folder, options.kvstore, options.ctx, options.data_dir)
        return [] if record is None else [record]
    with cluster(options.dask):
        first()
        return sweep(
            specs, build, folder, jobs=options.jobs, ctx=options.ctx, data_dir=options.data_dir, fresh=options.fresh
        )


def _tracking(options: Namespace, specs: Sequence[RunSpec], folder: Path) -> Optional[MlflowTracker]:
    if options.track is None:
        return None
    own_store = not (options.track or os.environ.get("MLFLOW_TRACKING_URI"))
    return MlflowTracker(options.track, specs[0].study, specs, writable_folder(folder) if own_store else folder)


def _check_context(name: str) -> None:
    """Refuse a context that is not there before any worker starts; MXNet is loaded only where that takes it."""
    if name.startswith("gpu"):
        from .training import try_context

        try_context(name)
