"""Who is where: a node is its id, and its address is what leads to it.

A life of a node that the view does not name yet (it has restarted, or it asks to join) is a *claim*, until it is
proven that its address leads to that very life, and that its former life does not answer any more: so an address is
learned from whoever proves the id in the latest life, and of two processes with one id the one that the view names
goes on. Messages go to the proven address, also before a view has it: a hive whose addresses all changed can vote.

======================================  =======================================================================
what comes                              what it means
======================================  =======================================================================
``Here`` of the claimed life            its address leads to it
``Here`` of the life in the view,       two processes speak as one node: the claim is a copy of its directory,
asked for after the claim was made      and is refused
``Here`` of another node                the address is not its own, or somebody else's, too: not proven
``Here`` of another hive                the address of a member speaks for another hive: said to the operator
nothing from the former address,        the former life is gone
or its connection ends
a life before one that is known,        an older copy of a directory, or a former life's late message: refused by
or a view before one that it told of    the number of that life, so that nobody else heeds it
======================================  ======================================================================="""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from msgspec import Struct

from wrpme.core.context import NodeContext
from wrpme.core.io import Send
from wrpme.core.layout import LEFT_OUT_KEY
from wrpme.errors import OldCopyError, UnstableError
from wrpme.core.limits import (
    ASK_SECONDS, CLAIM_SECONDS_MAX, OTHERS_TOLD_MAX, PROBES_MAX, SEEK_SECONDS_MAX, SEEK_SECONDS_MIN,
    SILENCE_SECONDS, TROUBLE_SECONDS,
)  # fmt: skip
from wrpme.protocol.identities import Here, Refused, Where
from wrpme.protocol.view_index import arcs_of

from wrpme.protocol.messages import Envelope, Report
from wrpme.protocol.view import Back, Join, Member, NodeId, View

UNPROVEN = -1.0
"""``asked`` of a question that goes back on a connection: its answer proves no address."""


class Claim:
    """A life that is not proven. ``floor`` is the epoch that its node had told of before."""

    def __init__(self, incarnation: int, address: str, now: float, former: str, floor: int) -> None:
        self.incarnation = incarnation
        self.address = address
        self.since = self.heard_at = now
        self.asked_at = -inf
        self.former = former
        """The address where its former life may still be; empty if that is known to be gone."""
        self.floor = floor
        self.request: Join | Back | None = None
        self.reached = False
        self.twin = False
        """It is a copy: its former life answers, or had seen more."""
        self.instead: NodeId = b""
        """Who answers at its address in its place."""
        self.refused_at = -inf


class Trouble(Struct):
    """What an operator should know, and when it was seen last."""

    sentence: str
    at: float


class Whereabouts:
    """``proven`` is called with a request of a life that is proven now, ``moved`` with a node whose messages go
    elsewhere from now on."""

    def __init__(
        self, context: NodeContext, proven: Callable[[Join | Back], None], moved: Callable[[NodeId, str], None]
    ) -> None:
        self.context = context
        self._on_proven = proven
        self._on_moved = moved
        self._claims: dict[NodeId, Claim] = {}
        self._troubles: dict[tuple[str, str], Trouble] = {}
        raw = context.reader.get(LEFT_OUT_KEY)
        self._left_out = tuple(raw.decode().split("\n")) if raw else ()
        """Where those were that the last recovery left out."""
        self._seek_at = context.now
        self._seek_pause = SEEK_SECONDS_MIN
        self._probed = 0
        self._probed_at = -inf

    @property
    def busy(self) -> bool:
        """Something here waits for time to pass."""
        return bool(self._claims)

    @property
    def troubles(self) -> tuple[str, ...]:
        """Sentences for the operator."""
        now = self.context.now
        return tuple(trouble.sentence for trouble in self._troubles.values() if now - trouble.at < TROUBLE_SECONDS)

    def joining(self) -> set[NodeId]:
        """Nodes that wait to become members, and will as far as is known."""
        waiting = ((node, claim) for node, claim in self._claims.items() if isinstance(claim.request, Join))
        return {node for node, claim in waiting if not claim.twin and not self._why_not(claim)}

    # --- lives that the view does not name -----------------------------------------------------------------------

    def admits(self, session: int, envelope: Envelope, member: Member) -> bool:
        """Whether a message of a member counts that does not come from the life that the view names."""
        context, source, life = self.context, envelope.source, envelope.incarnation
        known = max(member.incarnation, context.proven.get(source, (0, ""))[0])
        if life == known:
            return True
        if life < known:
            self.refuse_old(session, envelope, "its hive knows a later start of this node")
            return False
        if isinstance(envelope.body, Report):
            return False  # what it requests is looked at all the same
        claim = self._claims.get(source)
        if claim is None or claim.incarnation < life:
            context.outbox.answer(session, source, Where(UNPROVEN, context.settings.address))
        elif claim.incarnation == life:
            claim.heard_at = context.now
            self._is_copy(session, envelope, claim)
        return False

    def wants_in(self, session: int, envelope: Envelope, request: Join | Back) -> bool:
        """Whether a node that asks to be taken in, or back, is the one at its address as far as is known; where that
        has to be found out first, the request is kept until it is."""
        context, member = self.context, self.context.members.get(request.node)
        known = max(member.incarnation if member else 0, context.proven.get(request.node, (0, ""))[0])
        if request.incarnation <= known or request.node == context.me:
            return request.incarnation == known or request.node == context.me
        claim = self._claim(request.node, request.incarnation, request.address)
        if claim is None:
            return False
        claim.heard_at = context.now
        if envelope.source == request.node:
            if self._is_copy(session, envelope, claim):
                return False
            if context.now - claim.refused_at >= 5 * ASK_SECONDS and (why := self._why_not(claim)):
                claim.refused_at = context.now
                refused = Refused(UnstableError.code, why, request.incarnation)
                context.outbox.answer(session, request.node, refused)
                self._note("address", request.address, f"node {request.node.hex()[:8]} is not taken in: {why}")
        claim.request = request
        self._look(request.node, claim)
        return False

    def _is_copy(self, session: int, envelope: Envelope, claim: Claim) -> bool:
        """Whether the message comes from an older copy of a directory; that is told to its process."""
        if envelope.epoch < claim.floor:
            known = f"its hive heard this node at view {claim.floor}"
            words = f"{known}, and the directory knows only view {envelope.epoch}"
        elif claim.twin:
            words = f"the node that it is a copy of runs at {self.context.address_of(envelope.source)}"
        else:
            return False
        claim.twin = True
        self.refuse_old(session, envelope, words)
        return True

    def _why_not(self, claim: Claim) -> str:
        """What an operator has to mend; empty as long as it may come right by itself."""
        context, age = self.context, self.context.now - claim.since
        me = context.settings.address
        if claim.reached or age < 2 * SILENCE_SECONDS:
            return ""
        if claim.instead == context.me:
            return f"{claim.address} is the address of node {me} itself; give each node its own --advertise"
        if claim.instead:
            other = claim.instead.hex()[:8]
            return (
                f"at {claim.address}, which it says is its address, node {other} answers in its place; give each node "
                "its own --advertise"
            )
        return (
            f"{me} can't reach it at {claim.address}, which it says is its address; see that no firewall is between "
            "them, and that --advertise (else --address) leads to it from there"
        )

    def _claim(self, node: NodeId, incarnation: int, address: str) -> Claim | None:
        """The claim of that life; None where a later one has a claim already."""
        context = self.context
        claim = self._claims.get(node)
        if claim is not None and claim.incarnation >= incarnation:
            return claim if claim.incarnation == incarnation else None
        former = context.routes.get(node, "")
        former = "" if former in (address, context.settings.address) else former
        claim = Claim(incarnation, address, context.now, former, self._floor(node))
        self._claims[node] = claim
        return claim

    def _floor(self, node: NodeId) -> int:
        """The epoch that the directory of a member must know at least: one that its last life told of, or at which an
        arc was served that it was a holder of, as each of these had to confirm that. The latter every voter knows,
        also after a power loss of all."""
        view, heard = self.context.view, self.context.known_epochs.get(node, 0)
        arcs = arcs_of(view, node) if view is not None else ()
        served = (arc.version for arc in arcs if node in arc.holders and arc.settled == ((arc.end, arc.version),))
        return max(heard, *served, 0)

    def _look(self, node: NodeId, claim: Claim) -> None:
        """Asks at its address, and at that of its former life."""
        context = self.context
        if context.now - claim.asked_at < ASK_SECONDS:
            return
        claim.asked_at = context.now
        where = Where(context.now, context.settings.address)
        if claim.address == context.settings.address:
            claim.instead = context.me
        else:
            context.outbox.send_to(claim.address, where)
        if claim.former:
            context.outbox.effects.append(Send(claim.former, context.outbox.envelope(node, where)))

    def _settle(self, node: NodeId, claim: Claim) -> None:
        context = self.context
        if not claim.reached or claim.twin or claim.former:
            return
        del self._claims[node]
        context.proven[node] = (claim.incarnation, claim.address)
        if node in context.members:
            context.heard_at[node] = context.now
        before = context.routes.get(node, "")
        context.reroute(node)
        if node in context.members and before != context.routes.get(node, ""):
            self._on_moved(node, before)
        if claim.request is not None:
            self._on_proven(claim.request)

    def refuse_old(self, session: int, envelope: Envelope, words: str) -> None:
        context, node = self.context, envelope.source.hex()[:8]
        sentence = f"the data directory is an older copy of that of node {node}: {words}"
        others = tuple(context.routes.values())[:OTHERS_TOLD_MAX]
        refused = Refused(OldCopyError.code, sentence, envelope.incarnation, (context.settings.address, *others))
        context.outbox.answer(session, envelope.source, refused)
        claim = self._claims.get(envelope.source)
        if claim is not None and claim.incarnation == envelope.incarnation:
            at = f" at {claim.address}"
            self._note("copy", node, f"a process{at} runs on an older copy of the directory of node {node}: {words}")

    # --- questions and answers -----------------------------------------------------------------------------------

    def on_where(self, session: int, envelope: Envelope, body: Where) -> None:
        """Somebody asks who is here: the answer goes back on its connection. Its own address is a claim."""
        context = self.context
        context.outbox.answer(session, envelope.source, self.here(body.asked))
        self._hear_of(envelope, body.address)

    def here(self, asked: float) -> Here:
        """Who and where this node is, and whom it knows elsewhere than the view does."""
        context = self.context
        others = tuple(
            (node, life, address)
            for node, (life, address) in context.proven.items()
            if node in context.members and context.members[node].address != address
        )
        return Here(asked, context.settings.address, others[:OTHERS_TOLD_MAX])

    def on_here(self, envelope: Envelope, body: Here) -> None:
        """Somebody says who and where he is."""
        context, source, life = self.context, envelope.source, envelope.incarnation
        view = context.view
        if source == context.me:
            return
        if view is not None and envelope.hive and envelope.hive != view.hive:
            self._is_foreign(view, envelope, body.address)
        if view is not None and envelope.hive in (b"", view.hive):
            if any(at == body.address and node != source for node, at in context.routes.items()):
                context.replaced[body.address] = source, context.now
        for node, claim in list(self._claims.items()):
            if not claim.since <= body.asked <= context.now:
                continue
            member = context.members.get(node)
            if node != source or life != claim.incarnation:
                if body.address == claim.former:
                    claim.former = ""
                if node == source and member is not None and life == member.incarnation:
                    claim.twin = True
                elif body.address == claim.address:
                    claim.instead = source
            elif body.address == claim.address:
                claim.reached = True
                claim.twin = claim.twin or envelope.epoch < claim.floor
            self._settle(node, claim)
        if view is not None and envelope.hive == view.hive:
            self._hear_of(envelope, body.address)
            for node, incarnation, address in body.others:
                self._hear(node, incarnation, address)
            self._compare(view, source, body.address)

    def _hear_of(self, envelope: Envelope, address: str) -> None:
        view = self.context.view
        if view is not None and envelope.hive == view.hive:
            self._hear(envelope.source, envelope.incarnation, address)

    def _hear(self, node: NodeId, incarnation: int, address: str) -> None:
        """A member is said to be at that address in that life: it is looked for there."""
        context, member = self.context, self.context.members.get(node)
        if member is None or node == context.me:
            return
        if incarnation > max(member.incarnation, context.proven.get(node, (0, ""))[0]):
            claim = self._claim(node, incarnation, address)
            if claim is not None:
                claim.heard_at = context.now
                self._look(node, claim)

    # --- what is wrong -------------------------------------------------------------------------------------------

    def _is_foreign(self, view: View, envelope: Envelope, address: str) -> None:
        context = self.context
        node = next((node for node, at in context.routes.items() if at == address), None)
        if node is None:
            return
        context.foreign[address] = envelope.hive, context.now
        theirs, ours = envelope.hive.hex()[:8], view.hive.hex()[:8]
        self._note(
            "foreign", address,
            f"at {address}, the address of node {node.hex()[:8]}, a node of another hive ({theirs}) answers: no client "
            f"should use it. Was its directory lost? Then stop it, and start it with an empty one and --peer "
            f"{context.settings.address}, to have it in this hive ({ours}) again",
        )  # fmt: skip

    def is_taken_for_another(self, envelope: Envelope) -> None:
        """A node of another hive looks for one of its own here."""
        context = self.context
        if context.view is None or not envelope.destination or envelope.destination == context.me:
            return
        theirs, ours = envelope.hive.hex()[:8], context.view.hive.hex()[:8]
        self._note(
            "foreign", theirs,
            f"nodes of another hive ({theirs}) know {context.settings.address} as their node "
            f"{envelope.destination.hex()[:8]}: if its directory was lost, this hive ({ours}) was founded by mistake; "
            "stop this node, and start it with an empty directory and --peer of a node of that hive",
        )  # fmt: skip

    def note_generations(self, source: NodeId, generation: int) -> None:
        """A node of the other one of two generations of one number makes contact; it gives way."""
        self._note(
            "generations", str(generation),
            f"generation {generation} of this hive was begun twice (recover --force on both sides of a cut): node "
            f"{source.hex()[:8]} and those with it give way, set aside what was written there, and join this one",
        )  # fmt: skip

    def _compare(self, view: View, source: NodeId, address: str) -> None:
        """Whether somebody else answers at the address of a member that is up."""
        context = self.context
        if context.routes.get(source) == address:
            return
        for node, at in context.routes.items():
            if at == address and node != source and node in context.alive and node not in self._claims:
                words = f"at {address}, the address of node {node.hex()[:8]}, node {source.hex()[:8]} answers"
                self._note("address", address, f"{words}; give each node its own --advertise")

    def _note(self, kind: str, about: str, sentence: str) -> None:
        """Said once, and shown for as long as it goes on."""
        known, now = self._troubles.get((kind, about)), self.context.now
        if known is None or known.sentence != sentence or now - known.at >= TROUBLE_SECONDS:
            self.context.tell(kind, sentence, self.context.settings.address, level="warning")
        self._troubles[kind, about] = Trouble(sentence, now)

    # --- time and views ------------------------------------------------------------------------------------------

    def on_link(self, address: str, up: bool) -> None:
        """A connection was made or ended: who is looked for there is asked now; a former life there is gone."""
        for node, claim in list(self._claims.items()):
            if up and claim.address == address and not claim.reached:
                claim.asked_at = -inf
                self._look(node, claim)
            elif not up and claim.former == address:
                claim.former = ""
                self._settle(node, claim)

    def tick(self) -> None:
        """Who is not heard of any more has no claim; a former life that says nothing for long enough is gone."""
        self._seek()
        self._look_at_the_dead()
        now = self.context.now
        for node, claim in list(self._claims.items()):
            if now - claim.heard_at >= CLAIM_SECONDS_MAX:
                del self._claims[node]
                continue
            if claim.reached and now - claim.since >= SILENCE_SECONDS:
                claim.former = ""
            self._look(node, claim)
            self._settle(node, claim)

    def _look_at_the_dead(self) -> None:
        """Nobody talks to a member that is down; a voter looks now and then who answers at its address."""
        context, now = self.context, self.context.now
        if now - self._probed_at < 10 * ASK_SECONDS or context.view is None or context.me not in context.view.voters:
            return
        self._probed_at = now
        living = {at for node, at in context.routes.items() if node in context.alive}
        places = [at for node, at in context.routes.items() if node not in context.alive and at not in living]
        if places:
            self._probed += 1
            context.outbox.send_to(places[self._probed % len(places)], Where(now, context.settings.address))

    def look_around(self) -> None:
        """Without a quorum the others may be anywhere that this node ever heard of: some addresses each second."""
        context, now = self.context, self.context.now
        if now - self._probed_at < 5 * ASK_SECONDS:
            return
        self._probed_at = now
        members = context.members.values()
        known = [*context.settings.peers, *(member.address for member in members), *context.routes.values()]
        places = [at for at in dict.fromkeys(known) if at != context.settings.address]
        for index in range(min(PROBES_MAX, len(places))):
            context.outbox.send_to(places[(self._probed + index) % len(places)], Where(now, context.settings.address))
        self._probed += PROBES_MAX

    def _keep_left_out(self) -> None:
        value = "\n".join(self._left_out).encode() if self._left_out else None
        self.context.commits.write([(LEFT_OUT_KEY, value)])

    def _seek(self) -> None:
        """Ever more rarely, at former addresses."""
        context, now = self.context, self.context.now
        if not self._left_out or now < self._seek_at:
            return
        self._seek_at = now + self._seek_pause
        self._seek_pause = min(SEEK_SECONDS_MAX, 2 * self._seek_pause)
        for address in self._left_out[:PROBES_MAX]:
            context.outbox.send_to(address, Where(now, context.settings.address))
        self._left_out = self._left_out[PROBES_MAX:] + self._left_out[:PROBES_MAX]

    def adopt(self, before: View | None) -> None:
        """A new view: what it says by itself needs no proof. Whom a new generation leaves out is looked for: he may
        live, and have begun one too."""
        context, view = self.context, self.context.view
        assert view is not None
        known = {member.address for member in view.members} if self._left_out else set()
        if before is not None and before.generation < view.generation:
            self._left_out = tuple(member.address for member in before.members)
            self._seek_pause = SEEK_SECONDS_MIN
            self._keep_left_out()
        elif known.intersection(self._left_out):
            self._left_out = tuple(address for address in self._left_out if address not in known)
            self._keep_left_out()
        for node, claim in list(self._claims.items()):
            member = context.members.get(node)
            if member is not None and member.incarnation >= claim.incarnation:
                del self._claims[node]
        for node, (life, _) in list(context.proven.items()):
            member = context.members.get(node)
            if member is None or member.incarnation >= life:
                del context.proven[node]
                context.reroute(node)
