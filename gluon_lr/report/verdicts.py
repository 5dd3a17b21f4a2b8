"""Claims with their verdicts, as tables and in words."""

from __future__ import annotations

from typing import List, Mapping, Sequence

import numpy as np

from ..analysis.power import power_of_equivalence, power_of_no_gain, smallest_shown
from ..analysis.verdicts import KINDS, Claim, Verdict
from .tables import Table, difference_text


def verdict_table(verdicts: Sequence[Verdict], caption: str) -> Table:
    """A line a claim that can be judged: how it was measured, what came out, and the verdict."""
    rows = []
    for verdict in verdicts:
        gain, claim = verdict.test.difference, verdict.claim
        if gain.n < 2:
            continue
        measured = difference_text(gain)
        small = "–" if claim.delta is None else f"{claim.delta:g}: {verdict.p_equivalent:.3g}"
        p = f"{verdict.test.p_corrected:.3g}"
        rows.append([claim.text, claim.measure, measured, p, small, verdict.verdict])
    columns = [
        *(
            "claim",
            "measured as (above 0 supports it, or below δ where it says so)",
            "mean (95 % interval)",
            "p (Holm)",
        ),
        *("δ: p of the test for a difference below δ (Holm)", "verdict"),
    ]
    return Table(caption, columns, rows)


def verdict_words(verdicts: Sequence[Verdict], of: str = "") -> str:
    """What became of the claims that can be judged, in a sentence a kind of verdict.

    Example:
        >>> from ..analysis.verdicts import judge
        >>> verdict_words(judge([Claim("A is best", "m", [1.0, 1.1, 0.9]), Claim("B is worst", "m", [1.0, -1.0, 0.1])]))
        'Of 2 claims 1 is supported: A is best. 1 is not resolved: B is worst.'
    """
    judged = [verdict for verdict in verdicts if verdict.test.difference.n > 1]
    found = []
    for kind in KINDS:
        claims = [verdict.claim.text for verdict in judged if verdict.kind == kind]
        if claims:
            what = {"no difference": "shows no difference that would matter"}.get(kind, f"is {kind}")
            what = what if len(claims) == 1 else what.replace("shows", "show").replace("is ", "are ", 1)
            found.append(f"{len(claims)} {what}: {'; '.join(claims)}")
    counted = "1 claim" if len(judged) == 1 else f"{len(judged)} claims"
    return f"Of {counted}{of} {'. '.join(found)}." if found else ""


def delta_words(claims: Sequence[Claim]) -> List[str]:
    """Each δ of the claims with its reason, in one line; none where no claim has one.

    Example:
        >>> delta_words([Claim("A is best", "m", [1.0, 1.1], 0.1, "a tenth of the spread"), Claim("B", "m", [1.0])])
        ['δ, the least difference that would matter, and why: 0.1, a tenth of the spread.']
    """
    reasons = dict.fromkeys(f"{claim.delta:g}, {claim.why}" for claim in claims if claim.delta is not None)
    return [f"δ, the least difference that would matter, and why: {'; '.join(reasons)}."] if reasons else []


def means_words(what: str, values: Mapping[str, Sequence[float]], lower_is_better: bool = False) -> List[str]:
    """The mean of each in one line, the best first; none where there are no numbers.

    Example:
        >>> means_words("Accuracy", {"a": [0.5, 0.7], "b": [0.75, 0.76], "c": []})
        ['Accuracy, the best mean first: b 0.755, a 0.600.']
    """
    means = {name: float(np.mean(list(numbers))) for name, numbers in values.items() if len(numbers)}
    ranked = sorted(means, key=lambda name: means[name], reverse=not lower_is_better)
    return (
        [f"{what}, the best mean first: {', '.join(f'{name} {means[name]:.3f}' for name in ranked)}."] if ranked else []
    )


def power_table(claims: Sequence[Claim], seeds: int, caption: str) -> Table:
    """A line a claim: what that many seeds can show, if the differences spread as these do and as many collapse."""
    rows = []
    for claim in claims:
        numbers = np.asarray(list(claim.differences), float)
        if len(numbers) < 2 or claim.delta is None or np.ptp(numbers) == 0:
            continue
        pairs = max(2, round(seeds * len(numbers) / (claim.trained or len(numbers))))
        deviation, level = float(numbers.std(ddof=1)), 0.05 / len(claims)
        power = power_of_no_gain if claim.denies else power_of_equivalence
        chance = power(0.0, deviation, pairs, claim.delta, level / claim.chosen_of)
        least = smallest_shown(deviation, pairs, level)
        rows.append(
            [
                claim.text,
                f"{deviation:.4f}",
                str(pairs),
                f"{least:.4f}",
                f"{claim.delta:g}: {claim.why}",
                f"{chance:.0%}",
            ]
        )
    columns = [
        "claim", "deviation of the differences", f"pairs that survive of {seeds}",
        "least difference that they show four times out of five",
        "δ, and why", "chance to show that there is no such difference, where there is none",
    ]  # fmt: skip
    return Table(caption, columns, rows)


def unjudged(verdicts: Sequence[Verdict]) -> List[str]:
    """One line on the claims that :func:`verdict_table` leaves out, where there are any."""
    left_out = [verdict.claim.text for verdict in verdicts if verdict.test.difference.n < 2]
    if not left_out:
        return []
    return [
        f"{len(left_out)} of {len(verdicts)} claims cannot be judged: they need two seeds or more whose trainings did "
        f"not collapse. These are: {'; '.join(left_out)}."
    ]
