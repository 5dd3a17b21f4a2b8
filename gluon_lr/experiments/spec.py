"""One run as plain data, and the ingredients that a study builds from it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Callable, Dict, Optional, Sequence


@dataclass(frozen=True)
class RunSpec:
    """What is to be trained, as plain data: with the study's ``build`` it determines a run to the last bit.

    Args:
        study: the study that it belongs to.
        run: its name in the study's table, such as ``cosine``.
        seed: of initialization, batch order and dropout.
        epochs: how many.
        reading: what the schedule counts: ``as-printed``, ``per-update`` or ``per-epoch``.
        limit: only so many training images (a quick run); None for all.
        settings: everything else that the study builds it from; plain values.
    """

    study: str
    run: str
    seed: int
    epochs: int
    reading: str = "per-update"
    limit: Optional[int] = None
    settings: Dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The name of its files; unique in a study's folder."""
        quick = "" if self.limit is None else f".quick{self.limit}"
        return re.sub(r"[^\w.+=-]+", "_", f"{self.run}.{self.reading}.{self.epochs}ep.seed{self.seed}{quick}")

    def as_dict(self) -> Dict[str, Any]:
        """As it stands in the record."""
        return json.loads(json.dumps(asdict(self)))


@dataclass
class Ingredients:
    """What a study's ``build`` makes of a specification: everything that :func:`~gluon_lr.training.train` takes.

    Attributes:
        net, train_iter, test_iter, loss, trainer, schedules, valid_iter: as ``train`` takes them.
        data: the dataset as recorded.
        after_epoch: functions of the history, called after each epoch before it is recorded.
        classes: how many; the bound for a collapsed run follows from it.
        unpack: as ``train`` takes it; None for (data, label) pairs.
        batch_metric: as ``train`` takes it.
    """

    net: Any
    train_iter: Any
    test_iter: Any
    loss: Any
    trainer: Any
    data: Dict[str, Any]
    schedules: Sequence[Any] = ()
    after_epoch: Sequence[Callable[[Any], Any]] = ()
    valid_iter: Any = None
    classes: int = 10
    unpack: Optional[Callable[[Any], Any]] = None
    batch_metric: Optional[Callable[[Any, Any], Any]] = None


Build = Callable[[RunSpec, Any, Optional[str]], Ingredients]
