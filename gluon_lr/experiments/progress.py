"""Progress bars that follow the records on disk, and so show every process's and machine's work alike."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Dict, Iterator, Sequence

from ..screen import in_notebook, visible
from .spec import RunSpec
from .store import Store

_EVERY = 0.5  # seconds


@contextlib.contextmanager
def bars(specs: Sequence[RunSpec], store: Store, progress: bool) -> Iterator[None]:
    """Draw a bar a run and one overall, with the time left, while the block runs; a notebook shows only the latter."""
    if not (progress and specs and visible()):
        yield
        return
    from tqdm.contrib.logging import logging_redirect_tqdm

    stop = threading.Event()
    shown = _Bars(specs, store)

    def follow() -> None:
        while not stop.wait(_EVERY):
            shown.refresh()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        with logging_redirect_tqdm():
            yield
    finally:
        stop.set()
        thread.join()
        shown.close()


class _Bars:
    """One line overall, and below it a line for each run that is under way."""

    def __init__(self, specs: Sequence[RunSpec], store: Store) -> None:
        from tqdm import tqdm

        self._new = tqdm
        self._specs, self._store = specs, store
        done = sum(store.epochs_done(specs).values())
        total = sum(spec.epochs for spec in specs)
        self._overall = tqdm(total=total, initial=done, desc="all runs", unit="epoch", position=0)
        self._lines: Dict[str, Any] = {}
        self._slots: Dict[str, int] = {}

    def refresh(self) -> None:
        done = self._store.epochs_done(self._specs)
        self._overall.n = sum(done.values())
        self._overall.refresh()
        if in_notebook():
            return  # a notebook shows one line of text
        for spec in self._specs:
            if spec.key not in done:
                continue
            if done[spec.key] >= spec.epochs:
                self._close(spec.key)
                continue
            if spec.key not in self._lines:
                taken = set(self._slots.values())
                self._slots[spec.key] = next(i for i in range(1, len(self._specs) + 1) if i not in taken)
                self._lines[spec.key] = self._new(
                    total=spec.epochs,
                    initial=done[spec.key],
                    desc=spec.key,
                    unit="epoch",
                    position=self._slots[spec.key],
                    leave=False,
                )
            self._lines[spec.key].n = done[spec.key]
            self._lines[spec.key].refresh()

    def _close(self, key: str) -> None:
        if key in self._lines:
            self._lines.pop(key).close()
            self._slots.pop(key)

    def close(self) -> None:
        self.refresh()  # the last epochs may have come since the last look
        for key in list(self._lines):
            self._close(key)
        self._overall.close()
