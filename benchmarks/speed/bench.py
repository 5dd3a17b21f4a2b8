"""``make bench``: every arm in turn, round after round, and tables of ratios with their spread.

Machines are noisy: absolute times are saved, but only ratios within a round are quoted. All figures of a record are of
one session.
"""

import datetime
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from arms import ARMS
from lockstep import QUICK
from peers import contenders
from tables import blocks, document

from gluon_lr.cli import Parser, choice_list, file, positive_int, run
from gluon_lr.errors import UsageError
from gluon_lr.report.blocks import markdown_file, update_blocks

HERE = Path(__file__).resolve().parent
# Steady, or repeated within the arm.
ONCE = ("memory", "finder", "scheduler-calls", "peak", "scaling")


def measure_arm(name, *arguments):
    """One arm in a process of its own; None where it does not run on this machine."""
    command = [sys.executable, "-W", "ignore", str(HERE / "arms.py"), name, *map(json.dumps, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"{name} does not run here: {(done.stderr.strip().splitlines() or ['no message'])[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(rounds, arms):
    """The results of these arms, in turn, round after round; a list a name."""
    results = {name: [] for name in ARMS}
    for i in range(rounds):
        for name in arms:
            if i and name in ONCE:
                continue
            started = time.perf_counter()
            first = results[name][0] if i and name.endswith(": PyTorch") else None
            results[name].append(measure_arm(name, contenders(first)) if first else measure_arm(name))
            print(f"round {i + 1}/{rounds}: {name}, {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return results


def about(rounds):
    """The commit, the day, the settings and the machine."""
    from gluon_lr.experiments.environment import processor

    def told(path):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError:
            return "not told"

    def git(*command):
        done = subprocess.run(["git", *command], capture_output=True, text=True, check=False, cwd=HERE)
        return done.stdout.strip() if done.returncode == 0 else "not told"

    info = told("/proc/cpuinfo")
    flags = next((line.partition(":")[2].split() for line in info.splitlines() if line.startswith("flags")), [])
    wide = [flag for flag in flags if flag.startswith(("avx", "fma", "amx"))]
    caches = []
    for cache in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        caches.append(f"L{told(cache / 'level')} {told(cache / 'type').lower()} {told(cache / 'size')}")
    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    import importlib.metadata

    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("mxnet", "torch", "numpy"))
    return {
        "commit": git("rev-parse", "--short", "HEAD") + changed,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "settings": f"{rounds} rounds, {versions}, Python {platform.python_version()}",
        "processor": f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "vector instructions": " ".join(wide) or "not told",
        "caches": ", ".join(caches) or "not told",
        "governor": told("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def read(path):
    """What was measured and saved there.

    Raises:
        UsageError: it is not there, or not whole.
    """
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        document(saved)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise UsageError(f"{path}: holds no whole measurement ({error!r}): measure all arms to make one") from error
    return saved


def main(argv=None):
    """Measure, print, save; the exit code."""
    parser = Parser("benchmarks/speed/bench.py", description=__doc__)
    parser.add_argument("--rounds", type=positive_int, default=3)
    every = list(ARMS)
    parser.add_argument(
        "--arms",
        type=choice_list(every),
        default=every,
        help="only some, printed as they come and saved nowhere: " + ", ".join(every),
    )
    parser.add_argument("--out", type=file, default=HERE / "results.json")
    parser.add_argument(
        "--markdown", type=markdown_file(["bench"]), help="also rewrite the generated block of this Markdown file"
    )
    parser.add_argument("--report-only", action="store_true", help="measure nothing; read what was saved")
    options = parser.parse_args(argv)
    if options.arms != every:
        print(json.dumps(measure(options.rounds, options.arms), indent=1))
        return 0
    if not options.report_only:
        saved = {"about": about(options.rounds), "results": measure(options.rounds, every)}
        if QUICK:
            saved["about"]["settings"] += "; QUICK: to see that it runs, no measurement"
        options.out.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
    saved = read(options.out)
    options.out.with_suffix(".md").write_text(document(saved), encoding="utf-8")
    print(document(saved))
    if options.markdown:
        update_blocks(options.markdown, blocks(saved))
    return 0


if __name__ == "__main__":
    run(main, "benchmarks/speed/bench.py")
