"""The network of a script: which messages wait until somebody delivers them, and which are lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.core.script_words import KINDS, TOPICS
from wrpme.protocol.messages import Envelope


class ScriptError(AssertionError):
    """The script says something that makes no sense."""


@dataclass(frozen=True)
class Message:
    """On its way from one address to another."""

    source: str
    target: str
    envelope: Envelope

    @property
    def kind(self) -> str:
        return KINDS[type(self.envelope.body)]

    @property
    def topic(self) -> str:
        """What it has to be shown under; what is not under ``messages`` travels by itself also by hand."""
        return TOPICS.get(self.kind, "messages")


@dataclass(frozen=True)
class Way:
    """Some of the messages; empty parts fit all."""

    source: str
    target: str
    kind: str

    @classmethod
    def of(cls, words: Sequence[str]) -> Way:
        """``n1->n2 stream``: either part may be left out, and ``*`` is any node."""
        source = target = kind = ""
        for word in words:
            if "->" in word:
                source, _, target = word.replace("*", "").partition("->")
            elif word in KINDS.values():
                kind = word
            else:
                raise ScriptError(f"{word} is no kind of message: {', '.join(dict.fromkeys(KINDS.values()))}")
        return cls(source, target, kind)

    def fits(self, message: Message) -> bool:
        wanted = ((self.source, message.source), (self.target, message.target), (self.kind, message.kind))
        return all(asked in ("", found) for asked, found in wanted)


class Network:
    """``waiting`` is in the order of sending; ``by_hand`` nothing arrives by itself."""

    def __init__(self) -> None:
        self.by_hand = False
        self.waiting: list[Message] = []
        self.held: list[Way] = []
        self.lost: list[Way] = []
        self.cut: set[frozenset[str]] = set()

    def keeps(self, message: Message) -> bool:
        """Whether a message does not arrive by itself, as it is lost, or waits."""
        if frozenset((message.source, message.target)) in self.cut or any(way.fits(message) for way in self.lost):
            return True
        if (self.by_hand and message.topic == "messages") or any(way.fits(message) for way in self.held):
            self.waiting.append(message)
            return True
        return False

    def take(self, words: Sequence[str]) -> list[Message]:
        """Messages that wait: all, or those of a way, of which there has to be one."""
        way = Way.of(words)
        taken = [message for message in self.waiting if way.fits(message)]
        if words and not taken:
            raise ScriptError(f"no message waits for {' '.join(words)}")
        self.waiting = [message for message in self.waiting if not way.fits(message)]
        return taken
