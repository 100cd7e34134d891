"""What operators ask for, and what becomes of it: a line for each, at the node that is asked and at the one that acts.

A line is said with the answer, and names who asked. A request that is never answered has none: but whoever acts has
said in the log before that what it begins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wrpme.errors import BY_CODE, DeniedError, UnauthenticatedError, WrpmeError
from wrpme.protocol.access.messages import AddUser, GetUsers, RemoveUser, SetPasswords
from wrpme.protocol.administration import (
    ForgetNode, GetSlow, LeaveNode, OpenSnapshot, Recover, SetReplication, StopNode, kind_in_words,
)  # fmt: skip
from wrpme.protocol.messages import Failed, GetConfig, RemoveAll, Reply, Traced, VerifyArc
from wrpme.protocol.view import NodeId

AUDITS_MAX = 256
"""So many may be unanswered at a time; the oldest are given up."""
REFUSALS_MAX = 10
_REFUSALS = (UnauthenticatedError.code, DeniedError.code)
AUDITED = (
    StopNode, LeaveNode, ForgetNode, Recover, SetReplication, RemoveAll, AddUser, SetPasswords, RemoveUser,
)  # fmt: skip
_WORDS: dict[type[Any], str] = {
    StopNode: "stop_node", LeaveNode: "leave", ForgetNode: "forget", Recover: "recover",
    SetReplication: "set_replication", RemoveAll: "remove_all", AddUser: "user_add", SetPasswords: "user_password",
    RemoveUser: "user_remove", GetUsers: "user_list", VerifyArc: "verify", OpenSnapshot: "a backup",
    GetConfig: "node_config", GetSlow: "slow_log",
}  # fmt: skip


def what_of(request: Any) -> str:
    """Returns the word for what a request asks for, as operators know it."""
    kind = type(request.request if type(request) is Traced else request)
    return _WORDS.get(kind) or kind_in_words(kind.__name__)


class Audit:
    """``say`` leaves a line in the log, ``address_of`` names a node. Of what is refused to those who may not, there are
    ``REFUSALS_MAX`` lines in a second, so that nobody fills a disk with them; the next line tells how many more there
    were."""

    def __init__(
        self, say: Callable[[str, str], None], address_of: Callable[[NodeId], str], now: Callable[[], float]
    ) -> None:
        self._say = say
        self._now = now
        self._second = 0.0
        self._refusals = self._untold = 0
        self._address_of = address_of
        self.open: dict[tuple[Any, int], str] = {}
        """By who asked, and under which number: what, and who."""

    def begin(self, place: tuple[Any, int], request: Any, me: NodeId, who: str) -> None:
        """Somebody asks for something that is audited."""
        if isinstance(request, RemoveAll) and request.after:
            return  # a further page of what was asked for before
        what = _WORDS[type(request)]
        if isinstance(request, ForgetNode):
            what += f" {self._address_of(request.member)}"
        elif isinstance(request, SetReplication):
            what += f" {request.replication}"
        elif isinstance(request, AddUser):
            what += f" {request.user.name} as {request.user.role.name.lower()}"
        elif isinstance(request, SetPasswords | RemoveUser):
            what += f" {request.name or '(all)'}"
        elif not isinstance(request, Recover):
            what += f" {self._address_of(request.node or me)}"
        if len(self.open) >= AUDITS_MAX:
            del self.open[next(iter(self.open))]
        self.open[place] = f"{what}, asked by {who}"

    def ended(self, place: tuple[Any, int], reply: Reply) -> None:
        """A reply leaves; it may be that to something that is audited."""
        asked = self.open.pop(place, None)
        if asked is None:
            return
        outcome = "done"
        if type(reply) is Failed:
            if reply.code in _REFUSALS and not self._may_tell():
                return
            outcome = f"{BY_CODE.get(reply.code, WrpmeError).word}: {reply.sentence}"
        self.tell(f"{asked}: {outcome}")

    def refused(self, line: str) -> None:
        """Somebody was not believed."""
        if self._may_tell():
            self.tell(line)

    def tell(self, line: str) -> None:
        """Leaves a line, with how many there would have been since the last one."""
        untold, self._untold = self._untold, 0
        self._say("audit", f"{line} (and {untold} more that were refused)" if untold else line)

    def _may_tell(self) -> bool:
        now = self._now()
        if not 0 <= now - self._second < 1.0:
            self._second, self._refusals = now, 0
        self._refusals += 1
        if self._refusals <= REFUSALS_MAX:
            return True
        self._untold += 1
        return False
