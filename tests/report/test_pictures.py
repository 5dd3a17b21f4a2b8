"""Pictures of several schedules: what stands on which panel, what is left out of a mean, how axes are labelled."""

import pytest

from gluon_lr.experiments.record import Record
from gluon_lr.report.figures import draw_beside, look, new_figure, plain_ticks
from gluon_lr.report.grids import draw_map, draw_rates


def training(schedule, seed=0, rate=0.1, accuracy=0.8, status="finished"):
    history = {name: [accuracy / 2, accuracy, accuracy - 0.01] for name in ("train_loss", "test_acc")}
    history["lr_mean"] = [rate, rate / 10, rate / 100]
    spec = {"run": schedule, "seed": seed, "settings": {"schedule": schedule, "rate": rate}}
    return Record(spec, status, history, {}, {}, 1.0)


def labels(axis):
    axis.figure.canvas.draw()
    low, high = axis.get_view_interval()
    return [tick.label1.get_text() for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]


def test_a_panel_a_schedule_over_its_counterpart():
    records = [training(name, seed) for name in ("constant", "step", "plateau") for seed in range(2)]
    panels = draw_beside(records, "test_acc", "accuracy").axes
    assert [ax.get_title() for ax in panels] == ["step", "plateau"]
    for ax, name in zip(panels, ("step", "plateau")):
        grey, own = ax.lines
        assert (grey.get_color(), own.get_color(), own.get_marker()) == (
            "0.6",
            look(name)["color"],
            look(name)["marker"],
        )
    assert [text.get_text() for ax in panels for text in ax.texts] == []
    lost = draw_beside(
        [*records, training("plateau", 9, accuracy=0.1, status="collapsed")], "test_acc", "accuracy"
    ).axes
    said = [text.get_text() for ax in lost for text in ax.texts]
    assert len(said) == 1
    assert said[0].endswith(", collapsed")
    paired = draw_beside(records, "test_acc", "accuracy", {"plateau": "step"}).axes
    assert [ax.get_title() for ax in paired] == ["plateau, grey: step"]


def test_one_seed_that_goes_astray_does_not_press_all_curves_into_a_line():
    records = [training(name, seed) for name in ("constant", "step", "plateau") for seed in range(5)]
    usual = draw_beside(records, "test_acc", "accuracy").axes
    assert not [text for ax in usual for text in ax.texts]
    astray = draw_beside([*records, training("step", 5, accuracy=-0.4)], "test_acc", "accuracy").axes
    assert [[text.get_text() for text in ax.texts] for ax in astray] == [["band from -0.41, mean from 0.3"], []]
    for ax in astray:
        assert ax.get_ylim() == pytest.approx((0.4 - 0.04, 0.8 + 0.04))
    loud = draw_beside([*records, training("plateau", 5, accuracy=2.0)], "train_loss", "loss").axes
    assert [[text.get_text() for text in ax.texts] for ax in loud] == [[], ["band to 2, mean to 1"]]


def test_the_rates_of_schedules_have_a_logarithmic_axis_in_plain_figures():
    records = [training("constant"), training("step")]
    (ax,) = draw_beside(records, "lr_mean", "rate").axes
    assert ax.get_yscale() == "log"
    assert "0.01" in labels(ax.yaxis)
    assert draw_beside(records, "test_acc", "accuracy").axes[0].get_yscale() == "linear"


@pytest.mark.parametrize(
    ("low", "high", "ticks", "wanted"),
    [(1e-7, 1.0, None, "1e-6"), (0.01, 0.2, None, "0.05"), (0.01, 1.0, [0.03, 0.3], "0.03")],
)
def test_ticks_are_numbers_as_people_type_them(low, high, ticks, wanted):
    _, ((ax,),) = new_figure(1, 1)
    ax.plot([low, high], [1, 2])
    ax.set_xscale("log")
    plain_ticks(ax.xaxis, ticks)
    found = labels(ax.xaxis)
    assert wanted in found
    assert not any("$" in text for text in found)


def test_collapsed_trainings_have_a_cross_and_no_place_in_the_mean():
    records = [training("constant", seed, rate, 0.8) for rate in (0.1, 0.2) for seed in range(2)]
    records += [training("constant", 0, 0.4, 0.1, "collapsed"), training("constant", 1, 0.4, 0.9)]
    (ax,) = draw_rates(records).axes
    line = next(line for line in ax.lines if line.get_label() == "constant")
    assert list(line.get_ydata()) == pytest.approx([0.8, 0.8, 0.9])
    crosses = [line for line in ax.lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert [list(line.get_xdata()) for line in crosses] == [[0.4]]
    assert [text.get_text() for text in ax.texts] == ["1 of 2"]
    assert ax.get_ylim()[0] > 0.5, "the axis is that of trainings which did not collapse"


def test_side_by_side_too_collapsed_trainings_have_a_cross_and_no_place_in_the_mean():
    records = [training(name, seed, 0.1, 0.9) for name in ("constant", "cosine") for seed in range(3)]
    records.append(training("constant", 3, 0.1, 0.1, "collapsed"))
    (ax,) = draw_rates(records).axes
    ticks = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "|"]
    assert ticks == pytest.approx([0.9, 0.9])
    crosses = [line.get_ydata()[0] for line in ax.lines if line.get_marker() == "x"]
    assert (crosses, [text.get_text() for text in ax.texts]) == ([0], ["1 of 4"])
    assert ax.get_xlim()[0] > 0.5, "the axis is that of trainings which did not collapse"
    assert "× collapsed" in ax.get_xlabel()


def test_the_map_has_a_panel_a_schedule_with_its_axis_labelled_and_counts_the_seeds_of_each_best_epoch():
    names = ["constant", "cosine", "step", "warm-restarts-10", "warm-restarts-20"]
    records = [training(name, seed, rate) for name in names for seed in range(3) for rate in (0.1, 0.01)]
    records[0].history["test_acc"] = [0.9, 0.1, 0.1]  # constant, seed 0, at 0.1: best in its first epoch
    figure = draw_map(records)
    figure.canvas.draw()
    panels = [ax for ax in figure.axes if ax.get_title()]
    assert [ax.get_title() for ax in panels] == names
    assert all(any(label.get_visible() and label.get_text() for label in ax.get_xticklabels()) for ax in panels)
    told = {(*text.xy, text.get_text()) for text in panels[0].texts}
    assert told == {(1, 0.1, "1"), (2, 0.01, "2"), (2, 0.001, "3")}
    points = [tuple(point) for point in panels[0].collections[0].get_offsets()]
    areas = dict(zip(points, panels[0].collections[0].get_sizes()))
    assert areas[1, 0.1] < areas[2, 0.01] < areas[2, 0.001]
