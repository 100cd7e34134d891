"""What the screens, the command palette and the node source may ask of the application.

The application builds all of them and hands itself over as this protocol, so that none of them imports it.
"""

from __future__ import annotations

from typing import Protocol

from wrpme.client.client import Client
from wrpme.protocol.view import NodeId
from wrpme.shell.commands import Command
from wrpme.shell.history import LineFile
from wrpme.shell.local_hive import LocalHive
from wrpme.tui.action_runner import ActionRunner
from wrpme.tui.state.scene import Scene
from wrpme.tui.state.timeline import Timeline


class KeyTarget(Protocol):
    """An object that keys act on: it has an ``action_<name>`` method for each of its keys."""

    def of_use(self, action: str) -> bool:
        """Returns whether the action leads anywhere now."""


class Services(KeyTarget, Protocol):
    """The application, as the parts of it see it."""

    @property
    def client(self) -> Client | None:
        """The client that carries out commands; None in a replay."""

    @property
    def local(self) -> LocalHive | None:
        """The hive, if this program started it."""

    @property
    def history(self) -> LineFile:
        """The file of the commands that were typed earlier."""

    @property
    def timeline(self) -> Timeline:
        """Everything that is known, and the moment of it that is shown."""

    @property
    def scene(self) -> Scene:
        """The state of the hive at the moment that is shown."""

    @property
    def plain(self) -> bool:
        """Whether the ring is drawn with letters: without colours, or without UTF-8."""

    @property
    def runner(self) -> ActionRunner:
        """The object that carries out what keys do to nodes."""

    @property
    def main(self) -> KeyTarget:
        """The main screen, which lies below every other one."""

    def show_now(self) -> None:
        """Draws the moment that the timeline is at on all screens."""

    def show_way(self, command: Command) -> None:
        """Draws the way of the request that a command made on the ring."""

    def open_node(self, node: NodeId, panel: str = "") -> None:
        """Opens the screen of a node, at the panel of that name or at its first."""

    def type_command(self, line: str) -> None:
        """Puts a line into the shell, to be looked at before it is entered."""

    def copy(self, text: str, what: str) -> None:
        """Hands a text to the clipboard of the terminal, and says that ``what`` was copied."""

    def next_theme(self) -> None:
        """Changes to the next of the themes: dark, light, high contrast."""

    def leave(self) -> None:
        """Closes the application with exit code 0."""
