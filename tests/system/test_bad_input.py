"""What operators, strangers and other servers do wrong, to real processes: one clear sentence, nobody is harmed, and
nothing is lost. What does not start for reasons of its own machine (port, directory) is in tests/daemon."""

from __future__ import annotations

import random
import re
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import BaseServer, StreamRequestHandler, ThreadingTCPServer
from time import monotonic

import pytest
import pytest_asyncio

from tests.system import forked
from tests.system.forked import Forked
from tests.system.daemons import PATIENCE_SECONDS, Daemons, environment, finished, free_port, wrpmed, wrpmesh
from tests.system.raw import Wire
from wrpme import errors
from wrpme.daemon.net import server
from wrpme.limits import ALIAS_BYTES_MAX, CONTENT_BYTES_MAX, KIB, MIB
from wrpme.protocol import codec
from wrpme.protocol.messages import Content, Done, Failed, Get, Put, Reply, Request, Update

ENTRIES = 60
FOREIGN = bytes(byte for byte in range(256) if byte not in b"*$\r\n" and not bytes([byte]).isalpha())
"""What begins with one of these is of no protocol that a node speaks."""
FLOOD = 25_000
FLOOD_CONTENT = b"x" * (4 * KIB)
MEMORY_GROWTH_BYTES_MAX = 64 * MIB
"""The answers of the flood together are 100 MB."""
ESTABLISHED = "01"
"""As Linux lists it in ``/proc/net/tcp``."""
linux = pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="looks into /proc")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hive(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemons]:
    with Daemons(tmp_path_factory.mktemp("bad"), 3) as daemons:
        daemons.start_all(range(3))
        await daemons.until_stable(3)
        with Wire(daemons.addresses[0]) as wire:
            wire.ask([Put(number + 1, b"entry/%d" % number, b"%d" % number) for number in range(ENTRIES)])
        yield daemons


@pytest_asyncio.fixture
async def unharmed(hive: Daemons) -> AsyncIterator[Daemons]:
    """The hive; after the test its processes run without a defect, it is stable, and every entry is there."""
    yield hive
    hive.check_alive()
    await hive.until_stable(3)
    for address in hive.addresses:
        with Wire(address) as wire:
            replies = wire.ask([Get(number + 1, b"entry/%d" % number) for number in range(ENTRIES)])
        assert replies == {number + 1: Content(number + 1, b"%d" % number) for number in range(ENTRIES)}


def one_line(arguments: list[str], directory: Path, given: bytes | None = None) -> tuple[int, str]:
    """Exit code and the one sentence on stderr of a command that fails."""
    return sentence_of(finished(arguments, given, directory))


def shell_line(*words: str) -> tuple[int, str]:
    """The same of a command of the shell."""
    return sentence_of(forked.wrpmesh(*words))


def sentence_of(done: subprocess.CompletedProcess[bytes]) -> tuple[int, str]:
    line = done.stderr.decode()
    assert done.stdout == b""
    assert re.fullmatch(r"[^\n]+\n", line), line
    return done.returncode, line.rstrip("\n")


# --- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("--peer nowhere", "has no port"),
        ("-a 127.0.0.1:99999", "--address: the port"),
        ("-a 0.0.0.0:5909", "--advertise HOST:PORT"),
        ("-r", "-r"),
        ("--sessions 0", "a number from 1"),
        ("--log-level loud", "debug, info, warning, error"),
        ("--transient -r data", "leave one of them out"),
        ("start", "is no option"),
    ],
)
def test_a_wrong_option_of_the_daemon(line: str, part: str, tmp_path: Path) -> None:
    """Each kind once; tests/daemon/test_config.py has all of them."""
    code, sentence = one_line(wrpmed(*line.split()), tmp_path)
    assert code == 2
    assert part in sentence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "code", "start"),
    [
        ("--timeout soon get x", 2, "usage: "),
        ("--daemon nowhere get x", 2, "usage: "),
        ("--pear 1 get x", 2, "usage: "),
        ("expires_from_now x soon", 2, "usage: "),
        ("get", 2, "usage: "),
        ("foo", 2, "no_such_command: "),
        ("node_status nowhere", 2, "usage: "),
    ],
)
def test_a_wrong_command_line_of_the_shell(line: str, code: int, start: str) -> None:
    got, sentence = shell_line(*line.split())
    assert (got, sentence.startswith(start)) == (code, True), sentence


# --- peers and servers of another kind -------------------------------------------------------------------------------


class Redis(StreamRequestHandler):
    """Says what Redis says to what it does not know."""

    def handle(self) -> None:
        while line := self.rfile.readline():
            self.wfile.write(b"-ERR unknown command '%s', with args beginning with: \r\n" % line.strip())


class Threads(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class Web(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nowhere."""


def a_redis_server(port: int) -> BaseServer:
    return Threads(("127.0.0.1", port), Redis)


def a_web_server(port: int) -> BaseServer:
    return HTTPServer(("127.0.0.1", port), Web)


@contextmanager
def serving(made: BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


@pytest.mark.parametrize("kind", [a_web_server, a_redis_server])
def test_a_peer_that_is_no_wrpmed(kind: Callable[[int], BaseServer], tmp_path: Path) -> None:
    """It is told in one line, and the node waits: the operator may have started the wrong thing there."""
    port, other = free_port(), free_port()
    with serving(kind(other)):
        command = wrpmed("-a", f"127.0.0.1:{port}", "--peer", f"127.0.0.1:{other}", "-o", "--transient")
        with subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stderr is not None
                lines = []
                for line in process.stderr:
                    lines.append(line)
                    if "does not speak the wrpme protocol" in line:
                        break
                assert f"127.0.0.1:{other}" in lines[-1]
                process.send_signal(signal.SIGTERM)
                lines += process.stderr.readlines()
                assert process.wait(PATIENCE_SECONDS) == 0
                assert "Traceback" not in "".join(lines)
            finally:
                process.kill()


@pytest.mark.parametrize("kind", [a_web_server, a_redis_server])
def test_the_shell_at_another_server(kind: Callable[[int], BaseServer]) -> None:
    other = free_port()
    with serving(kind(other)):
        code, sentence = shell_line("--daemon", f"127.0.0.1:{other}", "get", "x")
    assert code == 1
    assert sentence.startswith(f"protocol: 127.0.0.1:{other}: the other side does not speak the wrpme protocol")


@pytest.mark.asyncio
async def test_a_directory_of_another_hive(unharmed: Daemons, tmp_path: Path) -> None:
    """The node of another hive does not join, and its data is left as it is. It is one of two, and alone: so it waits,
    and does not serve before anybody has answered."""
    with Daemons(tmp_path, 2) as daemons:
        daemons.start_all(range(2))
        await daemons.until_stable(2)
        with Wire(daemons.addresses[0]) as wire:
            wire.ask([Put(1, b"own", b"own")])
        daemons.kill(0, 1)
        command = wrpmed("-a", daemons.addresses[0], "--peer", unharmed.addresses[1])
        code, sentence = one_line(command, tmp_path)
        assert code == 1
        assert re.search(rf"{unharmed.addresses[1]} belongs to hive \w{{8}}, but this data directory to hive", sentence)
        daemons.start_all(range(2))
        await daemons.until_stable(2)
        with Wire(daemons.addresses[0]) as wire:
            assert wire.ask([Get(1, b"own")])[1] == Content(1, b"own")


def test_a_peer_that_is_itself(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    code, sentence = one_line(wrpmed("-a", address, "--peer", address), tmp_path)
    assert code == 2
    assert "is this node itself" in sentence


# --- strangers -------------------------------------------------------------------------------------------------------


def connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), PATIENCE_SECONDS)


def last_word(address: str, said: bytes) -> bytes:
    """All that the node answers to the end of the connection, which it closes."""
    with connect(address) as stranger:
        stranger.sendall(said)
        answer = b""
        while data := stranger.recv(65536):
            answer += data
        return answer


def refusal(answer: bytes) -> Failed:
    """The one answer to a client that speaks the protocol and talks nonsense in it."""
    (reply,) = codec.Decoder[Reply](Reply).feed(answer)
    assert isinstance(reply, Failed) and reply.id == 0
    return reply


def test_random_bytes(unharmed: Daemons) -> None:
    chance = random.Random(1)
    for number in range(100):
        said = bytes([chance.choice(FOREIGN)]) + chance.randbytes(chance.randint(8, 2000))
        assert last_word(unharmed.addresses[number % 3], said).count(b"\n") == 1
    for number in range(100):  # to a node these are clients of Redis
        said = bytes([chance.choice(b"*aGP$\r\n")]) + chance.randbytes(chance.randint(8, 2000)) + b"\n"
        answer = last_word(unharmed.addresses[number % 3], said + b"\nQUIT\r\n*x\r\n")
        assert re.fullmatch(rb"(-ERR [^\n]*\n)*(\+OK\r\n)?|wrpmed: [^\n]*\n", answer), answer
    for number in range(100):
        said = codec.PREFACE + struct.pack(">I", 500) + chance.randbytes(500)
        assert refusal(last_word(unharmed.addresses[number % 3], said)).sentence


def test_another_protocol(unharmed: Daemons) -> None:
    said = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # the beginning of TLS
    assert last_word(unharmed.addresses[0], said) == server.FOREIGN


def test_a_frame_of_4_gib(unharmed: Daemons) -> None:
    reply = refusal(last_word(unharmed.addresses[0], codec.PREFACE + b"\xff\xff\xff\xff"))
    assert reply.code == errors.TooLargeError.code
    assert "4294967295 bytes" in reply.sentence


def test_half_a_frame_and_then_nothing(unharmed: Daemons) -> None:
    """Fifty such clients, all held open, keep nobody from being served; how they end is tested in tests/daemon."""
    frame = codec.encode(Update(1, b"entry/0", b"never"))
    strangers = [connect(unharmed.addresses[number % 3]) for number in range(50)]
    for stranger in strangers:
        stranger.sendall(codec.PREFACE + frame[: len(frame) // 2])
    with Wire(unharmed.addresses[0]) as wire:
        assert wire.ask([Get(1, b"entry/0")])[1] == Content(1, b"0")
    for stranger in strangers:
        stranger.close()


def resident_bytes(process: subprocess.Popen[bytes] | Forked) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * KIB


@linux
def test_a_flood_of_requests_whose_answers_nobody_reads(unharmed: Daemons) -> None:
    address = unharmed.addresses[0]
    with Wire(address) as wire:
        wire.ask([Update(1, b"flood", FLOOD_CONTENT)])
    before = [resident_bytes(unharmed.processes[index]) for index in range(3)]
    frames = b"".join(codec.encode(Get(number, b"flood")) for number in range(1, FLOOD + 1))
    with connect(address) as greedy:
        sender = threading.Thread(target=greedy.sendall, args=(codec.PREFACE + frames,))
        sender.start()
        with Wire(address) as wire:  # others are served; as many in flight as one connection may have
            for _ in range(20):
                requests: list[Request] = [Get(number + 1, b"entry/%d" % number) for number in range(ENTRIES)]
                assert wire.ask(requests)[1] == Content(1, b"0")
        after = [resident_bytes(unharmed.processes[index]) for index in range(3)]
        assert max(b - a for a, b in zip(before, after, strict=True)) < MEMORY_GROWTH_BYTES_MAX
        decoder = codec.Decoder[Reply](Reply)
        answered: set[int] = set()
        while len(answered) < FLOOD:
            data = greedy.recv(1 << 20)
            assert data, f"the connection ended after {len(answered)} answers"
            for reply in decoder.feed(data):
                assert isinstance(reply, Content) and reply.content == FLOOD_CONTENT, reply
                answered.add(reply.id)
        sender.join()


# --- limits ----------------------------------------------------------------------------------------------------------


def test_over_the_limits_through_the_shell(unharmed: Daemons, tmp_path: Path) -> None:
    shell = ("--daemon", unharmed.addresses[0])
    code, sentence = shell_line(*shell, "put", "a" * (ALIAS_BYTES_MAX + 1), "x")
    assert (code, sentence) == (
        1,
        f"too_large: the alias has {ALIAS_BYTES_MAX + 1} bytes, the limit is {ALIAS_BYTES_MAX}",
    )
    code, sentence = one_line(wrpmesh(*shell, "put", "large", "-"), tmp_path, bytes(CONTENT_BYTES_MAX + 1))
    assert code == 1
    assert sentence.startswith("too_large: ") and "67108864 bytes" in sentence
    code, sentence = shell_line(*shell, "get", "large")
    assert (code, sentence) == (1, 'not_found: there is no entry "large"')


def test_over_the_limits_past_the_client(unharmed: Daemons) -> None:
    """A node that is asked by somebody else's client judges for itself, and the connection goes on."""
    with Wire(unharmed.addresses[0]) as wire:
        replies = wire.ask(
            [
                Put(1, b"a" * (ALIAS_BYTES_MAX + 1), b""),
                Put(2, b"large", bytes(CONTENT_BYTES_MAX + 1)),
                Put(3, b"", b""),
                Get(4, b"large"),
                Update(5, b"two words\0\xff", b"any bytes"),
                Get(6, b"two words\0\xff"),
            ]
        )
    codes = [reply.code for _, reply in sorted(replies.items()) if isinstance(reply, Failed)]
    too_large, usage = errors.TooLargeError.code, errors.UsageError.code
    assert codes == [too_large, too_large, usage, errors.NotFoundError.code]
    assert isinstance(replies[5], Done) and replies[6] == Content(6, b"any bytes")


# --- daemons that are not there --------------------------------------------------------------------------------------


def test_no_daemon(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    code, sentence = one_line(wrpmesh("--daemon", address, "get", "x"), tmp_path)
    assert code == 1
    assert sentence.startswith(f"connection: no daemon answers at {address} (connection refused)")


@pytest.mark.asyncio
@linux
@pytest.mark.parametrize("way", ["dies", "hangs"])
async def test_a_daemon_that_vanishes_in_the_middle(way: str, tmp_path: Path) -> None:
    """With a write that it has and has not answered: the shell says that it may or may not have been carried out."""
    with Daemons(tmp_path, 1) as daemons:
        daemons.start(0)
        await daemons.until_stable(1)
        address, process = daemons.addresses[0], daemons.processes[0]
        with subprocess.Popen(
            wrpmesh("--daemon", address, "--timeout", "2"), cwd=tmp_path, env=environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as shell:  # fmt: skip
            try:
                assert shell.stdin is not None and shell.stdout is not None
                shell.stdin.write("update x first\nget x\n")
                shell.stdin.flush()
                assert shell.stdout.readline() == "first\n"
                process.send_signal(signal.SIGSTOP)  # from now on the system takes what is sent, and nobody answers
                shell.stdin.write("update x second\n")
                shell.stdin.flush()
                until_something_waits(process.pid, address)
                if way == "dies":
                    daemons.kill(0)
                output, said = shell.communicate(timeout=PATIENCE_SECONDS)
            finally:
                shell.kill()
        assert (shell.returncode, output) == (1, "")
        assert re.fullmatch(r"indeterminate: [^\n]+\n", said), said
        if way == "dies":
            daemons.start(0)
        else:
            process.send_signal(signal.SIGCONT)
        await daemons.until_stable(1)
        with Wire(address) as wire:
            assert wire.ask([Get(1, b"x")])[1] in (Content(1, b"first"), Content(1, b"second"))
        daemons.check_alive()


def test_a_daemon_that_hangs(tmp_path: Path) -> None:
    """It takes connections and says nothing, as a stopped process does."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        code, sentence = one_line(wrpmesh("--daemon", address, "--timeout", "2", "put", "x", "content"), tmp_path)
    assert code == 1
    assert sentence.startswith(("connection: ", "timeout: ")) and address in sentence


def until_something_waits(pid: int, address: str) -> None:
    """Returns once the system holds bytes for the process at that address."""
    port = f":{int(address.rpartition(':')[2]):04X}"
    end = monotonic() + PATIENCE_SECONDS
    while monotonic() < end:
        for line in Path(f"/proc/{pid}/net/tcp").read_text("ascii").splitlines()[1:]:
            fields = line.split()
            if fields[1].endswith(port) and fields[3] == ESTABLISHED and int(fields[4].partition(":")[2], 16):
                return
    raise AssertionError("nothing came")
