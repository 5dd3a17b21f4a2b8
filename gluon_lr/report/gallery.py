"""Every policy with arguments that show its shape, on one sheet."""

from __future__ import annotations

import math
import re
from typing import Any, List, Tuple

from .. import schedulers as s
from .figures import SCHEDULES, look, new_figure

LENGTH = 100


def examples() -> List[Tuple[str, "s.Scheduler"]]:
    """Title and schedule, in the order in which the sheet shows them; each says all there is to see in 100 t."""
    cosine = s.CosineScheduler(50, base_lr=1.0)
    return [
        ("constant", s.ConstantScheduler(1.0)),
        ("step", s.StepScheduler(20, 0.5, base_lr=1.0)),
        ("multi-step", s.MultiStepScheduler([30, 60], 0.3, base_lr=1.0)),
        ("piecewise constant", s.PiecewiseConstantScheduler([20, 50, 80], [0.2, 1.0, 0.6, 0.1])),
        ("exponential", s.ExponentialScheduler(0.96, base_lr=1.0)),
        ("factor (chapter)", s.FactorScheduler(0.9, stop_factor_lr=0.05, base_lr=1.0)),
        ("linear", s.LinearScheduler(90, base_lr=1.0)),
        ("polynomial", s.PolynomialScheduler(90, power=2, base_lr=1.0)),
        ("time-based", s.TimeBasedScheduler(0.05, base_lr=1.0)),
        ("time-based, compounding", s.CompoundingTimeBasedScheduler(0.002, base_lr=1.0)),
        ("square root (chapter)", s.SquareRootScheduler(1.0)),
        ("inverse square root", s.InverseSquareRootScheduler(warmup=15, base_lr=1.0)),
        ("cosine", s.CosineScheduler(90, base_lr=1.0)),
        ("cosine, warm restarts", s.CosineWarmRestartsScheduler(15, 1.8, decay=0.8, base_lr=1.0)),
        ("one-cycle", s.OneCycleScheduler(90, max_lr=1.0)),
        ("one-cycle, three phases", s.OneCycleScheduler(90, 1.0, 10, rise=0.4, three_phase=True, curve="linear")),
        ("one-cycle's momentum", s.OneCycleScheduler(90, max_lr=1.0).momentum()),
        ("cyclic, triangular", s.CyclicScheduler(0.1, 1.0, up=12)),
        ("cyclic, triangular2", s.CyclicScheduler(0.1, 1.0, up=12, mode="triangular2")),
        ("cyclic, exp_range", s.CyclicScheduler(0.1, 1.0, up=12, mode="exp_range", decay=0.98)),
        ("warmup-stable-decay", s.WarmupStableDecayScheduler(15, 45, 30, base_lr=1.0, curve="1-sqrt")),
        ("any function", s.FunctionScheduler(_ripple)),
        ("warmup over cosine", s.WarmupScheduler(cosine, 20, mode="cosine")),
        ("chain", s.ChainScheduler([s.LinearScheduler(30, 0.1, 1.0), s.ConstantScheduler(1.0), cosine], [30, 20])),
        ("cycle", s.CycleScheduler(s.LinearScheduler(25, 1.0, 0.1))),
        ("scale", s.ScaleScheduler(cosine, 0.5)),
        ("clip", s.ClipScheduler(cosine, 0.2, 0.8)),
        ("per epoch", s.PerEpochScheduler(s.CosineScheduler(9, 1.0), updates_per_epoch=10)),
    ]


def _ripple(t: float) -> float:
    return 0.5 + 0.4 * math.sin(t / 8) * math.exp(-t / 60)


def gallery() -> Any:
    """All examples on one sheet."""
    shown = examples()
    columns = 4
    rows = -(-len(shown) // columns)
    figure, axes = new_figure(rows, columns, width=10, height=1.55, sharex=True, sharey=True)
    for ax, (title, schedule) in zip(axes.flat, shown):
        name = re.split("[,(]", title)[0].strip().replace(" ", "-")
        color = look(name)["color"] if name in SCHEDULES else "0.3"
        ax.plot(range(LENGTH + 1), schedule.values(LENGTH + 1), lw=1.5, color=color)
        ax.set_title(title, fontsize=9)
        ax.set_ylim(-0.05, 1.1)
        ax.grid(alpha=0.3)
    for ax in axes[-1]:
        ax.set_xlabel("t (updates)", fontsize=8)
    for ax in axes[:, 0]:
        ax.set_ylabel("rate / base", fontsize=8)
    for ax in axes.flat[len(shown) :]:
        ax.axis("off")
    return figure
