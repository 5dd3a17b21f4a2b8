"""The learning-rate finder: a search that leaves no trace, always stops, and says how sure it is."""

from .autolrs import AutoLRS, Candidate
from .learner import Learner
from .result import LRFinderResult
from .rules import RULES, NoSuggestion, Suggestion
from .search import LRFinder
from .stopping import LRFinderStoppingCriteria
from .tuned import Trial, TuneResult

__all__ = [
    "RULES",
    "AutoLRS",
    "Candidate",
    "LRFinder",
    "LRFinderResult",
    "LRFinderStoppingCriteria",
    "Learner",
    "NoSuggestion",
    "Suggestion",
    "Trial",
    "TuneResult",
]
