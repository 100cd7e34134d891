"""The documents are true: links, errors, options, commands, methods and the protocol are those of the product."""

from __future__ import annotations

import re
from itertools import chain, pairwise
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from tests.protocol_tables import DOCUMENT, filled
from tests.rooms_picture import PICTURE, PUT, ROOMS, drawn
from wrpme import BlockingClient, Client, errors
from wrpme.bootstrap.arguments import SPANS_SECONDS
from wrpme.bootstrap.limits import TOPOLOGY_BYTES_MAX
from wrpme.bootstrap.topology import file
from wrpme.bootstrap.topology.values import MODES
from wrpme.daemon.limits import PARTIAL_FRAME_SECONDS_MAX, SESSION_REQUESTS_MAX
from wrpme.limits import FRAME_BYTES_MAX, KIB, MEMBERS_MAX, MIB
from wrpme.options import COMMANDS as OPTIONS
from wrpme.options import TUNING, WRPMED, WRPMESH, Syntax
from wrpme.protocol import ring
from wrpme.protocol.codec import PREFACE, Decoder, encode
from wrpme.protocol.messages import BULK, Content, Get, GetView, Reply, Request
from wrpme.shell.commands import COMMANDS
from wrpme.tui import keys
from wrpme.tui.actions import COMMANDS as ACTIONS
from wrpme.tui.limits import COPY_BYTES_MAX, EVENTS_SHOWN_MAX, HISTORY_BYTES_MAX, HISTORY_SECONDS_MAX, STALE_SECONDS
from wrpme.tui.panes.columns import COLUMNS
from wrpme.tui.panes.lists import GRAVITY
from wrpme.tui.ring import letters
from wrpme.tui.state import format
from wrpme.tui.state.scene import Mood, NodeState
from wrpme.tui.terminal.ascii import ascii_of

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
MARKS = re.compile(r"[^\w\- ]")


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def section(text: str, title: str) -> str:
    """What stands under a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"there is no section {title}"
    return found[1]


def first_cells(text: str) -> list[str]:
    """The first column of each table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    heads = {at for at in range(len(lines) - 1) if re.fullmatch(r"\|[-|]+", lines[at + 1])}
    heads |= {at + 1 for at in heads}
    return [line.split("|")[1].strip() for at, line in enumerate(lines) if at not in heads]


def code(cells: list[str]) -> list[str]:
    """What is in backquotes."""
    return list(chain.from_iterable(re.findall(r"`([^`]+)`", cell) for cell in cells))


def options(texts: list[str]) -> set[str]:
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", " ".join(texts)))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text("utf-8")
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.is_file(), f"{path.name}: {link}"
        headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
        anchors = {MARKS.sub("", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, f"{path.name}: {link}"


def test_every_page_is_linked_from_the_readme() -> None:
    readme = PAGES[0].read_text("utf-8")
    for path in PAGES[1:]:
        assert f"({path.relative_to(ROOT)})" in readme, path.name


def test_every_error_has_an_entry_and_no_other() -> None:
    text = page("troubleshooting.md")
    entries = re.findall(r"^### (.*)$", text, re.MULTILINE)
    assert sorted(entries) == sorted(kind.word for kind in errors.BY_CODE.values())
    assert all(len(section(text, entry)) > 60 for entry in entries)


def test_errors_that_change_nothing() -> None:
    text = page("troubleshooting.md")
    row = next(line for line in text.splitlines() if line.startswith("| not_found"))
    certain, open_ = ({word.strip() for word in cell.split(",")} for cell in row.strip("|").split("|"))
    assert certain == {kind.word for kind in errors.BY_CODE.values() if kind.not_carried_out}
    assert open_ == {errors.IndeterminateError.word}


@pytest.mark.parametrize(
    ("syntax", "text"),
    [
        (WRPMED, section(page("wrpmed.md"), "Options")),
        (WRPMESH, page("wrpmesh.md").partition("## Five ways")[0]),
    ],
    ids=["wrpmed", "wrpmesh"],
)
def test_options_of_programs(syntax: Syntax, text: str) -> None:
    """All of them in their order, with defaults and ranges, in the words of the help, and no other."""
    table = rows(text)
    for option, (spellings, default, meaning) in zip(syntax.all, table, strict=True):
        value = f" {option.value_shown}".rstrip()
        assert spellings == ", ".join([*(f"`{one}`" for one in option.spellings[:-1]), f"`{option.written}{value}`"])
        none = "" if option.ends else "off" if option.value is None else "none"
        assert plain(default) == (option.default_shown or none), option.name
        assert plain(meaning).startswith(option.help), option.name
        assert option.value is None or option.value.range in plain(meaning), option.name
        assert ("may be repeated" in meaning.lower()) is option.is_repeated, option.name
        assert option.bare is None or f"without a value {option.bare}" in plain(meaning), option.name
        for other in option.excludes.names if option.excludes else ():
            assert f"`--{other}`" in meaning, f"{option.name} excludes {other}"
        for other in option.needs.names if option.needs else ():
            assert f"`--{other}`" in meaning, f"{option.name} needs {other}"


def plain(text: str) -> str:
    """Text without the marks of code and links."""
    return re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text).replace("`", "")


def test_commands_of_wrpmesh() -> None:
    text = section(page("wrpmesh.md"), "Commands")
    assert code(first_cells(text)) == [spec.syntax for spec in COMMANDS]
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    for spec, row in zip(COMMANDS, rows, strict=True):
        _, _, does, fails, _ = row.split("|")
        assert does.strip().startswith(spec.summary), spec.name
        assert tuple(code([fails])) == spec.fails_with, spec.name
        assert set(spec.synonyms) <= set(code([does])), spec.name


def test_keys_of_the_topology_file() -> None:
    """All of them, with their ranges, and no other."""
    text = page("wrpmesh.md")
    for table, known in file.KEYS.items():
        names = [row[0] for row in rows(section(text, f"`{table}`"))]
        assert code(names) == list(known), table
    tuning = section(text, "`[options]`")
    for row in rows(tuning):
        value = TUNING[code([row[0]])[0]].value
        assert value is None or value.range in plain(row[2]).replace('"', ""), row
    assert all(f"`{mode}`" in section(text, "`[defaults]`") for mode in MODES)
    assert f"at most {MEMBERS_MAX}." in section(text, "`[[node]]`")
    assert f"at most {TOPOLOGY_BYTES_MAX // MIB} MiB" in section(text, "Nodes on other machines")
    spans = re.findall(r"`\d+([a-z])`", section(text, "Their words"))
    assert spans == list(SPANS_SECONDS)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_transcripts_use_what_exists(path: Path) -> None:
    """Lines after the prompt are commands; options in command lines are options."""
    text = path.read_text("utf-8")
    words = {word for spec in COMMANDS for word in (spec.name, *spec.synonyms)} | {"foo"}  # foo is shown to fail
    assert {line.split()[1] for line in text.splitlines() if line.startswith("> ")} <= words
    mesh = set(chain.from_iterable(syntax.by_spelling() for syntax in (WRPMESH, *OPTIONS.values())))
    for line in re.findall(r"\$ wrpmed(.*)", text):
        assert options([line]) <= set(WRPMED.by_spelling()), line
    for line in re.findall(r"\$ wrpmesh(.*)", text):
        assert options([line]) <= mesh, line


def rows(text: str) -> list[tuple[str, ...]]:
    """The cells of each line of the tables, heads left out."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    cells = [tuple(cell.strip() for cell in line) for line in lines]
    return [row for row, after in pairwise([*cells, ("",)]) if not {*row, *after[:1]} & {"---"}]


def test_keys_of_the_dashboard() -> None:
    """All of them, in the words of its help, and no other."""
    text = page("dashboard.md")
    for where, title in keys.WHERE.items():
        existing = [(f"`{key.shown}`", key.what) for key in keys.KEYS if key.where == where]
        assert rows(section(text, title)) == existing, title
    assert rows(section(text, "In the shell")) == [(f"`{shown}`", what) for shown, what in keys.SHELL_KEYS]
    assert rows(section(text, "With the mouse")) == [(f"`{shown}`", what) for shown, what in keys.MOUSE]
    assert f"up to {COPY_BYTES_MAX // KIB} KiB" in section(text, "Terminals")


def test_signs_of_the_dashboard() -> None:
    text = page("dashboard.md")
    words = [row[0] for row in rows(section(text, "The word in the middle"))]
    assert words == [f"`{mood.value}`" for mood in Mood]
    states = [row[0] for row in rows(section(text, "The nodes around the ring"))]
    assert states == [f"`{format.GLYPHS[state]}` {format.WORDS.get(state, state.value)}" for state in NodeState]
    plain = section(text, "Terminals").replace("\n ", "")
    assert all(f"`{ascii_of(format.GLYPHS[state])}`" in plain for state in NodeState)
    bands = {letter for row in rows(section(text, "The bands of the ring")) for letter in code([row[1]])}
    assert bands == letters_of_bands() | {"*"}
    events = section(text, "Events")
    assert all(f"`{sign}`" in events for sign, _ in GRAVITY)


def letters_of_bands() -> set[str]:
    """What stands on the ring without colours, beside the characters of nodes."""
    theory = re.findall(r"^\| (.*?) \|", letters.__doc__ or "", re.MULTILINE)
    return set(re.findall("``(.)``", " ".join(theory))) - {"*"}


def test_columns_and_actions_of_the_dashboard() -> None:
    text = page("dashboard.md")
    assert code([row[0] for row in rows(section(text, "The table of nodes"))]) == [column.title for column in COLUMNS]
    acts = {row[1]: row[0] for row in rows(section(text, "Actions")) if row[1]}
    shown = {key.action: key.shown for key in keys.KEYS}
    assert acts == {f"`{command}`": f"`{shown[action]}`" for action, command in ACTIONS.items()}
    local = code([row[0] for row in rows(section(text, "Actions")) if not row[1]])
    assert local == [key.shown for key in keys.KEYS if key.where == "local"]


def test_limits_of_the_dashboard() -> None:
    text = " ".join(section(page("dashboard.md"), "Limits").split())
    for told in (
        f"old after {STALE_SECONDS:g} s",
        f"The last {HISTORY_SECONDS_MAX / 60:g} minutes",
        f"last {EVENTS_SHOWN_MAX:,} events".replace(",", " "),
        f"at most {HISTORY_BYTES_MAX // MIB} MiB",
    ):
        assert told in text, told


def test_pictures_are_there_and_need_nothing_else() -> None:
    """They render anywhere: no font, script or file from elsewhere, and nothing of the machine that took them."""
    shown = {link for path in PAGES for link in re.findall(r"!\[.+?\]\((.+?)\)", path.read_text("utf-8"))}
    pictures = sorted(DOCS.glob("*.svg"))
    assert {Path(link).name for link in shown} == {path.name for path in pictures}
    for path in pictures:
        text = path.read_text("utf-8")
        assert path.stat().st_size < 150_000 and ElementTree.fromstring(text).tag.endswith("svg")
        assert not re.search(r"@font-face|<script|href|url\(|/home/|/root/|/tmp/|/work/", text), path.name


def test_methods_of_the_clients() -> None:
    documented = {
        name.partition("(")[0] for name in code(first_cells(section(page("python-client.md"), "Methods")))
    } - {"timedelta"}
    for kind in (Client, BlockingClient):
        public = {name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))}
        assert documented == public - {"close"}, kind.__name__


def test_the_picture_of_the_rooms_is_up_to_date() -> None:
    assert PICTURE.read_text() == drawn(), "run scripts/rooms_picture"
    named = {module for step in PUT for module in step.modules}
    assert not [module for module in named if not (ROOT / "wrpme" / f"{module}.py").is_file()]
    rooms = {word for room in ROOMS for line in (room.name, *room.holds) for word in re.findall(r"[a-z_]+", line)}
    there = {path.stem for path in (ROOT / "wrpme").rglob("*")}
    assert not [word for word in rooms if "_" in word and word not in there]
    folders = {path.parent.name for path in (ROOT / "wrpme").rglob("*/__init__.py")}
    assert folders - rooms == set(), "each room is in the picture"


def test_the_ways_through_the_rooms_name_modules_that_are_there() -> None:
    text = (ROOT / "docs/how-it-works.md").read_text()
    ways = text[text.index("Four ways through the rooms") : text.index("## What is not yet there")]
    for name in re.findall(r"`([a-z_]+/[a-z_/]+)`", ways):
        places = [ROOT / "wrpme" / name, ROOT / "wrpme/bootstrap" / name]
        assert any(place.with_suffix(".py").is_file() or place.is_dir() for place in places), name


def test_protocol_tables_are_up_to_date() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert filled(text) == text, "run scripts/protocol_tables"


def test_what_travels_on_the_second_connection() -> None:
    told = re.search(r"large ones\n\((.*?)\)", section(page("protocol.md"), "Between nodes"), re.DOTALL)
    assert told is not None
    assert code([told[1]]) == [kind.__name__ for kind in BULK]


def test_protocol_example() -> None:
    text = section(page("protocol.md"), "Example")
    dumps = re.findall(r"((?:^    (?:[0-9a-f]{2} )*[0-9a-f]{2}(?: {2,}.*)?\n)+)", text, re.MULTILINE)
    sent, received = (bytes.fromhex(" ".join(line.strip().split("  ")[0] for line in d.splitlines())) for d in dumps)
    get, content = Get(1, b"entry"), Content(1, b"this is my entry")
    assert sent == PREFACE + encode(get)
    assert received == PREFACE + encode(content)
    assert Decoder[Get](Request).feed(sent) == [get]
    assert Decoder[Content](Reply).feed(received) == [content]
    assert f"`{ring.hash_of(b'entry'):016x}`" in text


def test_protocol_promises() -> None:
    """What may be left out, and what a later version may add."""
    text = section(page("protocol.md"), "Connection and frames")
    for number in (FRAME_BYTES_MAX, SESSION_REQUESTS_MAX, int(PARTIAL_FRAME_SECONDS_MAX)):
        assert str(number) in text
    longer = msgspec.msgpack.encode([1, 7, b"entry", False, "of a later version"])
    assert msgspec.msgpack.decode(longer, type=Get) == Get(7, b"entry")
    shorter = msgspec.msgpack.encode([14, 7])
    told = msgspec.msgpack.decode(shorter, type=Request)
    assert isinstance(told, GetView) and told.follow is False
