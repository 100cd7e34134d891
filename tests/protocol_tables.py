"""The tables of docs/protocol.md, made from the classes that speak the protocol.

``scripts/protocol_tables`` puts them into the document; a test compares them.
"""

from __future__ import annotations

import re
import types
from collections.abc import Sequence
from enum import IntEnum
from inspect import getdoc
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from wrpme import errors
from wrpme.protocol import administration, events, identities, messages, view
from wrpme.protocol.access import users

DOCUMENT = Path(__file__).parent.parent / "docs" / "protocol.md"
NAMED: dict[Any, str] = {
    messages.Request: "request",
    messages.Reply: "reply",
    messages.Body: "body",
    messages.Item: "item",
    view.Change: "change",
}
PARTS: tuple[type[msgspec.Struct], ...] = (
    administration.Saved, administration.SlowRequest, view.View, view.Member, view.Arc, view.Mark, view.Choice,
    messages.Holding,
    messages.EntryChange, identities.Publication, view.Patch, view.Proposal, view.Ballot, events.ClusterEvent,
    users.User, users.Password,
)  # fmt: skip
STREAMS: tuple[type[msgspec.Struct], ...] = (messages.Stream, messages.StreamAck, messages.Answer)


def tables() -> dict[str, str]:
    """The text of each generated table by its name in the document."""
    return {
        "requests": _messages(get_args(messages.Request)),
        "replies": _messages(get_args(messages.Reply)),
        "nodes": _messages([messages.Envelope, *get_args(messages.Body)]),
        "streams": _messages(STREAMS),
        "items": _messages(get_args(messages.Item)),
        "changes": _messages(get_args(view.Change)),
        "parts": _messages(PARTS),
        "errors": _errors(),
    }


def filled(text: str) -> str:
    """The document with its tables brought up to date."""
    for name, table in tables().items():
        marks = f"<!-- table: {name} -->", "<!-- end -->"
        pattern = re.escape(marks[0]) + r".*?" + re.escape(marks[1])
        places = re.findall(pattern, text, re.DOTALL)
        assert len(places) == 1, f"docs/protocol.md has {len(places)} places for the table of {name}"
        text = text.replace(places[0], f"{marks[0]}\n\n{table}\n\n{marks[1]}")
    return text


def _messages(kinds: Sequence[type[msgspec.Struct]]) -> str:
    ordered = sorted(kinds, key=lambda kind: _tag(kind) or 0)
    tagged = _tag(ordered[0]) is not None
    rows = ["| tag | message | fields | |" if tagged else "| structure | fields | |"]
    rows.append("|---|---|---|---|" if tagged else "|---|---|---|")
    for kind in ordered:
        tag = f"| {_tag(kind)} " if tagged else ""
        rows.append(f"{tag}| `{kind.__name__}` | {_fields(kind)} | {_meaning(kind)} |")
    return "\n".join(rows)


def _tag(kind: type[msgspec.Struct]) -> int | None:
    tag = kind.__struct_config__.tag
    assert tag is None or isinstance(tag, int)
    return tag


def _fields(kind: type[msgspec.Struct]) -> str:
    hints = get_type_hints(kind)
    shown = []
    for field in msgspec.structs.fields(kind):
        default = "" if field.required else f" = {_default(field.default)}"
        shown.append(f"`{field.name}` {_type(hints[field.name])}{default}")
    return ", ".join(shown)


def _default(value: object) -> str:
    return {"()": "[]", "False": "false", "''": '""'}.get(repr(value), repr(value))


def _type(hint: Any) -> str:
    if hint in NAMED:
        return NAMED[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple and arguments[-1] is Ellipsis:
        return f"[{_type(arguments[0])}...]"
    if origin is tuple:
        return f"[{', '.join(map(_type, arguments))}]"
    if origin in (Union, types.UnionType):
        return " or ".join("nil" if one is type(None) else _type(one) for one in arguments)
    if issubclass(hint, msgspec.Struct):
        return str(hint.__name__)
    if issubclass(hint, IntEnum):
        return f"int ({', '.join(f'{one.value} {one.name.lower()}' for one in hint)})"
    return {bytes: "bin", str: "str", int: "int", float: "float", bool: "bool"}[hint]


def _meaning(kind: type[msgspec.Struct]) -> str:
    """The first paragraph of the docstring, where the class has one of its own."""
    text = (getdoc(kind) or "") if "__doc__" in vars(kind) and kind.__doc__ else ""
    text = " ".join(text.split("\n\n")[0].split())
    text = re.sub(r":\w+:`(?:~?)([\w.]+)`", r"`\1`", text).replace("``", "`")
    return text.replace("docs/how-it-works.md", "[how it works](how-it-works.md)").replace("|", "\\|")


def _errors() -> str:
    rows = ["| code | word | not carried out | retry |", "|---|---|---|---|"]
    for code, kind in sorted(errors.BY_CODE.items()):
        marks = " | ".join("yes" if mark else "" for mark in (kind.not_carried_out, kind.retry))
        rows.append(f"| {code} | `{kind.word}` | {marks} |")
    return "\n".join(rows)


if __name__ == "__main__":
    DOCUMENT.write_text(filled(DOCUMENT.read_text("utf-8")), "utf-8")
