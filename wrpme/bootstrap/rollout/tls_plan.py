"""The part of the plan that is about TLS: which modes nodes go through, and which certificates are due. Pure.

Nodes of modes that stand beside each other in ``MODES`` understand each other. So a hive goes from one to the next, all
nodes one after the other, and never has nodes of more than two modes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from wrpme.bootstrap.credentials.authority import read
from wrpme.bootstrap.hosts.inventory import NodeFound
from wrpme.bootstrap.limits import CERTIFICATE_RENEWED_SHARE
from wrpme.bootstrap.topology.file import Host, Node
from wrpme.errors import UsageError
from wrpme.options import TLS_MODES
from wrpme.protocol import address as addresses

MODES = TLS_MODES
OFF, REQUIRE = MODES[0], MODES[-1]
DAY_SECONDS = 86_400


class Wanted(Struct, frozen=True):
    """How TLS is to be. ``mode`` is the one that nodes get to; ``modes`` are those of the nodes that run.

    ``authority`` is the id of the CA that certificates are to be from, ``trusted`` what is to be trusted, in PEM; both
    are empty where the CA has still to be made. ``lost`` says why no certificate can be made here. ``now`` is in
    seconds since 1970.
    """

    mode: str = OFF
    modes: tuple[str, ...] = ()
    authority: str = ""
    trusted: str = ""
    lost: str = ""
    now: float = 0.0
    changing: bool = False
    """Whether the CA is being changed."""
    place: str = ""
    """Where the CA is, or will be kept."""
    adds_operator: bool = False
    """Whether the hive gets its first admin where it has no users."""
    users: tuple[str, ...] | None = None
    """The users of the hive; None if no node tells them."""
    has_password: bool = False
    """Whether that of the operator is on this machine."""
    held: str = ""
    """Why modes stay as they are; empty if nothing is in the way."""

    @property
    def steps(self) -> tuple[str, ...]:
        """The modes that nodes which run go through."""
        return () if self.held else path(self.modes, self.mode)

    @property
    def falls(self) -> bool:
        """Returns whether nodes come to take more than TLS, which users forbid."""
        return self.mode != REQUIRE and REQUIRE in self.modes

    def begins(self, before: str) -> str:
        """Returns the mode that a node begins with which does not run, and was configured for ``before`` (empty if it
        was not): it understands those that run, and what comes next."""
        if not self.modes and before and MODES.index(before) > MODES.index(self.mode):
            return before  # the hive may have users, who forbid less, and nodes that do not run can't tell
        if self.held:
            return max(self.modes, key=MODES.index, default=before or self.mode)
        return self.steps[0] if self.steps else self.mode

    def left(self, mode: str) -> tuple[str, ...]:
        """Returns the steps that a node of that mode has before it."""
        return self.steps[self.steps.index(mode) + 1 :] if mode in self.steps else self.steps


def path(modes: Iterable[str], target: str) -> tuple[str, ...]:
    """Returns the modes that nodes of those modes go through, all together, until all have that one.

    >>> path(["off", "allow"], "require")
    ('allow', 'prefer', 'require')
    """
    there, end = sorted(MODES.index(mode) for mode in modes), MODES.index(target)
    if not there:
        return ()
    up = MODES[there[0] + 1 : end + 1]
    return up or MODES[end : there[-1]][::-1]


def names_of(host: Host, node: Node, hostname: str) -> tuple[str, ...]:
    """Returns the names and addresses that the certificate of a node is for; the first one is what others dial."""
    told, listens = addresses.parse(node.told).host, addresses.parse(node.address)
    local = ("localhost", "127.0.0.1", "::1") if listens.unspecified else (listens.host,)
    every = (told, *local, host.name.lower(), hostname.lower())
    return tuple(dict.fromkeys(name for name in every if _fits(name)))


def _fits(name: str) -> bool:
    """Returns whether a certificate can be for that name: one of ~/.ssh/config may be anything."""
    try:
        return not addresses.parse(f"[{name}]:1" if ":" in name else f"{name}:1").unspecified
    except UsageError:
        return False


def due(found: NodeFound, names: Sequence[str], wanted: Wanted) -> str:
    """Returns why the node needs another certificate; empty if it does not."""
    there = read(found.certificate)
    if there is None:
        return "it has none"
    if wanted.mode == OFF and there.ends > wanted.now:
        return ""
    if aged := nears_its_end(found.certificate, wanted.now):
        return f"the present one {aged}"
    if wanted.lost:
        return ""
    if there.authority != wanted.authority:
        return "the present one is from another CA"
    if lacking := [name for name in names if name not in there.names]:
        return f"the present one does not name {addresses.listed(lacking)}"
    return ""


def nears_its_end(certificate: str, now: float) -> str:
    """Returns when a certificate expires, in words, if that is so near that it is to be renewed; else an empty text."""
    there = read(certificate)
    if there is None or there.ends - now >= CERTIFICATE_RENEWED_SHARE * (there.ends - there.begins):
        return ""
    return span_left(certificate, now)


def span_left(certificate: str, now: float) -> str:
    """Returns how long a certificate is still valid, in words; empty if there is none."""
    there = read(certificate)
    if there is None:
        return ""
    return f"expires in {_span(there.ends - now)}" if there.ends > now else "has expired"


def _span(seconds: float) -> str:
    if seconds >= 2 * DAY_SECONDS:
        return f"{seconds / DAY_SECONDS:.0f} d"
    return f"{seconds / 3600:.0f} h" if seconds >= 3600 else "less than an hour"
