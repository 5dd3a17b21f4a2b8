"""The chapter's generated blocks in the README, made of the committed records."""

from __future__ import annotations

from typing import Dict, Sequence

from ..records import Record
from .report import claims_table, outside_notes, results_table


def blocks(records: Sequence[Record]) -> Dict[str, str]:
    """Block name → Markdown."""
    from . import READINGS
    from .report import select

    verdicts = [claims_table(records, reading) for reading in READINGS if len(select(records, reading)) > 5]
    lines = []
    for table in verdicts:
        lines += [f"**{table.caption}**", "", table.markdown(), ""]
    return {
        "chapter-results": "\n\n".join([results_table(records).markdown(), *outside_notes(records)]),
        "chapter-claims": "\n".join(lines).strip(),
    }
