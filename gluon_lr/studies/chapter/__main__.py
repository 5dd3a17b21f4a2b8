"""``python -m gluon_lr.chapter``: train the chapter's five networks and write the report."""

from __future__ import annotations

from typing import List, Optional, Sequence

from ...cli import function_name, positive_rate, run
from ...data.sources import FASHION_MNIST
from ...experiments.record import Record
from ...experiments.spec import RunSpec
from ...report.tables import Table
from ..command import command
from ..options import Options
from ..study import Study
from .answer import EVIDENCE, answer_table, answer_words, own_and_committed
from .blocks import (
    claims_block,
    collapses_block,
    earlier_block,
    outside_block,
    power_block,
    readings_block,
    results_block,
)
from .experiment import EPOCHS, QUICK_EPOCHS, QUICK_IMAGES, READINGS, RUNS, build, specifications
from .published import results_table
from .report import claims_table, write_report
from .variation import RATE, Variation, own_schedule


def _variation(options: Options) -> Variation:
    own = options.own
    return Variation(own["lr"] or RATE, dict(own["schedule"] or ()), own["net"])


def _specifications(options: Options) -> List[RunSpec]:
    epochs = options.epochs or (QUICK_EPOCHS if options.quick else EPOCHS)
    limit = QUICK_IMAGES if options.quick else None
    return specifications(options.only, options.own["reading"], options.seeds, epochs, limit, _variation(options))


def _summary(records: Sequence[Record], options: Options) -> Table:
    own, others = own_and_committed(records, options.own["reading"], options.folder)
    return answer_table(own, others, options.own["reading"]) if others else results_table(own, options.own["reading"])


def _words(records: Sequence[Record], options: Options) -> List[str]:
    own, others = own_and_committed(records, options.own["reading"], options.folder)
    return answer_words(own, others, options.quick) if options.folder.resolve() != EVIDENCE else []


def _further(records: Sequence[Record], options: Options) -> List[Table]:
    table = claims_table(records, options.own["reading"])
    return [table] if table.rows else []


CHAPTER = Study(
    name="chapter",
    description="LeNet on Fashion-MNIST under the chapter's five schedules: published beside reproduced.",
    takes="Takes 7 minutes a seed on two idle cores, with --quick one minute.",
    runs=RUNS,
    epochs=EPOCHS,
    datasets=(FASHION_MNIST,),
    specifications=_specifications,
    build=build,
    write_report=write_report,
    summary=_summary,
    words=_words,
    further=_further,
    blocks={
        "chapter-results": results_block,
        "chapter-outside": outside_block,
        "chapter-earlier": earlier_block,
        "chapter-readings": readings_block,
        "chapter-collapses": collapses_block,
        "chapter-claims": claims_block,
        "chapter-power": power_block,
    },
    own_options={
        "reading": {
            "choices": READINGS,
            "default": READINGS[0],
            "help": "schedules drawn first and counted in updates (as-printed, the default), fresh and counted in "
            "updates, counted in epochs (per-epoch), or that with a warmup that rises with every update "
            "(per-epoch-ramped)",
        },
        "lr": {
            "type": positive_rate,
            "metavar": "RATE",
            "help": f"the constant rate; all rates of the other schedules are scaled alike (default {RATE})",
        },
        "schedule": {
            "type": own_schedule,
            "action": "append",
            "metavar": "NAME=module:function",
            "help": "one more schedule: a function of rate, epochs and updates an epoch; may be given again",
        },
        "net": {
            "type": function_name,
            "metavar": "module:function",
            "help": "a function of the context, for a net",
        },
    },
    variant=lambda options: _variation(options).folder,
)


def main(argv: Optional[List[str]] = None) -> int:
    """The command line; the exit code."""
    return command(CHAPTER, argv)


if __name__ == "__main__":
    run(main, "chapter")
