"""What ``tune`` found: saved, read back, drawn and put into words."""

import json
import math
from pathlib import Path

import mxnet as mx
import pytest
from small import drawn, net_with_batchnorm
from test_tune import Explodes, T, sgd, tuned

from gluon_lr import Learner, LRFinder
from gluon_lr.errors import RecordError, UsageError
from gluon_lr.finder import TuneResult
from gluon_lr.finder.tuned import Trial


@pytest.fixture(scope="module")
def result():
    net = net_with_batchnorm()
    return tuned(net, sgd(net), drawn())


def test_what_was_found_is_saved_and_read_back(result, tmp_path):
    path = tmp_path / "tuned.json"
    result.to_json(path)
    back = TuneResult.from_json(path)
    assert back == result
    assert repr(back) == repr(result)
    rows = result.to_csv(tmp_path / "tuned.csv").splitlines()
    assert rows == (tmp_path / "tuned.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "trial,lr,update,loss"
    assert len(rows) == 1 + sum(len(trial.losses) for trial in result.trials)
    lost = LRFinder(Explodes(0.1)).tune(2000, progress=False)
    lost.to_json(path)
    assert TuneResult.from_json(path) == lost, "infinite losses too"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda body: {**body, "lr": 7.0}, "checksum"),
        (lambda body: {**body, "version": 99}, "version 99"),
        (lambda body: {}, "is not what tune found"),
    ],
)
def test_a_damaged_file_is_refused(result, tmp_path, damage, says):
    path = tmp_path / "tuned.json"
    path.write_text(json.dumps(damage(json.loads(result.to_json()))), encoding="utf-8")
    with pytest.raises(RecordError, match=says):
        TuneResult.from_json(path)
    with pytest.raises(RecordError, match="none"):
        TuneResult.from_json(Path("none.json"))


def test_the_picture_shows_the_trials_the_choice_and_its_range(result):
    from gluon_lr.report.figures import new_figure

    ax = result.plot(new_figure(1, 1)[1][0][0])
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert f"{len(result.trials)} trials of {result.trials[0].updates} updates" in labels
    assert f"chosen: {result.lr:.3g}" in labels
    assert f"low to high: {result.low:.3g} … {result.high:.3g}" in labels
    lost = LRFinder(Explodes(0.1)).tune(2000, progress=False)
    ax = lost.plot(new_figure(1, 1)[1][0][0])
    assert "exploded" in [text.get_text() for text in ax.get_legend().get_texts()]
    nothing = LRFinder(Explodes(1e-9)).tune(2000, progress=False)
    with pytest.raises(UsageError, match="no trial to draw"):
        nothing.plot()


def test_the_trials_share_what_the_curve_leaves_of_the_budget(result):
    def left(found):
        return T - (found.updates_spent - sum(len(trial.losses) for trial in found.trials))

    assert {trial.updates for trial in result.trials} == {left(result) // 4}
    net = net_with_batchnorm()
    two = tuned(net, sgd(net), drawn(), candidates=2)
    assert [trial.updates for trial in two.trials] == [left(two) // 2] * 2


def test_the_words_say_what_was_done(result):
    longest = result.trials[0].updates
    assert result.how.startswith(f"{len(result.trials)} trials of {longest} updates; the least of the parabola")
    assert f"The trials count {0.4 + longest / T:.0%}, the curve's suggestion the rest" in result.how
    assert "Longer trainings prefer" in result.how
    net = net_with_batchnorm()
    learner = Learner(net, drawn(), mx.cpu(), trainer=sgd(net))
    whole = LRFinder(learner).tune(100, budget=4.0, candidates=2, validation=lambda net: 1.0, progress=False)
    assert whole.trials[0].updates == 100
    assert "the curve" not in whole.how, "trials as long as the training count alone"
    assert "Longer trainings" not in whole.how, "validation sees no drift"
    assert "the best lies at the end of the range that was tried" in whole.how, "two trials make no parabola"


def by_hand(**changed):
    trials = [Trial(0.1, 2, (2.0, 1.2), 1.2), Trial(0.2, 2, (2.0, math.inf), math.inf)]
    whole = {"lr": 0.1, "low": 0.05, "high": 0.2, "how": "by hand", "trials": trials, "updates": 9, "updates_spent": 5}
    return TuneResult(**{**whole, **changed})


def test_a_result_is_written_in_words_and_in_rows():
    assert repr(by_hand()) == "<TuneResult: 0.1 (0.05 … 0.2) for 9 updates; 5 updates spent on a curve and 2 trials>"
    assert (
        repr(by_hand(low=None))
        == repr(by_hand(high=None))
        == ("<TuneResult: 0.1 for 9 updates; 5 updates spent on a curve and 2 trials>")
    )
    assert repr(by_hand(lr=None, reason="why not")) == (
        "<TuneResult: no rate, 5 updates spent on a curve and 2 trials: why not>"
    )
    assert by_hand().to_csv().splitlines()[1:] == ["1,0.1,1,2.0", "1,0.1,2,1.2", "2,0.2,1,2.0", "2,0.2,2,inf"]
    assert [trial.outcome for trial in by_hand().trials] == ["finished", "exploded"]
    assert bool(by_hand())
    assert not by_hand(lr=None)


def test_a_picture_of_its_own_has_what_is_known():
    import matplotlib.pyplot as plt

    ax = by_hand().plot()
    assert ax.get_figure().get_size_inches().tolist() == [7, 5]
    curve, lost, chosen = ax.get_lines()
    assert (list(curve.get_xdata()), list(curve.get_ydata())) == ([0.1], [1.2])
    assert (list(lost.get_xdata()), list(lost.get_ydata())) == ([0.2], [1.2]), "as high as the worst that finished"
    assert list(chosen.get_xdata()) == [0.1, 0.1]
    bare = by_hand(lr=None, low=None, trials=by_hand().trials[:1]).plot()
    assert [text.get_text() for text in bare.get_legend().get_texts()] == ["1 trials of 2 updates"]
    plt.close("all")
