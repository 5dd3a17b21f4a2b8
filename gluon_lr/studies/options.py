"""The options of a study's command line."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence

from ..cli import Parser, check_context, choice_list, folder, positive_int, seeds
from ..errors import UsageError
from ..experiments.tracking import tracker
from ..report.blocks import markdown_file


@dataclass(frozen=True)
class Options:
    """The options of a study's command line.

    Attributes:
        only: the runs, by name.
        seeds: of every run.
        epochs: None for the study's own.
        jobs: processes side by side; None for the default.
        ctx: a context's name.
        out: the folder that was named.
        data_dir: where data are looked for first.
        dask: the address of a Dask scheduler.
        kvstore: MXNet's parameter server, ``dist_sync``.
        track: the URI of an MLflow server, empty for a store in the output folder; None for no tracking.
        quick, report_only, fresh: as the command line has them.
        markdown: files whose generated blocks are rewritten.
        own: the study's own options.
        variant: where not empty, a folder of its own below ``out`` for runs that differ from the study's.
    """

    only: Sequence[str]
    seeds: Sequence[int]
    out: Path
    epochs: Optional[int] = None
    jobs: Optional[int] = None
    ctx: str = "auto"
    data_dir: Optional[Path] = None
    dask: Optional[str] = None
    kvstore: Optional[str] = None
    track: Optional[str] = None
    quick: bool = False
    report_only: bool = False
    fresh: bool = False
    markdown: Sequence[Path] = ()
    own: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""

    @property
    def folder(self) -> Path:
        """Where this call's records go: those of a quick call or of a variant stay apart from the full ones."""
        out = self.out / self.variant if self.variant else self.out
        return out / "quick" if self.quick else out


def study_parser(study: Any) -> Parser:
    """A parser with the options that every study takes, and the study's own."""
    parser = Parser(
        study.name,
        description=f"{study.description}\n\nWrites records, figures, results.csv and report.html. {study.takes}",
    )
    runs = list(study.runs)
    add = parser.add_argument
    add("--only", type=choice_list(runs), default=runs, metavar="RUNS", help=f"some of {','.join(runs)}")
    add("--epochs", type=positive_int, help=f"epochs a run (default {study.epochs})")
    add("--seeds", type=seeds, default=[0], help="such as 0, 0-4 or 1,3,5 (default 0)")
    add("--jobs", type=positive_int, help="runs side by side (default: one a core or a few more)")
    add("--ctx", type=check_context, default="auto", help="auto, cpu, gpu or gpu:1 (default auto)")
    out = Path("my_runs") / study.name
    add("--out", type=folder, default=out, help=f"folder for records and report (default {out})")
    add("--data-dir", type=folder, metavar="FOLDER",
        help="folder that holds a folder per dataset (default $MXNET_HOME/datasets)")  # fmt: skip
    add("--dask", metavar="ADDRESS", help="do the runs on the Dask cluster with this scheduler")
    add("--kvstore", choices=["dist_sync"], help="train each run over several processes, found by DMLC_ variables")
    add("--track", type=tracker, metavar="mlflow[:URI]", help="report the runs to MLflow; default a store in --out")
    add("--quick", action="store_true", help="a minute: few epochs, a slice of the data; stamped so")
    add("--report-only", action="store_true", help="train nothing; write the report from all that is there")
    add("--fresh", action="store_true", help="forget the records of these runs and make them again")
    add("--markdown", type=markdown_file(list(study.blocks)), metavar="FILE", action="append", default=[],
        help="also rewrite the generated blocks of this Markdown file; may be given again")  # fmt: skip
    for name, argument in study.own_options.items():
        add(f"--{name}", **argument)
    return parser


def parse(study: Any, argv: Optional[List[str]]) -> Options:
    """The options of a study's command line.

    Raises:
        UsageError: two options contradict each other.
    """
    given = vars(study_parser(study).parse_args(argv))
    own = {name: given.pop(name.replace("-", "_")) for name in study.own_options}
    options = Options(**given, own=own)
    if options.report_only and options.out.name == "quick":  # the folder of quick runs itself
        options = replace(options, quick=True, out=options.out.parent)
    training = [name for name in ("track", "dask", "kvstore", "fresh") if given[name] not in (None, False)]
    if options.report_only and training:
        raise UsageError(f"--report-only trains nothing: leave --{training[0]} out, or leave --report-only out")
    if options.quick and options.markdown:
        raise UsageError("--quick is not comparable, no page shows its figures: leave --quick or --markdown out")
    if options.kvstore and (options.dask is not None or options.jobs is not None or options.fresh):
        raise UsageError("--kvstore trains one run over its own processes: leave --dask, --jobs and --fresh out")
    return options
