"""What a node says where it sees no quorum: true, and the mildest step first; and when a recovery is refused."""

from __future__ import annotations

import pytest

from tests.harness import HIVE, Hive, hive_of, identity, word_of
from wrpme.core.io import HANGING, LinkDown, LinkUp
from wrpme.protocol import view_index
from wrpme.protocol.administration import Recover
from wrpme.protocol.messages import Done, Failed, Put, Text


def alone(*dead: str, replication: int = 1) -> Hive:
    """Of a, b, c these have died; the others see no quorum, and have looked for a while."""
    hive = hive_of("a", "b", "c", replication=replication)
    for name in dead:
        hive.kill(name)
    hive.until(lambda: bool(hive.nodes["c"].lifecycle.quorum()))
    hive.go(5.0)
    return hive


def said(hive: Hive) -> str:
    return hive.nodes["c"].lifecycle.quorum()


def test_where_no_voter_answers_the_mildest_step_comes_first_and_the_price_last() -> None:
    assert said(alone("a", "b")) == (
        "this node sees 1 of 3 voters; it waits for a, b: start them, or mend the network to them; only if their disks "
        "are lost for good, recover --force at c goes on without them, and of 67 % of the ring there are only older "
        "copies then, or none"
    )
    assert said(alone("a", "b", replication=3)).endswith("goes on without them, and no entry is lost by that")


@pytest.mark.parametrize("answer", ["it runs", "it hangs", "another hive", "an empty directory"])
def test_a_voter_that_gives_any_answer_is_not_called_dead(answer: str) -> None:
    hive = alone("a", "b")
    if answer == "it runs":
        hive.event("c", LinkUp("a"))
        words = "a runs and answers, but takes no part"
    elif answer == "it hangs":
        hive.event("c", LinkDown("a", HANGING))
        words = "a takes connections and says nothing, it hangs"
    elif answer == "an empty directory":
        hive.start("a", "b", directory="empty")
        hive.go(2.0)
        words = f"at a node {identity('empty').hex()[:8]} answers, whose directory is not that of node "
    else:
        hive.start("a", hive=b"x" * 16, directory="empty")
        hive.event("c", LinkDown("a", "connection refused"))
        hive.go(2.0)
        words = f"at a a node of another hive ({(b'x' * 16).hex()[:8]}) answers"
    assert words in said(hive) and "recover" not in said(hive)
    reply = hive.ask("c", Recover(1))
    assert isinstance(reply, Failed) and word_of(reply) == "usage"
    assert words in reply.sentence and "a voter that answers is not dead" in reply.sentence
    assert hive.view("c").generation == 1


def test_voters_that_restarted_are_seen_though_nobody_is_back_yet() -> None:
    """After a power loss of all: they acknowledge no heartbeat, and vote."""
    hive = hive_of("a", "b", "c")
    for name in "abc":
        hive.kill(name)
    hive.drop = lambda source, target, body: type(body).__name__ in ("Accept", "Accepted")  # nothing is decided
    for name in "ab":
        hive.start(name)
    hive.go(6.0)
    assert hive.nodes["a"].lifecycle.quorum() == hive.nodes["b"].lifecycle.quorum() == ""


def test_a_recovery_is_refused_right_after_the_voters_were_lost() -> None:
    """Nobody has tried yet whether they can be reached."""
    hive = hive_of("a", "b", "c")
    hive.cut("a", "c")
    hive.cut("b", "c")
    hive.until(lambda: bool(hive.nodes["c"].lifecycle.quorum()))
    reply = hive.ask("c", Recover(1))
    assert isinstance(reply, Failed) and "ask again in a few seconds" in reply.sentence
    hive.go(3.0)
    assert isinstance(hive.ask("c", hive.recovery("c", "c")), Text)


def test_a_recovery_is_refused_where_somebody_knows_better() -> None:
    """`e` has an older view than `d`: what it would begin with is behind."""
    hive = hive_of("a", "b", "c", "d", "e", "f")
    voters = [name for name in "abcdef" if identity(name) in hive.view("a").voters]
    survivor = voters[-1]
    other = next(name for name in "abcdef" if name not in voters)
    hive.drop = lambda source, target, body: target == survivor and "View" in type(body).__name__
    hive.start("g", "a")
    hive.until(lambda: any(member.address == "g" for member in hive.view(other).members))
    for name in voters[:-1]:
        hive.kill(name)
    hive.until(lambda: bool(hive.nodes[survivor].lifecycle.quorum()))
    hive.go(5.0)
    reply = hive.ask(survivor, Recover(1))
    assert isinstance(reply, Failed) and "has a later view of the hive than this node" in reply.sentence
    assert hive.view(survivor).generation == 1


# --- two generations of one number -------------------------------------------------------------------------------


def test_a_recovery_on_both_sides_of_a_cut_is_noticed_and_one_of_them_gives_way() -> None:
    """Nothing is deleted: what the one that gives way has is set aside."""
    hive = hive_of("a", "b", "c", "d", "e", "f", replication=2)
    sides = "abc", "def"
    for here in sides[0]:
        for there in sides[1]:
            hive.cut(here, there)
    voters = {name for name in "abcdef" if identity(name) in hive.view("a").voters}
    hive.go(15.0)
    lonely = next(side for side in sides if len(voters.intersection(side)) < 3)
    first, second = sorted(voters.intersection(lonely))[0], next(side for side in sides if side != lonely)
    assert isinstance(hive.ask(first, hive.recovery(first, *lonely)), Text)
    for name in sorted(voters.intersection(second))[:2]:
        hive.kill(name)
    other = next(name for name in second if name in hive.nodes and name in voters)
    hive.go(8.0)
    assert isinstance(hive.ask(other, hive.recovery(other, *(name for name in second if name in hive.nodes))), Text)
    one, two = hive.view(first), hive.view(other)
    assert (one.generation, two.generation) == (2, 2) and one.branch != two.branch
    hive.go(3.0)
    hive.heal()
    loser, winner = (first, other) if view_index.era(one) < view_index.era(two) else (other, first)
    hive.until(lambda: loser in hive.exits, seconds=20)
    end = hive.exits[loser]
    assert "generation 2 was begun twice" in end.sentence and winner in end.rejoin and winner in hive.nodes
    assert any("was begun twice" in one for one in hive.nodes[winner].status().troubles)
    assert hive.ask(winner, Put(1, b"after", b"1")) in (Done(1),) or hive.view(winner).hive == HIVE
