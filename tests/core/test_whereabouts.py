"""Who is where: a node is its id, and its address is what leads to it."""

from __future__ import annotations

import pytest

from tests.harness import HIVE, Hive, hive_of, identity, word_of
from wrpme.core.io import Exit
from wrpme.protocol import health
from wrpme.protocol.identities import Here
from wrpme.protocol.messages import Content, Done, Envelope, Get, Put

COUNT = 30


def filled(*names: str, replication: int = 2) -> Hive:
    hive = hive_of(*names, replication=replication)
    for number in range(COUNT):
        assert hive.ask(names[0], Put(1, b"k%d" % number, b"%d" % number)) == Done(1)
    return hive


def contents(hive: Hive, name: str) -> set[bool]:
    """Whether each entry is what was written; what is refused for the moment is asked for again."""
    found = set()
    for number in range(COUNT):
        while word_of(reply := hive.ask(name, Get(1, b"k%d" % number))) == "unstable":
            hive.go(0.1)
        found.add(reply == Content(1, b"%d" % number))
    return found


def addresses(hive: Hive, name: str) -> set[str]:
    return {member.address for member in hive.view(name).members}


# --- changed addresses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "peers", [{"A": "BC", "B": "AC", "C": "AB"}, {"A": "B", "B": "A", "C": "A"}, {"A": "", "B": "A", "C": "A"}],
    ids=["all", "one each", "none for the first"],
)  # fmt: skip
def test_a_hive_whose_addresses_all_changed_votes_and_serves(peers: dict[str, str]) -> None:
    hive = filled("a", "b", "c")
    for name in "abc":
        hive.kill(name)
    for name, others in peers.items():
        hive.start(name, *others, directory=name.lower())
    hive.stable("A", "B", "C", seconds=30)
    assert contents(hive, "A") == {True} and not hive.exits
    assert {member.id for member in hive.view("A").members} == {identity(name) for name in "abc"}


@pytest.mark.parametrize("peers", [True, False])
def test_swapped_addresses_are_found_out(peers: bool) -> None:
    """Each looks for the other at its own address; also where no peer is given."""
    hive = filled("a", "b", replication=2)
    hive.kill("a")
    hive.kill("b")
    hive.start("a", *(["b"] if peers else []), directory="b")
    hive.start("b", *(["a"] if peers else []), directory="a")
    hive.until(lambda: all(hive.nodes[name].context.lives for name in "ab"), seconds=30)
    hive.stable("a", "b", seconds=30)
    at = {member.id: member.address for member in hive.view("a").members}
    assert at == {identity("a"): "b", identity("b"): "a"} and contents(hive, "a") == {True} and not hive.exits


def test_one_node_at_a_new_address_while_the_hive_serves() -> None:
    hive = filled("a", "b", "c")
    hive.kill("b")
    hive.go(0.3)
    hive.start("x", directory="b")
    hive.stable("a", "c", "x", seconds=30)
    assert contents(hive, "x") == {True}


def test_an_address_is_used_again_by_another_node_of_the_hive() -> None:
    """`b` moves, and a new node takes its address."""
    hive = filled("a", "b", "c")
    hive.kill("b")
    hive.start("x", directory="b")
    hive.start("b", "a", directory="new")
    hive.stable("a", "b", "c", "x", seconds=30)
    at = {member.address: member.id for member in hive.view("a").members}
    assert at["x"] == identity("b") and at["b"] == identity("new") and contents(hive, "b") == {True}


# --- one address for two -----------------------------------------------------------------------------------------


def test_two_nodes_with_one_address_to_tell() -> None:
    """What the second one advertises leads to the first: it is told so, and is not joined and expelled for ever."""
    hive = filled("a", "b")
    epoch = hive.view("a").epoch
    hive.start("x", "a", advertise="b")
    hive.go(20.0)
    assert hive.view("a").epoch == epoch and addresses(hive, "a") == {"a", "b"}
    here = identity("b").hex()[:8]
    assert hive.said("x", f"at b, which it says is its address, node {here} answers in its place")
    assert hive.said("a", f"node {identity('x').hex()[:8]} is not taken in: at b,")
    assert any("answers in its place" in trouble for trouble in hive.nodes["a"].status().troubles)
    assert len([line for _, _, line in hive.lines if "is not taken in" in line]) <= 4, "said, not repeated"
    hive.kill("x")
    hive.start("x", "a")
    hive.stable("a", "b", "x")


def test_an_address_that_leads_nowhere_is_not_taken() -> None:
    hive = filled("a", "b")
    hive.start("x", "a", advertise="nowhere")
    hive.go(8.0)
    assert addresses(hive, "a") == {"a", "b"}
    assert hive.said("x", "can't reach it at nowhere, which it says is its address")


def test_the_one_that_a_voter_passes_on_for_is_looked_for_too() -> None:
    """A join through a node that is no voter."""
    hive = hive_of(*"abcdef")
    outsider = next(name for name in "abcdef" if identity(name) not in hive.view("a").voters)
    hive.start("x", outsider, advertise="a")
    hive.go(6.0)
    assert "x" not in addresses(hive, "a")
    hive.kill("x")
    hive.start("y", outsider)
    hive.stable(*"abcdefy")


# --- copies of a directory ---------------------------------------------------------------------------------------


def test_a_directory_from_before_an_earlier_start_is_set_aside() -> None:
    hive = filled("a", "b", "c")
    hive.copy("b", "old")
    for _ in range(2):
        hive.kill("b")
        hive.start("b")
        hive.stable("a", "b", "c", seconds=30)
    hive.kill("b")
    hive.start("b", directory="old")
    hive.until(lambda: "b" in hive.exits, seconds=5)
    end = hive.exits["b"]
    assert "older copy" in end.sentence and set(end.rejoin) == {"a", "c"} and end.code == 1
    hive.start("b", *end.rejoin, directory="fresh")
    hive.until(lambda: hive.nodes["b"].context.lives, seconds=30)
    assert contents(hive, "b") == {True}


def test_a_directory_from_before_views_that_its_node_told_of_is_set_aside() -> None:
    """A snapshot of the very last life: its next start has a later number, and knows less."""
    hive = filled("a", "b", "c")
    hive.copy("c", "old")
    hive.start("d", "a")
    hive.stable("a", "b", "c", "d", seconds=30)
    hive.kill("c")
    hive.start("c", directory="old")
    hive.until(lambda: "c" in hive.exits, seconds=5)
    assert "older copy" in hive.exits["c"].sentence and hive.exits["c"].rejoin
    assert any("copy" in event.sentence for event in hive.heard("a", "copy"))


def test_an_old_directory_is_known_also_where_nobody_remembers_its_node() -> None:
    """After a power loss of all: the view itself tells what each holder of an arc that was served has to know."""
    hive = filled("a", "b", "c")
    hive.copy("c", "old")
    hive.kill("b")
    hive.until(lambda: "b down; all data is served" in health.condition(hive.view("a")).sentence, seconds=10)
    hive.until(lambda: not any(arc.prev for arc in hive.view("a").arcs), seconds=10)
    hive.go(1.0)
    hive.kill("a")
    hive.kill("c")
    for name in "ab":
        hive.start(name)
    hive.start("c", directory="old")
    hive.until(lambda: "c" in hive.exits, seconds=20)
    assert "older copy" in hive.exits["c"].sentence and hive.exits["c"].rejoin


@pytest.mark.parametrize("at", ["x", "b"], ids=["elsewhere", "with its address to tell"])
def test_a_clone_beside_its_original_is_refused(at: str) -> None:
    """It has a later number, and knows the same view: nothing but that the original answers tells them apart."""
    hive = filled("a", "b", "c", replication=1)
    hive.copy("b", "clone")
    before = hive.view("a")
    assert hive.ask("a", Put(1, b"later", b"1")) == Done(1)
    hive.start("x", directory="clone", advertise=at)
    hive.until(lambda: "x" in hive.exits or at == "b", seconds=5)
    hive.go(3.0)
    assert hive.view("a") == before and "b" in hive.nodes and hive.nodes["b"].context.lives
    assert contents(hive, "b") == {True} and hive.get("a", b"later") == b"1"
    if at == "x":
        assert "older copy" in hive.exits["x"].sentence and hive.exits["x"].rejoin


def test_the_original_restarts_beside_its_clone_and_is_not_taken_for_it() -> None:
    """A claim that was refused does not raise what a node has to know to be itself."""
    hive = filled("a", "b", "c")
    hive.copy("b", "clone")
    node, _ = hive.directories["clone"]
    hive.directories["clone"] = node, 7
    hive.start("x", directory="clone")
    hive.until(lambda: "x" in hive.exits, seconds=5)
    hive.kill("b")
    hive.start("b")
    hive.stable("a", "b", "c", seconds=30)
    assert set(hive.exits) == {"x"} and contents(hive, "b") == {True}


def test_a_refusal_of_another_life_is_none_of_this_one() -> None:
    """A late message of a former life must not set the directory of the present one aside."""
    hive = filled("a", "b", "c")
    hive.kill("b")
    hive.start("b")
    hive.stable("a", "b", "c", seconds=30)
    hive.said_by_former_life("b", "a")
    hive.go(2.0)
    assert not hive.exits and "b" in hive.nodes


def test_what_ends_a_node_is_never_another_hive_at_the_address_of_a_member() -> None:
    """The founder's directory was lost, and it founded another hive; the others restart with it as their peer."""
    hive = filled("a", "b", "c", replication=3)
    hive.kill("a")
    hive.start("a", hive=b"x" * 16, directory="empty", replication=2)
    hive.until(lambda: health.condition(hive.view("b")).word == "stable" or len(hive.view("b").voters) == 2, seconds=20)
    hive.kill("b")
    hive.start("b", "a")
    hive.until(lambda: hive.nodes["b"].context.lives, seconds=30)
    assert contents(hive, "b") == {True} and not hive.exits
    ours, theirs = HIVE.hex()[:8], (b"x" * 16).hex()[:8]
    assert any(f"a node of another hive ({theirs}) answers" in one for one in hive.nodes["b"].status().troubles)
    assert hive.said("a", f"nodes of another hive ({ours}) know a as their node") and hive.heard("a", "foreign")


def test_who_answers_at_the_address_of_the_dead_is_looked_at_too() -> None:
    """The founder was marked down long before it founded another hive; nobody has anything to say to it."""
    hive = filled("a", "b", "c", replication=2)
    hive.kill("a")
    hive.until(lambda: len(hive.view("b").voters) == 2, seconds=20)
    hive.start("a", hive=b"x" * 16, directory="empty", replication=2)
    hive.until(lambda: bool(hive.nodes["b"].status().troubles) and bool(hive.nodes["c"].status().troubles))
    assert hive.heard("b", "foreign") and hive.heard("a", "foreign")


def test_a_peer_of_another_hive_that_is_no_member_ends_a_start() -> None:
    hive = filled("a", "b")
    hive.start("other", hive=b"x" * 16)
    hive.go(0.1)
    hive.kill("b")
    hive.start("b", "other")
    hive.until(lambda: "b" in hive.exits, seconds=5)
    assert hive.exits["b"] == Exit(
        1,
        f"other belongs to hive {(b'x' * 16).hex()[:8]}, but this data directory to hive {HIVE.hex()[:8]}; start with "
        "another directory (-r), or name a peer of its own hive",
    )


def test_a_node_that_serves_already_says_that_a_peer_is_wrong_and_goes_on() -> None:
    hive = hive_of("a", "b")
    hive.start("other", hive=b"x" * 16)
    hive.kill("b")
    hive.start("b", "a", "other")
    hive.cut("b", "other")
    hive.until(lambda: hive.nodes["b"].context.lives, seconds=30)
    other, late = hive.nodes["other"].context, Here(0.0, "other")
    envelope = Envelope(b"x" * 16, 0, other.me, other.settings.incarnation, identity("b"), 1, late)
    for _ in range(2):
        hive.nodes["b"].lifecycle.on_here(envelope, late)
    hive.go(1.0)
    assert not hive.exits and hive.nodes["b"].context.lives
    assert hive.said("b", "other belongs to hive 78787878, and this node serves hive 68686868: its --peer is wrong")
