"""One self-contained HTML page a study, and generated blocks in the README."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Sequence

from ..errors import RecordError
from ..files import write_text


@dataclass(frozen=True)
class Table:
    """A table: its caption, the columns' names, and rows of text."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The table in GitHub's Markdown, without its caption."""
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


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


def block(text: str, name: str) -> str:
    """What stands in ``text`` between the marks of the generated block ``name``.

    Raises:
        RecordError: there is no such block.
    """
    found = re.search(_marks(name), text, re.S)
    if not found:
        raise RecordError(f"no generated block {name!r}: expected <!-- {name}:begin --> … <!-- {name}:end -->")
    return found.group(2).strip()


def with_block(text: str, name: str, content: str) -> str:
    """``text`` with the generated block ``name`` replaced by ``content``."""
    block(text, name)
    return re.sub(_marks(name), lambda found: f"{found.group(1)}\n{content}\n{found.group(3)}", text, flags=re.S)


def _marks(name: str) -> str:
    return rf"(<!-- {re.escape(name)}:begin -->)(.*?)(<!-- {re.escape(name)}:end -->)"


def update_readme(path: Path, blocks: "dict[str, str]") -> None:
    """Rewrite the generated blocks of a Markdown file."""
    text = Path(path).read_text(encoding="utf-8")
    for name, content in blocks.items():
        text = with_block(text, name, content)
    write_text(path, text)


def environments(records: Sequence[object]) -> List[str]:
    """One line a distinct machine and set of versions that the records were made with.

    gluon_lr 1.0.0 did not write its own version down.
    """
    lines = {
        "{processor}, {cores} cores, {threads} thread a run, {context}, Python {python}, MXNet {mxnet}, "
        "NumPy {numpy}, gluon_lr {gluon_lr}".format(**{"gluon_lr": "1.0.0", **record.environment})
        for record in records
        if record.environment
    }
    return sorted(lines)
