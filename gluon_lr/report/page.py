"""A study's report: ``results.csv`` and one self-contained HTML page."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Sequence

from ..experiments.record import Record
from ..files import write_text
from .tables import Table, results_csv

CHOOSE = "Which schedule suits your case: the page docs/guides/which-schedule.md answers from all studies."
BANDS = (
    "In the pictures of curves a line is the mean over the trainings that did not collapse, and the band around it "
    "runs from the least to the greatest of them, where there are several. After a name, (8 of 20) says that "
    "8 of 20 did not collapse."
)
QUICK_MARK = "QUICK RUN: a slice of the data, few epochs; not comparable with the published figures"


@dataclass(frozen=True)
class Section:
    """A heading, paragraphs, and below them tables and pictures."""

    title: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Path] = field(default_factory=list)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }
table { border-collapse: collapse; font-size: .86rem; margin: 1rem 0; display: block; overflow-x: auto }
caption { text-align: left; font-weight: 600; padding: .3rem 0 }
th, td { border: 1px solid #ccc; padding: .25rem .55rem; text-align: left } th { background: #f3f3f3 }
img { max-width: 100%; height: auto } .stamp { background: #c00; color: #fff; padding: .5rem 1rem; font-weight: 600 }
</style></head><body>
<h1>{{ title }}</h1>
{% if stamp %}<p class="stamp">{{ stamp }}</p>{% endif %}
{% for section in sections %}<h2>{{ section.title }}</h2>
{% for paragraph in section.paragraphs %}<p>{{ paragraph }}</p>
{% endfor %}{% for table in section.tables %}<table><caption>{{ table.caption }}</caption>
<thead><tr>{% for name in table.columns %}<th>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in table.rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table>
{% endfor %}{% for name, data in section.images %}<p><img alt="{{ name }}" src="data:image/png;base64,{{ data }}"></p>
{% endfor %}{% endfor %}</body></html>
"""


def write_page(path: Path, title: str, sections: Sequence[Section], stamp: str = "") -> Path:
    """Write a page that needs no other file: its pictures are inside."""
    import jinja2

    shown = [
        {
            "title": section.title,
            "paragraphs": section.paragraphs,
            "tables": section.tables,
            "images": [(p.stem, base64.b64encode(p.read_bytes()).decode("ascii")) for p in section.pictures],
        }
        for section in sections
    ]
    template = jinja2.Environment(autoescape=True, trim_blocks=True).from_string(_PAGE)
    write_text(path, template.render(title=title, sections=shown, stamp=stamp))
    return path


def write_report(
    folder: Path,
    title: str,
    records: Sequence[Record],
    sections: Sequence[Section],
    notes: Sequence[str],
    quick: bool = False,
) -> Path:
    """Write ``results.csv`` and ``report.html`` of the records in a study's folder; the page's path.

    The page ends with ``notes``, the machines that trained, and the trace of every run that failed.
    """
    write_text(folder / "results.csv", results_csv(records))
    failures = [f"{r.path.name if r.path else ''}: {r.error}" for r in records if r.status == "failed"]
    last = Section("Notes", [*notes, CHOOSE, *made_by(records), *environments(records), *failures])
    return write_page(folder / "report.html", title, [*sections, last], QUICK_MARK if quick else "")


def made_by(records: Sequence[Record]) -> List[str]:
    """Which versions made the records, where there are several: a table of them mixes what rounds differently."""
    counts = Counter(record.made_by for record in records if record.environment and record.status != "failed")
    if len(counts) < 2:
        return []
    listed = ", ".join(f"{count} by {version}" for version, count in sorted(counts.items()))
    unnamed = "; one that names none is by 1.0.0" if "1.0.0" in counts else ""
    return [f"Made by several versions of gluon_lr: {listed}. Each record names its own{unnamed}."]


def _threads(record: Record) -> str:
    threads = record.environment["threads"]
    return "MXNet's default of threads" if threads is None else "1 thread" if threads == 1 else f"{threads} threads"


def environments(records: Sequence[Record]) -> List[str]:
    """One line a distinct machine and set of versions that the records were made with."""
    lines = {
        "{processor}, {cores} cores, {threads} a run, {context}, Python {python}, MXNet {mxnet}, "
        "NumPy {numpy}, gluon_lr {gluon_lr}".format(
            **{**record.environment, "threads": _threads(record), "gluon_lr": record.made_by}
        )
        for record in records
        if record.environment and record.status != "failed"
    }
    return sorted(lines)
