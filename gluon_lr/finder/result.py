"""The result of a search: the pairs themselves, and the suggestions that follow from them."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from ..errors import RecordError, UsageError
from ..files import body_of, with_digest, write_text
from .rules import CLEAR, DEFAULT_RULE, RULES, UNCLEAR, Suggestion, fall_in_standard_errors, read, smooth, suggest

VERSION = 1


class LRFinderResult(List[Tuple[float, float]]):
    """The list of (lr, loss) pairs of a search, as the tutorial's finder returns it, with what follows from it.

    Attributes:
        stop_reason: ``diverged``, ``loss not finite``, ``lr_stop reached`` or ``max_updates reached``.
        repeats: the results of every repetition, this one first.
        momentum: of the optimizer that searched, or Adam's β₁; the default rule takes it into account.

    Example:
        >>> pairs = [(1e-3 * 1.2**i, 2 - i / 30 if i < 30 else 1 + (i - 30)) for i in range(34)]
        >>> result = LRFinderResult(pairs, "diverged")
        >>> result[0]
        (0.001, 2.0)
        >>> round(result.suggestion.lr, 3)
        0.143
    """

    def __init__(
        self,
        pairs: Sequence[Tuple[float, float]],
        stop_reason: str,
        repeats: Sequence["LRFinderResult"] = (),
        momentum: float = 0.0,
    ) -> None:
        super().__init__(pairs)
        self.stop_reason, self.momentum = stop_reason, momentum
        self.repeats: List["LRFinderResult"] = [self, *repeats]

    @classmethod
    def from_json(cls, path: Any) -> "LRFinderResult":
        """Read what :meth:`to_json` wrote.

        Raises:
            RecordError: the file holds no result, was altered, or has another version; its name is in the text.
        """
        try:
            content = Path(path).read_bytes()
        except (OSError, TypeError, ValueError) as error:  # ValueError: a null character in the name
            name = str(path) if len(str(path)) < 200 else f"{str(path)[:60]}…"
            why = getattr(error, "strerror", None) or error
            raise RecordError(f"{name}: cannot be read ({why}): expected the path of a file") from error
        try:
            body = body_of(content.decode("utf-8"), VERSION)
            first, *rest = (
                cls([(float(lr), float(loss)) for lr, loss in pairs], reason, (), body["momentum"])
                for pairs, reason in zip(body["repeats"], body["stop_reasons"])
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RecordError(f"{path}: is not a finder's result ({error}). Delete it and search again") from error
        return cls(first, first.stop_reason, rest, first.momentum)

    @property
    def lrs(self) -> np.ndarray:
        """The rates, shape ``(n,)``."""
        return np.array([lr for lr, _ in self])

    @property
    def losses(self) -> np.ndarray:
        """The losses, shape ``(n,)``, each before the update at its rate."""
        return np.array([loss for _, loss in self])

    @property
    def smoothed(self) -> np.ndarray:
        """The finite losses averaged with their neighbours."""
        return smooth(self.lrs, self.losses)

    @property
    def suggestions(self) -> Dict[str, Suggestion]:
        """Each rule's suggestion from this curve; see :data:`gluon_lr.finder.RULES`."""
        return {rule: suggest(rule, self.lrs, self.losses, self.momentum) for rule in RULES}

    @property
    def suggestion(self) -> Suggestion:
        """The default rule's suggestion: the median over the repetitions, in ln(lr), where there are several."""
        combined = self.combined.get(DEFAULT_RULE)
        if combined is not None:
            return Suggestion(DEFAULT_RULE, combined[0])
        silent = [s.reason for s in (read(DEFAULT_RULE, r.lrs, r.losses, r.momentum) for r in self.repeats) if not s]
        if 2 * len(silent) <= len(self.repeats) and self._combined_fall < CLEAR:
            return Suggestion(DEFAULT_RULE, None, UNCLEAR)
        among = f"{len(silent)} of {len(self.repeats)} repeats suggest nothing: " if len(self.repeats) > 1 else ""
        return Suggestion(DEFAULT_RULE, None, f"{among}{silent[0]}")

    @property
    def _combined_fall(self) -> float:
        """The fall of all repetitions together: noise may hide it in each of them and yet not in all."""
        pairs = [pair for repeat in self.repeats for pair in repeat]
        return fall_in_standard_errors([lr for lr, _ in pairs], [loss for _, loss in pairs])

    @property
    def combined(self) -> Dict[str, Tuple[float, float, float]]:
        """Rule → (median, low, high) of its readings over all repetitions, where the loss falls by more than its noise
        in all of them together, for rules that can read at least half of them.

        Low and high are an interval for the median by order statistics: of 95 % from six repetitions on; the extremes
        of fewer (n) cover it with a probability of 1 − 2^(1−n): 50 % of two, 75 % of three, 94 % of five."""
        from scipy.stats import binom

        found: Dict[str, Tuple[float, float, float]] = {}
        if self._combined_fall < CLEAR:
            return found
        for rule in RULES:
            given = [read(rule, r.lrs, r.losses, r.momentum).lr for r in self.repeats]
            logs = np.log([lr for lr in given if lr is not None])
            if 2 * len(logs) < len(given) or len(logs) == 0:
                continue
            outside = max(0, int(binom.ppf(0.025, len(logs), 0.5)) - 1)
            low, high = np.sort(logs)[[outside, -1 - outside]]
            found[rule] = (math.exp(np.median(logs)), math.exp(low), math.exp(high))
        return found

    @property
    def rules_agree(self) -> Optional[bool]:
        """Whether all rules' medians lie within a factor of three; None where fewer than two have one."""
        medians = [median for median, _, _ in self.combined.values()]
        return None if len(medians) < 2 else max(medians) <= 3 * min(medians)

    def to_csv(self, path: Any = None) -> str:
        """The pairs as CSV with the smoothed loss, written to ``path`` where that is given."""
        smoothed = iter(self.smoothed)  # of finite losses only
        stream = io.StringIO()
        stream.write("lr,loss,smoothed\n")
        for lr, loss in self:
            beside = repr(float(next(smoothed))) if math.isfinite(loss) else ""
            stream.write(f"{lr!r},{loss!r},{beside}\n")
        if path is not None:
            write_text(Path(path), stream.getvalue())
        return stream.getvalue()

    def to_json(self, path: Any = None) -> str:
        """Everything here as JSON, written to ``path`` where that is given."""
        body = {
            "version": VERSION,
            "stop_reasons": [repeat.stop_reason for repeat in self.repeats],
            "momentum": self.momentum,
            # JSON has no NaN or infinity: write them as text, which float() reads.
            "repeats": [
                [[lr, loss if math.isfinite(loss) else str(loss)] for lr, loss in repeat] for repeat in self.repeats
            ],
            "suggestions": {rule: vars(found) for rule, found in self.suggestions.items()},
            "combined": self.combined,
        }
        text = with_digest(body)
        if path is not None:
            write_text(Path(path), text)
        return text

    def plot(self, ax: Any = None) -> Any:
        """Draw the losses over the rates as the tutorial does, with the suggestion marked.

        Args:
            ax: matplotlib axes; default new ones of 6 × 8 inches.

        Returns:
            The axes.

        Raises:
            UsageError: there is nothing to draw.
        """
        finite = [(lr, loss) for lr, loss in self if math.isfinite(loss)]
        if not finite:
            raise UsageError("no finite loss to draw: run find() first, from a lower lr_start")
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(6, 8))
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        lrs, losses = zip(*finite)
        ax.scatter(lrs, losses, s=12, label="loss")
        ax.plot(lrs, self.smoothed, color="#D55E00", lw=1.5, label="smoothed")
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}".replace("e-0", "e-")))  # 1e-5, not 10⁻⁵
        ax.xaxis.set_minor_formatter(NullFormatter())
        if min(losses) > 0:
            ax.set_yscale("log")
            ax.set_ylim(0.8 * min(losses), 4 * losses[0])
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))  # a loss of 2, not of 2 × 10⁰
            ax.yaxis.set_minor_formatter(NullFormatter())
        found = self.suggestion
        if found:
            ax.axvline(found.lr, color="#009E73", ls="--", label=f"suggestion ({found.rule}): {found.lr:.3g}")
        ax.set_xlabel("learning rate")
        ax.set_ylabel("loss before the update at this rate")
        ax.legend()
        return ax

    def __repr__(self) -> str:
        found = self.suggestion
        advice = f"suggests {found.lr:.3g} ({found.rule})" if found else f"no suggestion: {found.reason}"
        where = f" from {self[0][0]:.3g} to {self[-1][0]:.3g}" if self else ""
        again = ""
        if len(self.repeats) > 1:
            again = f", {len(self.repeats)} repeats"
            advice += " ({1:.3g} … {2:.3g})".format(*self.combined[found.rule]) if found else ""
        return f"<LRFinderResult: {len(self)} updates{where}{again}, {self.stop_reason}; {advice}>"
