"""The chapter's tables as the README and the docs show them."""

from __future__ import annotations

from typing import Sequence

from ...experiments.record import Record
from ...report.page import made_by
from ...report.verdicts import power_table
from .answer import EVIDENCE
from .claims import claims
from .experiment import READINGS, RUNS
from .published import likelihood_table, outside_notes, results_table, select
from .report import claims_left_out, claims_table, collapse_tables, earlier_draws, seeds_of


def results_block(records: Sequence[Record]) -> str:
    """Published beside reproduced, as the README shows it."""
    mixed = made_by(select(records, "as-printed"))
    return "\n\n".join([results_table(records).markdown(), *mixed])


def outside_block(records: Sequence[Record]) -> str:
    """What was tried for each figure that lies beyond all our trainings, as the docs show it."""
    return "\n".join(f"- {note}" for note in outside_notes(records)) or "All lie within."


def readings_block(records: Sequence[Record]) -> str:
    """How likely the published figures are in each reading, as the docs show it."""
    table = likelihood_table(records)
    return (
        f"{table.caption}.\n\n{table.markdown()}"
        if table.rows
        else "The trainings do not say yet: five are needed of a run in a reading of its own."
    )


def earlier_block(records: Sequence[Record]) -> str:
    """The same seeds by earlier versions, as the docs show them."""
    shown = [f"**{t.caption}**\n\n{t.markdown()}\n\n{words}" for t, words in earlier_draws(records, EVIDENCE)]
    return "\n\n".join(shown) or "Kept in the repository only."


def collapses_block(records: Sequence[Record]) -> str:
    """How many trainings collapsed in each reading, as the docs show it."""
    several = [reading for reading in READINGS if seeds_of(records, reading) > 1]
    return "\n\n".join(f"**{t.caption}**\n\n{t.markdown()}" for t in collapse_tables(records, several))


def power_block(records: Sequence[Record]) -> str:
    """What twenty seeds can show, by the spread of the five that there were when they were planned."""
    planned = [r for r in select(records, "as-printed") if r.spec["seed"] < 5]
    return power_table(claims(planned), 20, "What twenty seeds can show").markdown()


def claims_block(records: Sequence[Record]) -> str:
    """The chapter's claims in every reading that has been trained whole, as the docs show them."""
    tables = [claims_table(records, reading) for reading in READINGS if _whole(records, reading)]
    lines = [line for reading in READINGS for line in claims_left_out(records, reading) if _whole(records, reading)]
    return "\n\n".join([*(f"**{table.caption}**\n\n{table.markdown()}" for table in tables), *lines])


def _whole(records: Sequence[Record], reading: str) -> bool:
    """Whether a reading was trained whole, with more than one seed."""
    runs = 1 if reading == "per-epoch-ramped" else len(RUNS)
    return len(select(records, reading)) > runs
