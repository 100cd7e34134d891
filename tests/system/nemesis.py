"""Everything goes wrong with real daemons: ``python -m tests.system.nemesis --minutes 10 --seed S``.

The daemons run in network namespaces, each with a small disk of its own. Faults come in bursts, drawn from the seed,
while clients (:mod:`tests.system.clients`) ask for entries. Then everything is healed, the hive has to become stable,
its copies have to agree, and what the clients saw is judged, and what a hive has into which their last backup was
restored. Exit code 1 if anything was wrong. For root only.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic, sleep

import msgspec

from tests.certificates import Authority
from tests.sim.linear import is_linearizable
from tests.system.clients import THINK_SECONDS, Saw
from tests.system import forked
from tests.system.daemons import environment, wrpmesh
from tests.system.forked import Forked
from tests.system.netns import Namespaces, NamespacesError, missing

NODES, NODES_MAX = 5, 9
HOSTS = [f"10.77.7.{number}" for number in range(1, NODES_MAX + 1)]
HUB = "10.77.7.100"
PORT = 5909
RESTORED = "127.0.0.1:5909"
"""In the hub: a hive of one node for the last backup."""
DISK_MEGABYTES = 96
YOUNG_SECONDS = 11.0
"""A hive suspects nobody in its first 10 s."""
SECURED_PART = 0.4
"""In so many of the runs nodes take TLS alone."""
STABLE_SECONDS_MAX = 60.0
LAST_WORDS = "this node has left the hive"
STOP_SECONDS_MAX = 20.0


class Nemesis:
    """``directory`` gets the logs; it is kept where something was wrong. ``pause`` is what each client waits between
    two operations (s, on average)."""

    def __init__(
        self,
        directory: Path,
        net: Namespaces,
        seed: int,
        replication: int,
        grace: float,
        nodes: int,
        pause: float,
        secured: bool,
    ) -> None:
        self.directory = directory
        self.net = net
        self.seed = seed
        self.pause = pause
        self.grace = grace
        self.random = random.Random(seed)
        self.options = ["--replication", str(replication), "--grace", str(grace)]
        self._authority = Authority(directory) if secured else None
        self.processes: dict[int, Forked] = {}
        self.nodes = range(1, nodes + 1)
        self.ports = dict.fromkeys(self.nodes, PORT)
        self.frozen: set[int] = set()
        self.freezable = False
        self.faults: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.begun = monotonic()
        self._clients: subprocess.Popen[bytes] | None = None
        self._restored: Forked | None = None

    def say(self, line: str) -> None:
        """To the terminal and to the story of the run."""
        told = f"{monotonic() - self.begun:8.2f} {line}"
        print(told, flush=True)
        with open(self.directory / "faults.log", "a", encoding="utf-8") as file:
            file.write(told + "\n")

    # --- daemons -------------------------------------------------------------------------------------------------

    def root(self, node: int) -> Path:
        """The disk of a node."""
        return self.directory / f"disk{node}"

    def address(self, node: int) -> str:
        """Of a node."""
        return f"{HOSTS[node - 1]}:{self.ports[node]}"

    def tls(self, name: str, host: str) -> list[str]:
        """Options of a node with a certificate of its own, made anew; none where nothing is secured."""
        if self._authority is None:
            return []
        made = self._authority.issue(name, host)
        return ["--tls-mode", "require", "--tls-cert", made.certificate, "--tls-key", made.key, "--tls-ca", made.ca]

    @property
    def ca(self) -> str:
        """The file of the CA; empty where nothing is secured."""
        return str(self._authority.path) if self._authority is not None else ""

    def start(self, node: int) -> None:
        """Starts it if it does not run."""
        if node in self.processes:
            code = self.processes[node].poll()
            if code is None:
                return
            if code not in (0, -signal.SIGKILL):
                self.wrong.append(f"node {node} ended by itself with {code}")
            if code == 0 and self.left(node):
                shutil.rmtree(self.root(node) / "db")
                (self.root(node) / "db").mkdir()
        peers = [word for other in self.nodes if other != node for word in ("--peer", self.address(other))]
        founding = [] if node != 1 or (self.root(node) / "db").exists() else ["founds"]
        options = [] if founding else peers
        own = ["-a", self.address(node), "-r", str(self.root(node) / "db"), "-l", f"{node}.log"]
        own += self.tls(f"node{node}", HOSTS[node - 1])
        network = self.net.file(str(node))
        with open(self.directory / f"{node}.err", "ab") as errors:
            self.processes[node] = forked.wrpmed(
                [*own, *options, *self.options], errors, self.directory, environment(), network
            )

    def left(self, node: int) -> bool:
        """Whether it went for good, by its last words: it may do so long after the shell that asked has given up."""
        lines = (self.directory / f"{node}.log").read_text("utf-8", "replace").splitlines()
        return bool(lines) and LAST_WORDS in lines[-1]

    def kill(self, node: int) -> None:
        """kill -9, and gone when it returns."""
        process = self.processes.get(node)
        if process is not None:
            process.kill()
            process.wait()

    def mount(self) -> None:
        """A small disk for each node, which can be made to hang where the system has loop devices."""
        for node in self.nodes:
            self.root(node).mkdir()
            image = self.directory / f"image{node}"
            with open(image, "wb") as file:
                file.truncate(DISK_MEGABYTES << 20)
            made = subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=False, capture_output=True)
            mounted = subprocess.run(["mount", "-o", "loop", str(image), str(self.root(node))], check=False,
                                     capture_output=True)  # fmt: skip
            self.freezable = made.returncode == mounted.returncode == 0
            if not self.freezable:
                image.unlink()
                size = f"size={DISK_MEGABYTES}m"
                subprocess.run(["mount", "-t", "tmpfs", "-o", size, "wrpme", str(self.root(node))], check=True)

    def unmount(self) -> None:
        """The disks go, and all that ran."""
        for node in list(self.frozen):
            self.thaw(node)
        for process in self.processes.values():
            process.kill()
            process.wait()
        if self._restored is not None:
            self._restored.kill()
            self._restored.wait()
        if self._clients is not None and self._clients.poll() is None:
            self._clients.kill()
            self._clients.wait()
        for node in self.nodes:
            subprocess.run(["umount", "-l", str(self.root(node))], check=False, capture_output=True)
            (self.directory / f"image{node}").unlink(missing_ok=True)

    # --- faults: each begins, and gives what heals it ------------------------------------------------------------

    def one(self) -> int:
        """A node that runs."""
        running = [node for node, process in self.processes.items() if process.poll() is None]
        return self.random.choice([node for node in running if node not in self.frozen] or running)

    def fault_kill(self) -> Callable[[], None]:
        node = self.one()
        self.say(f"kill -9 {node}")
        self.kill(node)
        return lambda: self.start(node)

    def fault_pause(self) -> Callable[[], None]:
        node = self.one()
        process = self.processes[node]
        self.say(f"pause {node}")
        process.send_signal(signal.SIGSTOP)
        return lambda: process.send_signal(signal.SIGCONT)

    def _block(self, pairs: list[tuple[int, int]], how: str) -> Callable[[], None]:
        for source, target in pairs:
            self.net.block(source, target, how)

        def heal() -> None:
            for source, target in pairs:
                self.net.unblock(source, target, how)

        return heal

    def fault_cut(self) -> Callable[[], None]:
        node, how = self.one(), self.random.choice(("DROP", "REJECT"))
        self.say(f"cut {node} off ({how})")
        others = [other for other in self.nodes if other != node]
        return self._block([(node, other) for other in others] + [(other, node) for other in others], how)

    def fault_split(self) -> Callable[[], None]:
        some, how = self.random.sample(self.nodes, 2), self.random.choice(("DROP", "REJECT"))
        self.say(f"split {some} from the rest ({how})")
        rest = [other for other in self.nodes if other not in some]
        pairs = [(a, b) for a in some for b in rest]
        return self._block(pairs + [(b, a) for a, b in pairs], how)

    def fault_one_way(self) -> Callable[[], None]:
        source, target = self.random.sample(self.nodes, 2)
        self.say(f"one way: nothing of {source} arrives at {target}")
        return self._block([(source, target)], "DROP")

    def fault_non_transitive(self) -> Callable[[], None]:
        a, b = self.random.sample(self.nodes, 2)
        self.say(f"{a} and {b} do not see each other")
        return self._block([(a, b), (b, a)], self.random.choice(("DROP", "REJECT")))

    def fault_stop(self) -> Callable[[], None]:
        node = self.one()
        self.say(f"planned stop of {node}")
        process = self.processes[node]
        process.send_signal(signal.SIGTERM)

        def heal() -> None:
            process.send_signal(signal.SIGCONT)  # it may have been paused meanwhile
            try:
                code = process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.wrong.append(f"node {node} did not stop in {STOP_SECONDS_MAX:.0f} s")
                self.kill(node)
            else:
                if code not in (0, -signal.SIGKILL):  # it may have been killed meanwhile
                    self.wrong.append(f"the planned stop of node {node} ended with {code}")
            self.start(node)

        return heal

    def fault_full(self) -> Callable[[], None]:
        node = self.one()
        self.say(f"the disk of {node} is full")
        ballast = self.root(node) / "ballast"
        subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=1M"], check=False, capture_output=True)
        return lambda: ballast.unlink(missing_ok=True)

    def fault_join(self) -> Callable[[], None]:
        """It leaves for good; a new one comes to its place."""
        node = self.one()
        self.say(f"{node} leaves, and another node joins in its place")
        through = self.random.choice([other for other in self.nodes if other != node])
        asked = subprocess.Popen(
            [*self.net.inside("hub"), *wrpmesh("--daemon", self.address(through), "leave", self.address(node))],
            cwd=self.directory, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

        def heal() -> None:
            try:
                asked.wait(STOP_SECONDS_MAX)
                self.processes[node].wait(STOP_SECONDS_MAX if asked.returncode == 0 else 0.1)
            except subprocess.TimeoutExpired:
                asked.kill()
                asked.wait()
            self.start(node)

        return heal

    def fault_freeze(self) -> Callable[[], None]:
        """The disk takes nothing and says nothing: a process that waits for it can't even be killed."""
        node = self.one()
        if not self.freezable or self.frozen:
            return lambda: None
        self.say(f"the disk of {node} hangs")
        self.frozen.add(node)
        subprocess.run(["fsfreeze", "--freeze", str(self.root(node))], check=True)
        return lambda: self.thaw(node)

    def thaw(self, node: int) -> None:
        """The disk goes on."""
        if node in self.frozen:
            self.frozen.remove(node)
            subprocess.run(["fsfreeze", "--unfreeze", str(self.root(node))], check=True)

    def fault_pause_all(self) -> Callable[[], None]:
        self.say("pause of all")
        processes = list(self.processes.values())
        for process in processes:
            process.send_signal(signal.SIGSTOP)

        def heal() -> None:
            for process in processes:
                process.send_signal(signal.SIGCONT)

        return heal

    def fault_rotate(self) -> Callable[[], None]:
        """Its certificate is another one: at first its key is not yet, and the node keeps what it has."""
        node = self.one()
        self.say(f"{node} gets another certificate")
        key = self.directory / f"node{node}.key"
        before = key.read_bytes()
        self.tls(f"node{node}", HOSTS[node - 1])
        now = key.read_bytes()
        key.write_bytes(before)
        self.processes[node].send_signal(signal.SIGHUP)

        def heal() -> None:
            key.write_bytes(now)
            self.processes[node].send_signal(signal.SIGHUP)

        return heal

    def fault_move(self) -> Callable[[], None]:
        """It comes back at another port."""
        node = self.one()
        self.kill(node)
        self.ports[node] += 5 if self.ports[node] == PORT else -5
        self.say(f"{node} moves to {self.address(node)}")
        return lambda: self.start(node)

    def power(self) -> None:
        """All at once, and all again: at once, some of them late, one with an empty disk, or one whose disk lied, and
        has lost the end of its log. What only that one had would be lost, so the hive is whole before."""
        kind = self.random.choice(("all return", "some are late", "an empty disk", "a cut log"))
        if kind in ("an empty disk", "a cut log") and self.shell("wait_stable", "10").returncode:
            kind = "all return"
        self.say(f"power loss of all: {kind}")
        self.faults[f"power: {kind}"] += 1
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        chosen = self.random.choice(self.nodes[1:])
        if kind == "an empty disk":
            shutil.rmtree(self.root(chosen) / "db")
            (self.root(chosen) / "db").mkdir()
        elif kind == "a cut log":
            self._cut_log(chosen)
        order = self.random.sample(self.nodes, len(self.nodes))
        late = order[:2] if kind == "some are late" else []
        for node in order[len(late) :]:
            sleep(self.random.random() * 0.5)
            self.start(node)
        if late:
            sleep(self.random.uniform(5.0, 20.0))
            for node in late:
                self.start(node)
        if kind in ("an empty disk", "a cut log"):
            self.until_stable()  # until then nobody may know yet that another copy is better

    def _cut_log(self, node: int) -> None:
        logs = sorted((self.root(node) / "db").glob("*.log"))
        if logs:
            size = logs[-1].stat().st_size
            with open(logs[-1], "r+b") as file:
                file.truncate(int(size * self.random.uniform(0.5, 1.0)))

    # --- the run -------------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> bool:
        """Whether all was well."""
        self.mount()
        for node in self.nodes:
            self.start(node)
        self.until_stable()
        result = self.directory / "saw"
        addresses = [self.address(node) for node in self.nodes]
        told = [str(self.seed), str(result), str(self.pause), self.ca]
        command = [sys.executable, "-m", "tests.system.clients", *told]
        with open(self.directory / "clients.err", "ab") as errors:
            self._clients = subprocess.Popen(
                [*self.net.inside("hub"), *command, *addresses], cwd=self.directory, env=environment(),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        sleep(YOUNG_SECONDS)
        end = monotonic() + seconds
        while monotonic() < end:
            self._burst()
            sleep(self.random.uniform(0.5, 6.0))
        self.say("everything is healed")
        self.start_another()
        self.tell("stop")
        self.restore(result.with_suffix(".backup"))
        self.until_stable()
        self.tell(f"final {RESTORED}")
        self.verify()
        saw = msgspec.msgpack.decode(result.read_bytes(), type=Saw)
        self.judge(saw)
        return not self.wrong

    def _burst(self) -> None:
        """One to three faults, each for a while of its own."""
        kinds = {
            "kill": 4, "pause": 4, "cut": 2, "split": 2, "one_way": 2, "non_transitive": 2, "stop": 2, "full": 1,
            "join": 1, "power": 2, "freeze": 2, "pause_all": 1, "move": 1,
        }  # fmt: skip
        if self.ca:
            kinds["rotate"] = 8
        heals: list[tuple[float, Callable[[], None]]] = []
        busy = False
        for _ in range(self.random.choice((1, 1, 2, 3))):
            kind = self.random.choices(list(kinds), list(kinds.values()))[0]
            if kind == "power":
                if not heals:
                    self.power()
                    return
                continue
            alone = kind in ("full", "join", "stop", "freeze", "move")
            if alone and busy:
                continue
            busy = busy or alone
            self.faults[kind] += 1
            heal = getattr(self, f"fault_{kind}")()
            seconds = self.random.choice((0.1, 1.0, 3.0, 10.0)) * self.random.uniform(0.3, 1.0)
            heals.append((monotonic() + seconds, heal))
            sleep(self.random.random())
        for when, heal in sorted(heals, key=lambda pair: pair[0]):
            sleep(max(0.0, when - monotonic()))
            heal()
        self.say("healed")

    def tell(self, word: str) -> None:
        """To the clients, and waits for their answer."""
        assert self._clients is not None and self._clients.stdin is not None and self._clients.stdout is not None
        self._clients.stdin.write(f"{word}\n".encode())
        self._clients.stdin.flush()
        if not self._clients.stdout.readline():
            raise AssertionError(f"the clients failed: {(self.directory / 'clients.err').read_text('utf-8')[-2000:]}")

    def start_another(self) -> None:
        """A hive of its own, which is empty."""
        own = ["-a", RESTORED, "-r", str(self.directory / "restored"), "-l", "restored.log"]
        own += self.tls("restored", "127.0.0.1")
        with open(self.directory / "restored.err", "ab") as errors:
            self._restored = forked.wrpmed(own, errors, self.directory, environment(), self.net.file("hub"))

    def restore(self, backup: Path) -> None:
        """Into the other hive."""
        if not backup.stat().st_size:
            return  # the clients know of it
        done = self.shell("hive_restore", str(backup), addresses=[RESTORED])
        self.say(f"hive_restore: {done.stdout.decode().strip()}")
        if done.returncode:
            self.wrong.append(f"hive_restore: {done.stderr.decode().strip()}")

    def shell(self, *words: str, addresses: Sequence[str] = ()) -> subprocess.CompletedProcess[bytes]:
        """A command of the shell, from the hub; to these addresses, or to all nodes."""
        addresses = addresses or [self.address(node) for node in self.nodes]
        daemons = [word for address in addresses for word in ("--daemon", address)]
        secured = ("--tls-ca", self.ca) if self.ca else ()
        told = ("--timeout", str(STABLE_SECONDS_MAX), *secured, *daemons, *words)
        return forked.wrpmesh(
            *told, directory=self.directory, values=environment(), network=self.net.file("hub"),
            patience_seconds=2 * STABLE_SECONDS_MAX,
        )  # fmt: skip

    def until_stable(self) -> None:
        """All of them, with all copies. Whoever lost its disk is another node now; what it was is waited for during
        the grace, which every node counts from its own start."""
        patience = self.grace + STABLE_SECONDS_MAX
        end = monotonic() + patience
        while True:
            for node in self.nodes:  # one that was asked to leave may have left only now
                self.start(node)
            done = self.shell("wait_stable", "5")
            status = self.shell("hive_status").stdout.decode()
            if done.returncode == 0 and all(f"{self.net.hosts[node - 1]}:" in status for node in self.nodes):
                return
            if monotonic() > end:
                self.wrong.append(f"not stable after {patience:.0f} s: {status}{done.stderr.decode()}")
                return

    def verify(self) -> None:
        """All copies agree."""
        done = self.shell("verify")
        self.say(f"verify: {done.stdout.decode().strip()}{done.stderr.decode().strip()}")
        if done.returncode:
            self.wrong.append(f"verify: {done.stderr.decode().strip()}")
        for name in (*self.nodes, "restored"):
            for path in (self.directory / f"{name}.err", self.directory / f"{name}.log"):
                text = path.read_text("utf-8", "replace") if path.exists() else ""
                if "Traceback" in text or "defect" in text:
                    self.wrong.append(f"{path.name} has a traceback")

    def judge(self, saw: Saw) -> None:
        """The histories, the set and the counters; then the table."""
        undecided = 0
        for alias, history in saw.histories.items():
            verdict = is_linearizable(history)
            undecided += verdict is None
            if verdict is False:
                self.wrong.append(f"the history of {alias} is not linearizable")
                (self.directory / f"history-{alias}").write_text("\n".join(map(str, history)), "utf-8")
        self.wrong += [f"the acknowledged entry {alias} is lost" for alias in saw.set_lost]
        self.wrong += [f"the entry {alias} was put twice, or holds what is not its own" for alias in saw.set_wrong]
        self.wrong += saw.wrong
        for which, (sure, unsure, value) in enumerate(saw.counters):
            if not sure <= value <= sure + unsure:
                self.wrong.append(f"counter {which} is {value} after {sure} increments and {unsure} unknown ones")
        print("\noperations")
        for outcome, number in sorted(saw.outcomes.items()):
            print(f"    {outcome:<28}{number:>9,}")
        print("faults\n    " + ", ".join(f"{kind} {number}" for kind, number in sorted(self.faults.items())))
        print(f"histories      {len(saw.histories)} ({undecided} too tangled to judge)")
        print(f"set            {saw.set_acknowledged} acknowledged, {len(saw.set_lost)} lost")
        print(f"unavailable    {saw.longest_seconds:.2f} s at most, from {saw.longest_at - self.begun:.2f}")
        print(f"anomalies      {len(self.wrong)}")
        for line in self.wrong:
            print(f"    {line}")


def is_secured(seed: int) -> bool:
    """Whether all is said by TLS in the run of that seed."""
    return random.Random(f"tls {seed}").random() < SECURED_PART


def run(
    seconds: float, seed: int, replication: int, grace: float, nodes: int = NODES, pause: float = THINK_SECONDS
) -> bool:
    """A whole run; whether all was well."""
    secured = is_secured(seed)
    directory = Path(tempfile.mkdtemp(prefix="wrpme-nemesis-"))
    well = False
    with Namespaces(HOSTS[:nodes], HUB) as net:
        nemesis = Nemesis(directory, net, seed, replication, grace, nodes, pause, secured)
        try:
            well = nemesis.run(seconds)
        finally:
            nemesis.unmount()
    way, end = ", by TLS" if secured else "", "all was well" if well else f"see {directory}"
    print(f"seed {seed}, replication {replication}{way}: {end}")
    if well:
        shutil.rmtree(directory)
    return well


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.nemesis", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--replication", type=int, default=0, help="2 or 3; the seed chooses")
    parser.add_argument("--nodes", type=int, default=NODES, help=f"4 to {NODES_MAX} ({NODES})")
    options = parser.parse_args()
    if not 4 <= options.nodes <= NODES_MAX:
        parser.error(f"--nodes is 4 to {NODES_MAX}")
    if reason := missing("iptables", "mount"):
        print(f"the nemesis needs more: {reason}", file=sys.stderr)
        return 2
    replication = options.replication or random.Random(options.seed).choice((2, 3))
    grace = random.Random(options.seed + 1).choice((5.0, 20.0, 60.0))
    try:
        return 0 if run(60 * options.minutes, options.seed, replication, grace, options.nodes) else 1
    except NamespacesError as error:
        print(f"the nemesis needs more: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
