"""Generated blocks in a Markdown file of the user's own."""

import pytest

from gluon_lr.report.blocks import update_blocks


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_a_page_keeps_its_line_ends(tmp_path, end):
    lines = ["# Mine", "<!-- talk:begin -->", "old", "<!-- talk:end -->", "after"]
    page = tmp_path / "mine.md"
    page.write_bytes(end.join(lines).encode())
    update_blocks(page, {"talk": "| a |\n| b |"})
    assert page.read_bytes() == end.join([*lines[:2], "| a |", "| b |", *lines[3:]]).encode()
