"""``gluon-lr talk``: train the talk's grid of schedules and rates and write the report with its plots."""

from __future__ import annotations

from typing import List, Optional, Sequence

from ...cli import run
from ...data.sources import CIFAR10
from ...errors import UsageError
from ...experiments.record import Record
from ...experiments.spec import RunSpec
from ...report.tables import Table, schedules_table
from ..command import command
from ..options import Options
from ..study import Study
from .experiment import PRESETS, QUICK, SCHEDULES, build, specifications
from .report import power_block, talk_block, write_report


def _specifications(options: Options) -> List[RunSpec]:
    if options.quick and options.own["preset"] != "small":
        raise UsageError("--quick has a size of its own: leave --preset out")
    preset = QUICK if options.quick else PRESETS[options.own["preset"]]
    return specifications(options.only, options.seeds, preset, options.epochs, options.quick)


def _summary(records: Sequence[Record], options: Options) -> Table:
    return schedules_table(records, "Each schedule at its best rate")


TALK = Study(
    name="talk",
    description="Schedules and rates compared on CIFAR-10 with a vision transformer and AdamW, with statistics.",
    takes="Takes 20 minutes a seed on two idle cores, with --quick a minute.",
    runs=SCHEDULES,
    epochs=PRESETS["small"].epochs,
    datasets=(CIFAR10,),
    specifications=_specifications,
    build=build,
    write_report=write_report,
    summary=_summary,
    blocks={"talk": talk_block, "talk-power": power_block},
    own_options={
        "preset": {"choices": list(PRESETS), "default": "small", "help": "paper is the talk's size, for a GPU"},
    },
)


def main(argv: Optional[List[str]] = None) -> int:
    """The command line; the exit code."""
    return command(TALK, argv)


if __name__ == "__main__":
    run(main, "talk")
