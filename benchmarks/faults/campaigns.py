"""Cause many faults and count losses: kills, a soak, damaged files. ``make faults`` runs them at full size.

The tests run small versions of the same campaigns. A full run writes ``campaigns.json`` beside this file, and the
docs' table of reliability is made from it.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import xml.etree.ElementTree
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RECORD = HERE / "campaigns.json"

SWEEP = """
import sys
sys.path.insert(0, {tests!r})
from small_runs import build, specs
from gluon_lr.experiments import sweep
def noted(spec, ctx, data_dir=None):
    with open({out!r} + "/begun.txt", "a") as stream:
        stream.write(spec.key + "\\n")
    return build(spec, ctx, data_dir)

if __name__ == "__main__":
    for record in sweep(specs({runs!r}, {seeds!r}, {epochs}), noted, {out!r}, jobs=2, progress=False):
        print(record.spec["run"], record.spec["seed"], record.status)
"""


def start_sweep(folder, out, runs=("slow", "a", "b", "c"), seeds=(0, 1), epochs=3):
    """A sweep of small runs in a process of its own."""
    script = Path(folder) / f"sweep_{Path(out).name}.py"
    script.write_text(
        SWEEP.format(tests=str(ROOT / "tests"), out=str(out), runs=runs, seeds=tuple(seeds), epochs=epochs)
    )
    return subprocess.Popen([sys.executable, "-W", "ignore", str(script)], stdout=subprocess.PIPE, text=True)


def children(pid):
    """The worker processes of a sweep."""
    found = subprocess.run(["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in found.splitlines()]
    return [int(p) for p, parent, args in rows if int(parent) == pid and "popen_loky" in args]


def finish(folder, name, **sweep):
    """Run the sweep to its end and return its records."""
    from gluon_lr.experiments import Store

    process = start_sweep(folder, Path(folder) / name, **sweep)
    process.communicate(timeout=600)
    assert process.returncode == 0
    return Store(Path(folder) / name).records()


def histories(records):
    """File name → history, without what differs from run to run: time."""
    return {r.path.name: {k: v for k, v in r.history.items() if k != "seconds"} for r in records}


def kill_minus_9(folder, times, seed=0, **sweep):
    """``kill -9`` at random moments of one sweep, of a worker and of the parent in turn; counts what was lost."""
    expected = histories(finish(folder, "undisturbed", **sweep))
    draw = np.random.default_rng(seed)
    out, workers_killed, parents_killed = Path(folder) / "disturbed", 0, 0
    process = start_sweep(folder, out, **sweep)
    while workers_killed + parents_killed < times:
        workers = []
        while len(workers) < 2:
            if process.poll() is not None:
                raise AssertionError("the sweep ended before it was killed often enough: give it more runs")
            time.sleep(0.1)
            workers = children(process.pid)
        time.sleep(float(draw.uniform(0.3, 2.0)))
        workers = children(process.pid)
        if workers_killed <= parents_killed and workers:
            os.kill(workers[int(draw.integers(len(workers)))], signal.SIGKILL)
            workers_killed += 1
            continue
        process.kill()
        process.wait()
        process.stdout.close()
        parents_killed += 1
        deadline = time.monotonic() + 5
        while any(os.path.exists(f"/proc/{worker}") for worker in workers):
            assert time.monotonic() < deadline, "a worker outlived its command"
            time.sleep(0.1)
        process = start_sweep(folder, out, **sweep)
    process.communicate(timeout=600)
    found = histories(finish(folder, "disturbed", **sweep))
    assert not list(out.rglob("*.part")), "a half-written file is left"
    lost = sum(found.get(name) != history for name, history in expected.items())
    return {
        "workers killed": workers_killed, "commands killed": parents_killed, "runs": len(expected), "lost": lost
    }  # fmt: skip


def soak(folder, runs):
    """Short runs through one process tree: its memory and open files at the beginning and at the end."""
    from gluon_lr.experiments import Store

    process = start_sweep(folder, Path(folder) / "soak", runs=("a",), seeds=range(runs), epochs=1)
    done, samples = Path(folder) / "soak" / "runs", []
    while process.poll() is None:
        time.sleep(0.1)
        tree = [process.pid, *children(process.pid)]
        count = len(list(done.glob("*.json"))) if done.exists() else 0
        memory = {pid: _resident(pid) for pid in tree}
        samples.append((count, sum(memory.values()), sum(_open_files(pid) for pid in tree), len(tree)))
    process.stdout.close()
    assert process.returncode == 0
    full = [s for s in samples if s[3] == 3]  # the command and both workers
    early = [s for s in full if runs / 10 <= s[0] < 3 * runs / 10]
    late = [s for s in full if s[0] >= 8 * runs / 10]
    return {
        "runs": len(list(done.glob("*.json"))),
        "lost": runs - sum(record.status == "finished" for record in Store(done.parent).records()),
        "MiB early": float(np.median([s[1] for s in early])),
        "MiB late": float(np.median([s[1] for s in late])),
        "open files early": float(np.median([s[2] for s in early])),
        "open files late": float(np.median([s[2] for s in late])),
    }


def _resident(pid):
    """Resident memory in MiB; 0 for a process that has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _open_files(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def damaged(content, how):
    """``content`` after a list of blows, each a kind, a place as a share of the length, and a byte."""
    for kind, share, byte in how:
        place = int(share * len(content))
        if kind == "cut":
            content = content[:place]
        elif kind == "flip" and content:
            place = min(place, len(content) - 1)
            content = content[:place] + bytes([content[place] ^ (byte or 1)]) + content[place + 1 :]
        elif kind == "insert":
            content = content[:place] + bytes([byte]) * (1 + byte % 7) + content[place:]
        elif kind == "delete":
            content = content[:place] + content[place + 1 + byte % 5 :]
        elif kind == "double":
            content += content[place:]
    return content


def fuzz(folder, inputs):
    """Damaged files of every kind that is read back, ``inputs`` of them data files: each refused by name, or what it
    was; all else counts as lost."""
    return {
        name: _fuzz_reader(read, content, max(1, int(inputs * part)))
        for name, (part, read, content) in _readers(Path(folder)).items()
    }


def _fuzz_reader(read, content, inputs):
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    share = st.floats(0, 1, exclude_max=True)
    blow = st.tuples(st.sampled_from(["cut", "flip", "insert", "delete", "double"]), share, st.integers(0, 255))
    counts = {"inputs": 0, "refused": 0, "lost": 0}

    @settings(
        max_examples=inputs, database=None, derandomize=True, deadline=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip
    @given(st.lists(blow, min_size=1, max_size=4))
    def try_it(how):
        counts["inputs"] += 1
        try:
            counts["refused"] += read(damaged(content, how))
        except Exception:
            counts["lost"] += 1
            print(f"lost: after {how}:\n{traceback.format_exc()}", file=sys.stderr)

    try_it()
    return counts


def _readers(folder):
    """Kind of file → (share of the inputs, what reads it, a good one). A reader tells whether it refused."""
    import gzip

    from gluon_lr import state as snapshot
    from gluon_lr.data import formats
    from gluon_lr.errors import DataError, RecordError
    from gluon_lr.experiments import Record, RunSpec, Store
    from gluon_lr.experiments.record import read_record
    from gluon_lr.finder import LRFinderResult

    draw = np.random.default_rng(0)
    idx = bytes([0, 0, 8, 2, 0, 0, 0, 20, 0, 0, 0, 30]) + draw.integers(0, 256, 600).astype(np.uint8).tobytes()
    cifar = formats.cifar_rows(draw.integers(0, 256, (2, 1024, 3)).astype(np.uint8), np.array([3, 9]))
    spec = RunSpec("test", "a", 0, 3)
    Store(folder).write(spec, Record(spec.as_dict(), "finished", {"train_loss": [1.0, 0.5]}, {}, {}, 1.0))
    record = Store(folder).record_path(spec)
    good = read_record(record)
    pairs = [(1e-3 * 1.2**i, 2.0 - i / 30) for i in range(20)]
    result = folder / "search.json"
    LRFinderResult(pairs, "diverged").to_json(result)
    net, trainer = _small_net()
    path = folder / "s.npz"
    snapshot.save(path, net, trainer)

    def state():
        return [p.data().asnumpy() for p in net.collect_params().values()] + [
            moved.asnumpy() for moved in trainer._updaters[0].states.values()
        ]

    whole = state()

    def gzipped(content):
        file = folder / "a.gz"
        file.write_bytes(content)
        try:
            array = formats.parse_idx(formats.read_content(file, len(idx)), (20, 30), str(file))
        except DataError as error:
            assert str(file) in str(error)
            return True
        assert array.size == 600
        return False

    def plain(content):
        try:
            array = formats.parse_idx(content, (20, 30), "it")
        except DataError as error:
            assert "it:" in str(error)
            return True
        assert content[12:] == array.tobytes()
        return False

    def rows(content):
        try:
            images, labels = formats.parse_cifar(content, 2, "it")
        except DataError as error:
            assert "it:" in str(error)
            return True
        assert images.shape == (2, 3, 32, 32)
        assert labels.max() <= 9
        return False

    def recorded(content):
        record.write_bytes(content)
        try:
            assert read_record(record).history == good.history
        except RecordError as error:
            assert str(record) in str(error)
            return True
        return False

    def searched(content):
        result.write_bytes(content)
        try:
            assert LRFinderResult.from_json(result) == pairs
        except RecordError as error:
            assert str(result) in str(error)
            return True
        return False

    def restored(content):
        path.write_bytes(content)
        refused = False
        try:
            snapshot.load(path, net, trainer)
        except RecordError as error:
            assert str(path) in str(error)
            refused = True
        assert all((now == was).all() for now, was in zip(state(), whole)), "a damaged file moved net or trainer"
        return refused

    return {
        "gzipped idx files": (0.4, gzipped, gzip.compress(idx, mtime=0)),
        "idx files": (0.4, plain, idx),
        "CIFAR-10 batches": (0.2, rows, cifar),
        "run records": (0.1, recorded, record.read_bytes()),
        "searches": (0.05, searched, result.read_bytes()),
        "snapshots": (0.05, restored, path.read_bytes()),
    }


def _small_net():
    import mxnet as mx
    from mxnet import gluon

    net = gluon.nn.Dense(64, in_units=32)  # 8 KB: zip members of less are always read whole
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"momentum": 0.9, "learning_rate": 0.1})
    with mx.autograd.record():
        loss = net(mx.nd.ones((2, 32))).sum()
    loss.backward()
    trainer.step(2)
    return net, trainer


def tests(folder, *arguments):
    """Run the tests that ``arguments`` select, and count those that passed and failed."""
    report = Path(folder) / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", f"--junitxml={report}", *arguments]
    subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
    suite = xml.etree.ElementTree.parse(report).getroot().find("testsuite")
    for case in suite.iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            print(f"lost: {case.get('classname')}::{case.get('name')}", file=sys.stderr)
    count = {key: int(suite.get(key)) for key in ("tests", "skipped", "failures", "errors")}
    return {"cases": count["tests"] - count["skipped"], "lost": count["failures"] + count["errors"]}


CAMPAIGNS = {
    "kill -9": lambda folder: kill_minus_9(folder, 20, seeds=range(12), epochs=12),
    "fuzz": lambda folder: fuzz(folder, 100_000),
    "soak": lambda folder: soak(folder, 500),
    "command lines": lambda folder: tests(folder, "tests/house/test_cli.py", "-k", "wrong or itself"),
    "fault tests": lambda folder: tests(folder, "-m", "fault", "tests", "--ignore=tests/house/test_cli.py"),
}


def markdown(record):
    """The README's table of a full run."""
    from gluon_lr.report.tables import markdown_table

    kills, soaked = record["kill -9"], record["soak"]

    def fuzzed(title, kinds):
        inputs, refused, lost = (sum(record["fuzz"][k][key] for k in kinds) for key in ("inputs", "refused", "lost"))
        tried = f"{inputs:,} ({refused:,} refused, the others still of the right form)"
        return (f"{title}: {', '.join(kinds)}", tried, str(lost))

    data = ["gzipped idx files", "idx files", "CIFAR-10 batches"]
    rows = [
        (f"`kill -9` at random moments of one sweep of {kills['runs']} runs",
         f"{kills['workers killed']} of workers, {kills['commands killed']} of the command",
         f"{kills['lost']} runs differ from the undisturbed sweep's in any bit"),
        fuzzed("damaged data", data),
        fuzzed("damaged results", [kind for kind in record["fuzz"] if kind not in data]),
        ("wrong command lines", f"{record['command lines']['cases']}", str(record["command lines"]["lost"])),
        ("full disks, read-only and vanishing folders, dying workers, clusters and servers, Ctrl-C, two commands, "
         "damaged data, records, searches and snapshots, numbers and data that go wrong",
         f"{record['fault tests']['cases']} tests", str(record["fault tests"]["lost"])),
        (f"{soaked['runs']} runs through one process tree",
         f"memory {soaked['MiB early']:.0f} → {soaked['MiB late']:.0f} MiB, "
         f"open files {soaked['open files early']:.0f} → {soaked['open files late']:.0f}", f"{soaked['lost']} runs"),
    ]  # fmt: skip
    return markdown_table(["fault", "tried", "lost"], rows)


def main():
    """``make faults``: every campaign at full size, or those that are named; their record.

    ``--markdown FILE`` only rewrites the table there.
    """
    from gluon_lr.experiments.environment import processor
    from gluon_lr.report.blocks import update_blocks

    if sys.argv[1:2] == ["--markdown"]:
        update_blocks(sys.argv[2], {"reliability": markdown(json.loads(RECORD.read_text(encoding="utf-8")))})
        return 0

    unknown = [name for name in sys.argv[1:] if name not in CAMPAIGNS]
    if unknown:
        print(f"unknown campaign {unknown[0]!r}: expected some of {', '.join(map(repr, CAMPAIGNS))}", file=sys.stderr)
        return 2
    record = json.loads(RECORD.read_text(encoding="utf-8")) if sys.argv[1:] else {"made": {}}
    for name in sys.argv[1:] or CAMPAIGNS:
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            record[name] = CAMPAIGNS[name](Path(folder))
        record["made"][name] = f"{time.strftime('%Y-%m-%d')}, {processor()}, {os.cpu_count()} cores"
        print(f"{name}: {record[name]}, {time.perf_counter() - started:.0f} s", file=sys.stderr)
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(markdown(record))
    counts = [part for name, part in record.items() if name not in ("fuzz", "made")]
    return int(any(count["lost"] for count in [*counts, *record["fuzz"].values()]))


if __name__ == "__main__":
    sys.exit(main())
