"""The tables of what was measured: ratios within a round, their median and spread over the rounds."""

import statistics

import ours
from peers import LISTED, PLAIN, best

from gluon_lr.report.tables import markdown_table

NAMES = {
    "lenet": "LeNet, batch 256",
    "mlp-sgd": "MLP 256-256, batch 64, SGD",
    "mlp-adam": "the same, Adam",
    "vit": "ViT (small preset), batch 128, AdamW",
    "resnet": "ResNet-18 v2, batch 128",
}
GOALS = {"lenet": 0.70, "mlp-sgd": 1.3, "mlp-adam": 1.5, "vit": 1.8, "resnet": 0.95}


def spread(values, digits=2):
    """Median and spread as text."""
    if not values:
        return "does not run here"
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} … {max(values):.{digits}f})"


def rounds(results, *arms):
    """What these arms gave in each round in which all of them ran."""
    return [row for row in zip(*(results[arm] for arm in arms)) if all(row)]


def strongest(measured, key, listed):
    """The configuration of PyTorch with the least median over the rounds."""
    common = [name for name in measured[0] if all(name in found for found in measured)]
    medians = {name: {key: statistics.median(found[name][key] for found in measured)} for name in common}
    return best(medians, key, listed)


def _milliseconds(seconds):
    return f"{seconds * 1e3:,.0f} ms" if seconds >= 0.1 else f"{seconds * 1e3:.3g} ms"


def compared(results, arm, key):
    """Rows of a study each: ours over PyTorch's best of the same round, over plain eager, over all that was tried."""
    rows = []
    for name in ours.STUDIES:
        pairs = rounds(results, f"{name}: {arm}", f"{name}: PyTorch")
        if not pairs:
            rows.append((NAMES[name], "does not run here", *["–"] * 6))
            continue
        mine = [own[key] for own, _ in pairs]
        peers = [found for _, found in pairs]
        over_best = [own / found[best(found, key)][key] for own, found in zip(mine, peers)]
        over_all = [own / found[best(found, key, False)][key] for own, found in zip(mine, peers)]
        rows.append(
            (
                NAMES[name],
                _milliseconds(statistics.median(mine)),
                spread(over_best),
                f"≤ {GOALS[name]:.2f}" if key == "update" else "–",
                strongest(peers, key, True),
                spread([own / found[PLAIN][key] for own, found in zip(mine, peers)]),
                spread(over_all),
                strongest(peers, key, False),
            )
        )
    return rows


_HEAD = (
    "ours", "over PyTorch's best", "goal", "which is", "over plain eager, one process, two threads",
    "over the best of all tried", "which is",
)  # fmt: skip


def updates(results):
    """An update of each study."""
    return markdown_table(("an update", *_HEAD), compared(results, "ours", "update"))


def epochs(results):
    """An epoch of each study's command; of ResNet ten updates and an evaluation."""
    return markdown_table(("an epoch of the command", *_HEAD), compared(results, "command", "epoch"))


def parts(results):
    """What the rest of the loop, the data and the second core cost or bring, and the package's other figures."""
    rows = []
    for name in ours.STUDIES:
        found = [own["train_over_operators"] for own in results[f"{name}: ours"] if own]
        rows.append((f"{NAMES[name]}: an update through `train` over its operators alone", spread(found), "≤ 1.10"))
    chapter = rounds(results, "lenet: command", "d2l")
    rows.append(
        ("whole chapter over d2l's loop and loaders", spread([a["epoch"] / b["epoch"] for a, b in chapter]), "≤ 0.20")
    )
    jobs = rounds(results, "lenet: command in one job", "lenet: command")
    rows.append(("throughput of two jobs over one", spread([a["epoch"] / b["epoch"] for a, b in jobs]), "≥ 1.70"))
    good = {name: [found for found in results[name] if found] for name in results}
    plain = [found["our_seconds_per_update"] / found["plain_seconds_per_update"] for found in good["peak"]]
    search = [ratio - 1 for found in good["finder"] for ratio in found["ratios"]]
    imports, calls = good["imports"], good["scheduler-calls"]
    first, memory = [found["seconds"] for found in good["first-update"]], [x["mebibytes"] for x in good["memory"]]
    return markdown_table(
        ("measured", "median (least … greatest)", "goal"),
        [
            *rows,
            ("LeNet over one of Gluon's own layers (one thread)", spread(plain), "–"),
            ("a search's time over plain updates, less one", spread(search, 3), "≤ 0.050"),
            ("`import gluon_lr` beyond `import mxnet`, s", spread([x["gluon_lr"] for x in imports], 3), "≤ 0.300"),
            ("the same with the names used, s", spread([x["with_names"] for x in imports], 3), "–"),
            ("command to first update and its evaluation, s", spread(first), "≤ 5"),
            ("peak memory of one run, MiB", spread(memory, 0), "≤ 1024"),
            ("a scheduler call, µs", spread([x["policy"] for x in calls]), "≤ 2"),
            ("a call of three nested combinators, µs", spread([x["three_nested"] for x in calls]), "≤ 5"),
        ],
    )


def scaling(results):
    """How costs grow."""
    rows = []
    for kind, found in ((results["scaling"] or [None])[0] or {}).items():
        rows.append(
            (
                kind,
                " · ".join(f"{size:,}" for size in found["sizes"]),
                " · ".join(f"{seconds:.3g}" for seconds in found["seconds"]),
                f"{found['exponent']:.2f}",
                " · ".join(f"{memory:.0f}" for memory in found["mebibytes"]),
                f"{found['memory_exponent']:.2f}",
            )
        )
    return markdown_table(("growing with", "sizes", "seconds", "exponent", "peak memory, MiB", "exponent"), rows)


def peak(results):
    """LeNet's operators against what one core can do at most."""
    found = (results["peak"] or [None])[0]
    if not found or not found["peak"]:
        return "No C compiler here, so no peak was measured."
    most = found["peak"]["operations_a_second"]
    rows, least, whole = [], 0.0, 0.0
    for name, part in found["operators"].items():
        seconds, operations = part["forward"] + part["backward"], 2 * part["computed"]
        least, whole = least + operations / most, whole + seconds
        rows.append(
            (
                name, f"{seconds * 1e3:.2f}", f"{operations / 1e6:.0f}", f"{2 * part['needed'] / 1e6:.0f}",
                f"{operations / seconds / most:.0%}", f"{operations / most * 1e3:.2f}",
            )
        )  # fmt: skip
    update = found["our_seconds_per_update"]
    rows.append(("all of these", f"{whole * 1e3:.2f}", "", "", f"{least / whole:.0%}", f"{least * 1e3:.2f}"))
    rows.append(("an update", f"{update * 1e3:.2f}", "", "", f"{least / update:.0%}", f"{least * 1e3:.2f}"))
    head = (
        "LeNet, forward and backward, one thread", "ms", "million operations computed", "needed", "share of the peak",
        "ms at the peak",
    )  # fmt: skip
    text = (
        f"The peak of one core, from a loop of fused multiply-adds on {found['peak']['width']} numbers at a time that "
        f"does nothing else: {most / 1e9:.0f} billion operations a second, two a multiply-add."
    )
    return f"{text}\n\n{markdown_table(head, rows)}"


def document(saved):
    """All tables, and what they were measured on."""
    about, results = saved["about"], saved["results"]
    lines = "\n".join(f"- {name}: {value}" for name, value in about.items())
    tried = (
        "PyTorch's best is the fastest of these in the same round: one process with two threads or two processes with "
        f'one, each {", ".join(LISTED)}; after the first round without those that took half as long again. "All '
        "tried\" adds PyTorch's fused optimizers and, for Adam, denormal numbers taken as zero, as this package has "
        "them. Ours runs in two processes with one thread, as a sweep does. Times are of the whole machine: two "
        "processes side by side count half."
    )
    return (
        f"{lines}\n\n{tried}\n\n{updates(results)}\n\n{epochs(results)}\n\n{parts(results)}\n\n"
        f"## How costs grow\n\n{scaling(results)}\n\n## LeNet and the processor's peak\n\n{peak(results)}\n"
    )


def blocks(saved):
    """What the documentation shows: by name."""
    return {"bench": f"{updates(saved['results'])}\n\n{epochs(saved['results'])}"}
