"""What the site needs beyond MkDocs: files from outside docs/, and docstrings as this project writes them.

A page links to a picture, report or notebook by its place in the repository, so that the link works on a code host. The
hook makes each linked file a part of the site, at the same place below the site's root, and rewrites the link.
"""

import posixpath
import re
from pathlib import Path

import griffe
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = {  # a public name → what the reference knows it by
    found.rpartition(".")[2]: found
    for page in sorted((ROOT / "docs" / "reference").glob("*.md"))
    for found in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.M)
}
PAGES = ("CONTRIBUTING.md", "CHANGELOG.md", "chapter_runs/README.md")  # outside docs/, and pages of the site
LINK = re.compile(r"(\]\()([^)\s:#][^)\s:#]*)((?:#[^)\s]*)?\))")  # neither an address nor an anchor


def in_site(path):
    """A file's place in the site's sources, from its path in the repository."""
    return path[len("docs/") :] if path.startswith("docs/") else path


def linked(text, page):
    """The repository's paths that ``page`` links to."""
    return {posixpath.normpath(posixpath.join(posixpath.dirname(page), found[1])) for found in LINK.findall(text)}


def on_files(files, config):
    """Add the pages outside docs/, and every file outside docs/ that a page links to."""
    pages = [f"docs/{file.src_uri}" for file in files.documentation_pages()] + list(PAGES)
    wanted = {path for page in pages for path in linked((ROOT / page).read_text(encoding="utf-8"), page)}
    for path in sorted(wanted.union(PAGES)):
        if not path.startswith(("docs/", "..")) and (ROOT / path).is_file():
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Point links from the repository's places to the site's. One that leads nowhere stays, and fails the build."""
    here = page.file.src_uri
    own = f"docs/{here}" if (ROOT / "docs" / here).is_file() else here

    def rewritten(found):
        target = in_site(posixpath.normpath(posixpath.join(posixpath.dirname(own), found[2])))
        return f"{found[1]}{posixpath.relpath(target, posixpath.dirname(here) or '.')}{found[3]}"

    return LINK.sub(rewritten, markdown)


class Docstrings(griffe.Extension):
    """Sphinx's roles become references, and ``Example:`` is the section that Google's style calls ``Examples:``."""

    def on_instance(self, *, obj, **_):
        if obj.docstring:
            text = re.sub(r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.M)
            obj.docstring.value = re.sub(r":\w+:`~?(\.?[\w.]+)`", self._reference, text)

    @staticmethod
    def _reference(found):
        name = found[1].rpartition(".")[2]
        return f"[`{name}`][{REFERENCE[name]}]" if name in REFERENCE else f"`{name}`"
