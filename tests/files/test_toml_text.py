"""Where the tables and keys of a TOML text stand."""

from __future__ import annotations

from wrpme.files.toml_text import TomlLines

TEXT = """\
# [defaults]
[ defaults ]   # of all
user = "a"
 "jump" = 'b'

[[node]]
host = "x"
options.grace = 1
[[ node ]]
host = "y"
options = { grace = 2, sessions = 3 }
[[node]]
host = "[[node]]"
[node.options]
grace = 3
"""


def test_tables_and_keys() -> None:
    lines = TomlLines(TEXT)
    assert lines.count("node") == 3
    assert lines.header("defaults") == 2
    assert [lines.header("node", number) for number in (1, 2, 3, 4)] == [6, 9, 12, 0]
    assert (lines.key("defaults", "user"), lines.key("defaults", "jump")) == (3, 4)
    assert [lines.key("node", "host", number) for number in (1, 2, 3)] == [7, 10, 13]


def test_a_key_that_is_not_found_is_where_its_table_begins() -> None:
    assert TomlLines(TEXT).key("node", "port", 2) == 9
    assert TomlLines(TEXT).key("nodes", "port", 2) == 0


def test_the_three_ways_of_a_table_below() -> None:
    lines = TomlLines(TEXT)
    assert [lines.key_below("node", "options", "grace", number) for number in (1, 2, 3)] == [8, 11, 15]
    assert lines.key_below("node", "options", "sessions", 3) == 14
    assert lines.key_below("node", "options", "sessions", 1) == 6


def test_line_ends_of_windows() -> None:
    lines = TomlLines(TEXT.replace("\n", "\r\n"))
    assert lines.header("node", 3) == 12
    assert lines.key("node", "host", 3) == 13


def test_nothing_is_certain_beside_texts_of_several_lines() -> None:
    lines = TomlLines(TEXT + 'x = """\n[[node]]\n"""\n')
    assert lines.count("node") == lines.header("defaults") == lines.key("defaults", "user") == 0
