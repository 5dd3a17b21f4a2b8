"""What is generated in README and docs is of the committed records; and marks of blocks that nothing generates."""

import json
import re
import runpy
from importlib import import_module

import campaigns
import pytest
from conftest import ROOT

from gluon_lr.report.blocks import block

STUDIES = ("chapter", "tutorial", "article", "talk", "beyond", "exercises")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def generated():
    """Block name → what the committed records say."""
    found = {}
    for name in STUDIES:
        study = getattr(import_module(f"gluon_lr.studies.{name}.__main__"), name.upper())
        records, _ = study.read(ROOT / "chapter_runs" / name)
        found.update(study.generated(records))
    regret = runpy.run_path(str(ROOT / "benchmarks" / "finder" / "regret.py"))
    found.update(regret["blocks"]())
    found.update(runpy.run_path(str(ROOT / "benchmarks" / "finder" / "tuning.py"))["blocks"](regret["FOLDER"]))
    chosen = runpy.run_path(str(ROOT / "benchmarks" / "finder" / "chosen.py"))
    found[chosen["BLOCK"]] = chosen["table"](chosen["CHOSEN_ON"])
    found["reliability"] = campaigns.markdown(json.loads(campaigns.RECORD.read_text(encoding="utf-8")))
    record = ROOT / "benchmarks" / "speed" / "results.json"
    if record.exists():  # no session of the benchmark is recorded yet
        bench = runpy.run_path(str(ROOT / "benchmarks" / "speed" / "bench.py"))
        saved = json.loads(record.read_text(encoding="utf-8"))
        assert bench["document"](saved) == record.with_suffix(".md").read_text(encoding="utf-8")
        found.update(bench["blocks"](saved))
    return found


@pytest.fixture
def scripts(monkeypatch):
    for folder in ("finder", "speed"):
        monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / folder))


def test_every_generated_block_is_of_the_committed_records(scripts):
    contents, shown = generated(), set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"<!-- ([\w-]+):begin -->", text):
            assert block(text, name) == contents[name], f"{page.name}, {name}: run make results"
            shown.add(name)
    assert shown == set(contents), "a block that no page shows"


def test_the_readme_can_be_read_at_once():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 160
