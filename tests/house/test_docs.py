"""Every Python block of the README and the docs runs, in small; blocks of one page share their names, in order.

And the index of the evidence counts what is there.
"""

import re
import subprocess
import sys

import pytest
from conftest import ROOT

from gluon_lr.experiments import Store

PAGES = {
    str(page.relative_to(ROOT)): re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)
    for page in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
}
PAGES = {name: blocks for name, blocks in PAGES.items() if blocks}
# What a page shows at a size that means something, and the size that a test has time for.
SMALLER = {
    r"load_data_(\w+)\(batch_size=256": r"load_data_\1(batch_size=32, limit=128",
    r"limit=10_000": "limit=128",
    r"lrs=\[0.05, 0.2\]": "lrs=[0.2]",
    r"seeds=\[0, 1, 2\]": "seeds=[0, 1]",
    r"epochs=5\b": "epochs=1",
    r"repeats=[35]": "repeats=2",
    r"test_iter, 10, loss": "test_iter, 1, loss",
    r"first_stage=200, longest_stage=400": "first_stage=10, longest_stage=20",
}


def smaller(code):
    for large, small in SMALLER.items():
        code = re.sub(large, small, code)
    return code


def test_the_pages_that_teach_have_code_to_run():
    assert len(PAGES) >= 8
    assert len(PAGES["README.md"]) == 3


def test_every_size_is_made_smaller_somewhere():
    code = "\n".join(block for blocks in PAGES.values() for block in blocks)
    assert [large for large in SMALLER if not re.search(large, code)] == []


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs(page, tmp_path):
    (tmp_path / "page.py").write_text(smaller("\n\n".join(PAGES[page])), encoding="utf-8")
    command = [sys.executable, "-W", "ignore", "page.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_index_of_the_evidence_counts_its_records():
    index = (ROOT / "chapter_runs" / "README.md").read_text(encoding="utf-8")
    rows = {row[0]: row[1:] for row in re.findall(r"^\| `(.+?)` \|.*\| (\d+) \| (.+?) \| ([\d.]+) \|$", index, re.M)}
    folders = {path.parent.relative_to(ROOT / "chapter_runs") for path in (ROOT / "chapter_runs").rglob("runs")}
    assert set(rows) == {folder.as_posix() for folder in folders}
    for folder, (trainings, versions, hours) in rows.items():
        records = Store(ROOT / "chapter_runs" / folder).records()
        made_by = {record.made_by for record in records}
        assert (int(trainings), set(re.findall(r"\d+\.\d+\.\d+", versions))) == (len(records), made_by), folder
        assert hours == f"{sum(record.seconds for record in records) / 2 / 3600:.1f}", folder


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "chapter_runs/README.md"])
def test_the_links_of_a_page_outside_the_docs_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s#:]+)(?:#[^)\s]*)?\)", (ROOT / page).read_text(encoding="utf-8"))
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/about/architecture.md"])
def test_every_file_that_a_page_names_is_there(page):
    named = set(re.findall(r"`([\w./]+\.(?:py|md|txt|csv))`", (ROOT / page).read_text(encoding="utf-8")))
    rooms = ("benchmarks", "chapter_runs", "docs", "gluon_lr", "tests")
    there = [path.as_posix() for room in rooms for path in (ROOT / room).rglob("*.*")] + [
        str(p) for p in ROOT.glob("*")
    ]
    assert len(named) > 5
    assert [name for name in named if not any(path.endswith(f"/{name}") for path in there)] == []
