"""Carries out what keys do to nodes: a dialog asks, a worker of the app acts, a notification tells the end."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from textual.app import App

from wrpme import errors
from wrpme.client.client import Client
from wrpme.shell.commands import Command
from wrpme.shell.parsing import parse
from wrpme.shell.execute import Answer, carry_out, question
from wrpme.shell.local_hive import LocalHive
from wrpme.shell.session import internal
from wrpme.tui import actions
from wrpme.tui.dialogs import Confirm
from wrpme.tui.state.scene import NodeShown, Scene


class ActionRunner:
    """Runs the actions of ``app``; ``client`` is None in a replay, ``local`` unless this program started the hive."""

    def __init__(self, app: App[Any], client: Client | None, local: LocalHive | None) -> None:
        self._app = app
        self._client = client
        self._local = local

    def ask(self, action: str, node: NodeShown, scene: Scene) -> None:
        """Opens a dialog that tells the consequence, and carries the action out if the operator agrees."""
        if refusal := actions.refusal(action, node):
            self._app.notify(refusal, severity="warning", markup=False)
            return
        command = parse(f"{actions.COMMANDS[action]} {node.address}")
        assert command is not None and self._client is not None, "keys of actions are off without a hive"
        if command.spec.confirm:
            self._worker(self._ask_loss(self._client, command))
        else:
            self._confirm(command, actions.consequence(action, node, scene))

    async def _ask_loss(self, client: Client, command: Command) -> None:
        loss = await question(client, command)
        consequence = loss.removesuffix(f"; {command.spec.confirm}")
        self._confirm(command, f"{consequence[:1].upper()}{consequence[1:]}.", word="yes")

    def _confirm(self, command: Command, consequence: str, word: str = "") -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self._worker(self._carry_out(command))

        self._app.push_screen(Confirm(f"{command.name} {command.address}", consequence, word), answered)

    async def _carry_out(self, command: Command) -> None:
        assert self._client is not None, "a command has a hive"
        what = f"{command.name} {command.address}"
        self._app.notify(f"{what} ...", markup=False)
        try:
            answer: Answer = await carry_out(self._client, command)
        except errors.WrpmeError as error:
            raise type(error)(f"{what}: {error.sentence}") from None
        self._app.notify(answer.text or f"{what}: done", markup=False)

    def local(self, action: str, address: str) -> None:
        """Carries out kill, pause, restart or add on the hive that this program started."""
        assert self._local is not None, "these keys are off elsewhere"
        self._worker(self._do_local(self._local, action, address))

    async def _do_local(self, hive: LocalHive, action: str, address: str) -> None:
        if action == "add":
            added = hive.add()
            self._app.notify(f"node {added} starts", markup=False)
            return
        number = hive.number_at(address)
        if number is None:
            raise errors.UsageError(f"{address} was not started by this shell")
        if action == "kill":
            hive.kill(number)
            done = "was killed (kill -9); R starts it again"
        elif action == "pause" and hive.is_paused(number):
            hive.resume(number)
            done = "goes on"
        elif action == "pause":
            hive.pause(number)
            done = "is paused (SIGSTOP); P lets it go on"
        else:
            await hive.restart(number)
            done = "starts again"
        self._app.notify(f"{address} {done}", markup=False)

    def _worker(self, work: Coroutine[Any, Any, None]) -> None:
        self._app.run_worker(self._guarded(work), exit_on_error=False)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Turns every error into one notification: an action never closes the app."""
        try:
            await work
        except errors.UsageError as error:
            self._app.notify(error.sentence, severity="warning", markup=False)
        except errors.WrpmeError as error:
            self._app.notify(str(error), severity="error", timeout=15, markup=False)
        except Exception as error:
            self._app.notify(str(internal(error)), severity="error", timeout=15, markup=False)
