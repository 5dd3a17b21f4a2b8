"""The chapter's three curves, drawn again after each epoch in a notebook."""

from __future__ import annotations

from typing import Any, Optional

from ..screen import in_notebook
from ..training import History


class LiveCurves:
    """Training loss, training accuracy and test accuracy against epochs; give it to ``train`` as ``on_epoch``.

    In a notebook the picture is drawn in place after each epoch. Anywhere else nothing is shown, and
    :attr:`figure` holds the last picture.

    Args:
        num_epochs: the horizontal axis' end.
        title: default none.

    Attributes:
        figure: the matplotlib figure; None before the first epoch.

    Example:
        >>> live = LiveCurves(num_epochs=2)
        >>> history = History(train_loss=[0.9], train_acc=[0.7], test_acc=[0.6])
        >>> live(history)
        >>> [line.get_label() for line in live.figure.axes[0].lines]
        ['train loss', 'train acc', 'test acc']
    """

    def __init__(self, num_epochs: int, title: Optional[str] = None) -> None:
        self.num_epochs, self.title = num_epochs, title
        self.figure: Any = None
        self._shown: Any = None

    def __call__(self, history: History) -> None:
        self.figure = self._draw(history)
        if not in_notebook():
            return
        from IPython.display import display

        if self._shown is None:
            self._shown = display(self.figure, display_id=True)
        else:
            self._shown.update(self.figure)

    def _draw(self, history: History) -> Any:
        from .figures import new_figure

        figure, ((ax,),) = new_figure(1, 1, width=5, height=3)
        epochs = range(1, len(history.train_loss) + 1)
        looks = (("train_loss", "train loss", "-"), ("train_acc", "train acc", "--"), ("test_acc", "test acc", "-."))
        for name, label, dash in looks:
            ax.plot(epochs, getattr(history, name), dash, marker="o", ms=3, label=label)
        ax.set_xlim(1, max(2, self.num_epochs))
        ax.set_xlabel("epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set_ylabel("loss; accuracy")
        ax.set_title(self.title or "")
        ax.grid(alpha=0.3)
        ax.legend()
        return figure
