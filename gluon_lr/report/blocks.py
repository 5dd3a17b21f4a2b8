"""Generated blocks in Markdown files: what stands between two marks is made of committed records, never typed."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Callable, List, Mapping, Sequence

from ..errors import RecordError
from ..files import write_text


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


def update_blocks(path: Path, contents: Mapping[str, str]) -> None:
    """Rewrite those of the generated blocks that a Markdown file has.

    Raises:
        RecordError: it has none of them.
    """
    path = Path(path).resolve()  # of a link, the file itself
    text = path.read_text(encoding="utf-8")
    for name in present(text, list(contents)):
        text = with_block(text, name, contents[name])
    windows = b"\r\n" in path.read_bytes()  # as a file of Windows' has them
    write_text(path, text.replace("\n", "\r\n") if windows else text)


def present(text: str, names: Sequence[str]) -> List[str]:
    """Those of the blocks ``names`` that ``text`` has.

    Raises:
        RecordError: it has none of them.
    """
    found = [name for name in names if re.search(_marks(name), text, re.S)]
    if not found:
        raise RecordError(f"none of its generated blocks is there: expected one of {', '.join(names)}")
    return found


def markdown_file(blocks: Sequence[str]) -> Callable[[str], Path]:
    """A Markdown file that has some of these generated blocks, for ``type=``: any other is refused."""

    def parse(text: str) -> Path:
        try:
            present(Path(text).read_text(encoding="utf-8"), blocks)
        except (OSError, UnicodeDecodeError, RecordError) as error:
            raise argparse.ArgumentTypeError(f"cannot rewrite blocks of {text!r}: {error}") from error
        return Path(text)

    return parse
