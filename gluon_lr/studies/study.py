"""What a study is: its runs, how one is built, what it claims, and its report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ..analysis.selection import read_comparable
from ..data.sources import Dataset
from ..experiments.record import Record
from ..experiments.spec import Build, RunSpec
from ..report.tables import Table
from .options import Options


@dataclass(frozen=True)
class Study:
    """A source reproduced: everything that its command line needs.

    Args:
        name: of the study and of its command.
        description: one sentence for ``--help``.
        takes: how long the command takes, and its ``--quick`` form, for ``--help``.
        runs: the names of its runs.
        epochs: of a run, by default.
        datasets: what it trains on.
        specifications: the runs that the options ask for.
        build: a run's ingredients.
        write_report: writes the report of a folder (and whether its runs were quick ones); the page's path.
        summary: the table that is printed at the end.
        blocks: the generated blocks of Markdown files: name → function of the records.
        own_options: name → what ``add_argument`` takes for it.
        variant: the name of a folder of its own for runs that those options change; empty where they do not.
        words: what is printed above the table, a paragraph each.
        further: tables that are printed below the first.
        before: what to do before the trainings, once the options have been checked.
        read: the records of a folder that may stand in one table, and notes on those left out.
    """

    name: str
    description: str
    takes: str
    runs: Sequence[str]
    epochs: int
    datasets: Sequence[Dataset]
    specifications: Callable[[Options], List[RunSpec]]
    build: Build
    write_report: Callable[[Path, bool], Path]
    summary: Callable[[Sequence[Record], Options], Table]
    blocks: Mapping[str, Callable[[Sequence[Record]], str]]
    own_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variant: Callable[[Options], str] = lambda options: ""
    words: Optional[Callable[[Sequence[Record], Options], List[str]]] = None
    further: Optional[Callable[[Sequence[Record], Options], List[Table]]] = None
    before: Optional[Callable[[Options], Any]] = None
    read: Callable[[Path], Tuple[List[Record], List[str]]] = read_comparable

    def generated(self, records: Sequence[Record]) -> Dict[str, str]:
        """Block name → Markdown."""
        return {name: make(records) for name, make in self.blocks.items()}
