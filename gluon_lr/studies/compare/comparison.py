"""What a comparison found: its records as tables, pictures and verdicts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, List, Mapping, Optional, Union

from ...analysis.comparisons import finite
from ...analysis.measures import ACCURACY, Score, score_of
from ...analysis.selection import best_rate, cells, scores
from ...analysis.statistics import count_seeds
from ...analysis.verdicts import Claim, Verdict, judge
from ...errors import UsageError
from ...experiments.record import Record
from ...finder import TuneResult


@dataclass(frozen=True, repr=False)
class Comparison:
    """What :func:`compare` found.

    Attributes:
        records: one a run, in the order schedules, rates, seeds.
        folder: where they and the report are.
        report: the page.
        read: how many of the runs were recorded already and were read.
        trained: how many were trained or resumed in this call.
        score: the number that trainings are judged by.
        tuned: schedule → what :meth:`LRFinder.tune` found for it; empty where rates were given.
    """

    records: List[Record]
    folder: Path
    report: Path
    read: int = 0
    trained: int = 0
    score: Score = ACCURACY
    tuned: Mapping[str, TuneResult] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Comparison: {self.done()}\n\n{self.table().markdown()}"

    def done(self) -> str:
        """How many runs were read and how many trained, as text."""
        failed = sum(record.status == "failed" for record in self.records)
        text = f"{self.read} of {len(self.records)} runs read from {self.folder}, {self.trained} trained"
        return f"{text}, {failed} of them failed" if failed else text

    def table(self) -> Any:
        """A line a schedule at its best rate: its score, mean ± 95 % over seeds. ``.markdown()`` prints it."""
        from ...report.tables import schedules_table

        return schedules_table(self.records, "Each schedule at its best rate", self.score)

    def pairs(self) -> Any:
        """A line for every two schedules: their difference over common seeds, corrected p-value, verdict."""
        from ...report.tables import pairs_table

        return pairs_table(self.records, "Every two schedules, each at its best rate", self.score)

    def plot(self) -> Any:
        """What schedules are judged by against the rate, a line a schedule; a matplotlib figure."""
        from ...report.grids import draw_rates

        return draw_rates(self.records, by=self.score)

    def plot_training(self) -> Any:
        """Loss and accuracy against epochs, each schedule at its best rate; a matplotlib figure."""
        from .report import draw_best

        return draw_best(self.records, self.score)

    def claim(
        self,
        text: str,
        first: str,
        second: str,
        measure: Union[str, Callable[[Any], float], None] = None,
        *,
        larger_is_better: Optional[bool] = None,
    ) -> Verdict:
        """Judge a claim of one's own: that ``first`` is better than ``second``, over common seeds.

        Both schedules are taken at their best rates by the comparison's score. To correct several claims for having
        been made together, judge them together: ``judge([verdict.claim, …])`` of :mod:`gluon_lr.analysis.verdicts`.

        Args:
            text: the claim in words.
            first, second: names of schedules.
            measure: what is measured of each training: a name of the history or a function of it, as ``metric`` of
                :func:`compare`; default the comparison's score.
            larger_is_better: default as ``metric`` has it.

        Returns:
            The claim with its differences, positive where ``first`` is better; their test; and ``verdict``:
            *supported*, *refuted* or *not resolved at n seeds*. Trainings whose number is not finite are left
            out, and ``claim.measure`` says how many.

        Raises:
            UsageError: there is no such schedule or no such list in the history, or the function fails.

        Example:
            >>> from gluon_lr.experiments import Record
            >>> def record(name, seed, losses):
            ...     settings = {"schedule": name, "rate": 0.1}
            ...     history = {"test_loss": losses, "test_acc": [0.5, 0.5]}
            ...     return Record({"run": name, "seed": seed, "settings": settings}, "finished", history, {}, {}, 1.0)
            >>> records = [record("warm", s, [0.4 + s / 50, 0.3]) for s in range(3)]
            >>> records += [record("cold", s, [0.9 + s / 60, 0.3]) for s in range(3)]
            >>> found = Comparison(records, Path("out"), Path("out/report.html"))
            >>> found.claim("warmup helps at first", "warm", "cold", lambda h: h["test_loss"][0],
            ...             larger_is_better=False).verdict
            'supported'
        """
        by = self.score if measure is None else score_of(measure, larger_is_better)
        if measure is None and larger_is_better is not None:
            by = replace(by, larger_is_better=larger_is_better)
        found, arms, at = cells(self.records), [], []
        for name in (first, second):
            if name not in found:
                raise UsageError(
                    f"no schedule {name!r} was trained here: expected one of {', '.join(map(repr, found))}"
                )
            rate = best_rate(found[name], self.score)
            arms.append(scores(found[name][rate], by))
            at.append(f"{name} at {rate:g}")
        common = sorted(set(arms[0]) & set(arms[1]))
        kept = sorted(set(finite(arms[0])) & set(finite(arms[1])))
        lost = f"; {count_seeds(len(common) - len(kept))} without a finite number left out" if common != kept else ""
        better, worse = at if by.larger_is_better else at[::-1]
        differences = [by.sign * (arms[0][seed] - arms[1][seed]) for seed in kept]
        return judge([Claim(text, f"{by.name}, {better} less {worse}{lost}", differences)])[0]
