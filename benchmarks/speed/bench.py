"""``make bench``: every arm in turn, round after round, and a table of ratios with their spread.

Machines are noisy: absolute times are saved but only ratios within a round are quoted.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from gluon_lr.cli import Parser, choice_list, file, positive_int, run
from gluon_lr.errors import UsageError
from gluon_lr.report.blocks import markdown_file, update_blocks

HERE = Path(__file__).resolve().parent
INTERLEAVED = ["ours", "d2l", "pytorch", "pytorch-compiled", "ours-two-jobs", "ours-one-job"]
REPEATED = ["imports", "first-update", "floor", "memory", "finder", "scheduler-calls"]


def measure_arm(name):
    """One arm in a process of its own; None where it does not run on this machine."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(HERE / "arms.py"), name], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        print(f"{name} does not run here: {(done.stderr.strip().splitlines() or ['no message'])[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(rounds, arms):
    """The results of these arms, in turn, round after round; a list a name."""
    results = {name: [] for name in arms}
    for i in range(rounds):
        for name in arms:
            if i and name in REPEATED[3:]:
                continue  # steady, or repeated within the arm
            started = time.perf_counter()
            results[name].append(measure_arm(name))
            print(f"round {i + 1}/{rounds}: {name}, {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return results


def ratios(results, first, second):
    """Ratios of seconds an epoch, round by round."""
    pairs = zip(results[first], results[second])
    return [a["seconds_per_epoch"] / b["seconds_per_epoch"] for a, b in pairs if a and b]


def spread_text(values, digits=2):
    """Median and spread as text."""
    if not values:
        return "does not run here"
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} … {max(values):.{digits}f})"


def table(results):
    """Rows of what, measured, goal; the ratios first, :data:`RATIOS` of them."""
    good = {name: [r for r in rows if r] for name, rows in results.items()}
    memory = [r["mebibytes"] for r in good["memory"]]
    floors = [r["our_seconds_per_update"] / r["seconds_per_update"] for r in good["floor"]]
    plain = [r["our_seconds_per_update"] / r["plain_seconds_per_update"] for r in good["floor"]]
    finder = [ratio - 1 for r in good["finder"] for ratio in r["ratios"]]
    calls = good["scheduler-calls"]
    return [
        ("whole chapter, time over d2l's loop and loaders", spread_text(ratios(results, "ours", "d2l")), "≤ 0.20"),
        ("whole chapter, time over PyTorch eager", spread_text(ratios(results, "ours", "pytorch")), "≤ 0.50"),
        ("whole chapter, time over PyTorch compiled", spread_text(ratios(results, "ours", "pytorch-compiled")), "–"),
        ("throughput of two jobs over one", spread_text(ratios(results, "ours-one-job", "ours-two-jobs")), "≥ 1.70"),
        ("an update over one of Gluon's own layers (one thread)", spread_text(plain), "–"),
        ("an update over its heavy operators alone (one thread)", spread_text(floors), "–"),
        ("a search's time over plain updates, less one", spread_text(finder, 3), "≤ 0.050"),
        (
            "`import gluon_lr` beyond `import mxnet`, s",
            spread_text([r["gluon_lr"] for r in good["imports"]], 3),
            "≤ 0.300",
        ),
        ("the same with the names used, s", spread_text([r["with_names"] for r in good["imports"]], 3), "–"),
        (
            "command to first update and its evaluation, s",
            spread_text([r["seconds"] for r in good["first-update"]]),
            "≤ 5",
        ),
        ("peak memory of one run, MiB", spread_text(memory, 0), "≤ 1024"),
        ("a scheduler call, µs", spread_text([r["policy"] for r in calls]), "≤ 2"),
        ("a call of three nested combinators, µs", spread_text([r["three_nested"] for r in calls]), "≤ 5"),
    ]


RATIOS = 7  # rows of the table that hold on other machines too: what the README shows


def markdown(rows):
    """The table in Markdown."""
    lines = ["| measured | median (least … greatest) | goal |", "| --- | --- | --- |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def machine():
    """What this was measured on."""
    import os
    import platform

    from gluon_lr.experiments.environment import processor

    return f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"


def read(path):
    """What was measured and saved there.

    Raises:
        UsageError: the file is missing, or not whole.
    """
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        table(saved["results"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: is not a whole measurement ({error!r}): measure all arms to make one") from error
    return saved


def main(argv=None):
    """Measure, print, save; the exit code."""
    parser = Parser("benchmarks/speed/bench.py", description=__doc__)
    parser.add_argument("--rounds", type=positive_int, default=3)
    every = INTERLEAVED + REPEATED
    parser.add_argument(
        "--arms", type=choice_list(every), default=every, help="only some of " + ",".join(every) + "; the rest as saved"
    )
    parser.add_argument("--out", type=file, default=HERE / "results.json")
    parser.add_argument(
        "--markdown", type=markdown_file(["bench"]), help="also rewrite the generated block of this Markdown file"
    )
    parser.add_argument("--report-only", action="store_true", help="measure nothing; read what was saved")
    options = parser.parse_args(argv)
    results = read(options.out)["results"] if options.arms != every and not options.report_only else {}
    if not options.report_only:
        results.update(measure(options.rounds, options.arms))
        saved = {"machine": machine(), "results": results}
        options.out.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
    saved = read(options.out)
    rows = table(saved["results"])
    text = f"Measured on: {saved['machine']}\n\n{markdown(rows)}\n"
    options.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)
    if options.markdown:
        update_blocks(options.markdown, {"bench": markdown(rows[:RATIOS])})
    return 0


if __name__ == "__main__":
    run(main, "benchmarks/speed/bench.py")
