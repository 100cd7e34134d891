"""Logins to machines over SSH. Host keys are always verified, those of jump hosts too.

An attempt uses only what is known before it begins. If it shows that the operator must be asked something, it is given
up, so that it does not occupy the SSH server while the operator thinks, and a new attempt begins with the answer.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import asyncssh

from wrpme.bootstrap.limits import (
    SSH_ATTEMPTS_MAX,
    SSH_CLOSE_SECONDS_MAX,
    SSH_CONNECT_SECONDS_MAX,
    SSH_HANDSHAKES_MAX,
    SSH_KEEPALIVES_MAX,
    SSH_KEEPALIVE_SECONDS,
    SSH_LOGIN_SECONDS_MAX,
    SSH_TURNED_AWAY_MAX,
    SSH_TURNED_AWAY_SECONDS,
)
from wrpme.bootstrap.ssh import config, failures, known_hosts
from wrpme.bootstrap.ssh.config import Settings, Target
from wrpme.bootstrap.ssh.failures import LoginProgress
from wrpme.bootstrap.ssh.identities import LoginKeys, Offer
from wrpme.bootstrap.ssh.known_hosts import HostKey, Judgement, Known
from wrpme.bootstrap.topology.file import Host
from wrpme.errors import HostKeyError, RemoteError

Ask = Callable[[str], Awaitable[str]]
Step = Callable[[str], None]


# asyncssh warns of the key exchange of old servers, in the middle of what the operator is shown.
warnings.filterwarnings("ignore", module=r"asyncssh\.")


class Connector:
    """The SSH connections of one command.

    ``ask`` shows the operator a question and returns the answer; it is None if nobody is there to answer. At most
    ``SSH_HANDSHAKES_MAX`` logins go on at one SSH server at a time, one question is asked at a time, and hosts behind
    the same jump host share one connection to it.
    """

    def __init__(self, ask: Ask | None = None) -> None:
        self._ask = ask
        self._asking = asyncio.Lock()
        self._keys = LoginKeys()
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._jump_hosts: dict[tuple[str, str], asyncio.Task[asyncssh.SSHClientConnection]] = {}
        self._connections: list[asyncssh.SSHClientConnection] = []

    async def connect(self, host: Host, step: Step) -> asyncssh.SSHClientConnection:
        """Logs in to a host and returns the connection; ``step`` is called with what goes on.

        The connection ends if the other side is silent for half a minute.

        Raises:
            HostKeyError: the key of the host, or of a jump host on the way, is not trusted.
            RemoteError: the host, or a jump host, can't be reached or refuses the login.
        """
        return await self._log_in(Target(host.name, host.user, host.port, host.jump, host.mode, host.pins), step)

    async def close(self) -> None:
        """Ends all connections, those to jump hosts last, within ``SSH_CLOSE_SECONDS_MAX``."""
        for task in self._jump_hosts.values():
            task.cancel()
        await asyncio.gather(*self._jump_hosts.values(), return_exceptions=True)
        for connection in reversed(self._connections):
            connection.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(SSH_CLOSE_SECONDS_MAX):
                await asyncio.gather(*(connection.wait_closed() for connection in self._connections))
        self._connections.clear()
        self._jump_hosts.clear()
        await self._keys.close()

    async def _log_in(self, target: Target, step: Step) -> asyncssh.SSHClientConnection:
        settings = await config.settings(target)
        via = await self._jump_host(settings, step)
        offer = await self._keys.offer(settings)
        approved: tuple[HostKey, ...] = ()
        unfit: tuple[HostKey, ...] = ()
        turned_away = 0
        for _ in range(SSH_ATTEMPTS_MAX):
            attempt = _Attempt(settings, offer, approved, unfit, step)
            try:
                async with self._slot(settings):
                    connection = await attempt.run(via)
            except (OSError, ValueError, asyncssh.Error) as error:
                if attempt.was_turned_away(error) and turned_away < SSH_TURNED_AWAY_MAX:
                    turned_away += 1
                    await asyncio.sleep(SSH_TURNED_AWAY_SECONDS)
                elif attempt.refused is None:
                    await attempt.keep_new_key()
                    raise attempt.failure(error) from None
                elif attempt.may_be_asked and self._ask is not None:
                    approved += (await self._approved(attempt, attempt.refused, self._ask),)
                elif attempt.may_have_another_key:
                    unfit += (attempt.refused,)
                else:
                    raise attempt.refusal(attempt.refused) from None
            else:
                self._connections.append(connection)
                await attempt.keep_new_key()
                return connection
        raise HostKeyError(f"{target.name}: its SSH server shows another host key each time that it is asked")

    def _slot(self, settings: Settings) -> asyncio.Semaphore:
        """Returns what bounds the logins that go on at that SSH server."""
        server = f"{settings.jumps} {settings.proxy} {settings.address}"
        return self._slots.setdefault(server, asyncio.Semaphore(SSH_HANDSHAKES_MAX))

    async def _approved(self, attempt: _Attempt, key: HostKey, ask: Ask) -> HostKey:
        """Returns the key once the operator trusts it.

        Raises:
            HostKeyError: the operator does not, or the key can't be kept.
        """
        settings = attempt.settings
        async with self._asking:
            # The operator may just have trusted the same machine under another name.
            if known_hosts.judge(key, known_hosts.look_up(*_lookup_of(settings)), ()) is Judgement.TRUSTED:
                return key
            attempt.step("waiting for an answer about its host key")
            file = settings.known_files[0] if settings.known_files else None
            answer = await ask(known_hosts.question(settings.target.name, settings.address, key, file))
            if answer.strip() != "yes":
                raise HostKeyError(known_hosts.declined(settings.target.name, settings.address, key))
            await _remember(settings, key)
            return key

    async def _jump_host(self, settings: Settings, step: Step) -> asyncssh.SSHClientConnection | None:
        """Returns the connection to the jump host, or None if there is no jump host."""
        if not settings.jumps:
            return None
        jump = config.jump_host(settings)
        which = (settings.jumps, jump.mode)
        task = self._jump_hosts.get(which)
        if task is None or _is_gone(task):
            task = self._jump_hosts[which] = asyncio.create_task(self._log_in(jump, step))
        try:
            # One that gives up waiting must not cancel the login for the others.
            return await asyncio.shield(task)
        except RemoteError as error:
            raise type(error)(
                f"{settings.target.name}: it can't be reached through its jump host; {error.sentence}"
            ) from None


class _Attempt(asyncssh.SSHClient):
    """One attempt to log in, which judges the host key that the server shows.

    ``approved`` are keys that the operator has said yes to. ``unfit`` are keys that the machine has shown before and
    that are not pinned: it is asked for a key of another type.
    """

    def __init__(
        self,
        settings: Settings,
        offer: Offer,
        approved: tuple[HostKey, ...],
        unfit: tuple[HostKey, ...],
        step: Step,
    ) -> None:
        self.settings = settings
        self.step = step
        self.refused: HostKey | None = None
        """The key that the server showed and that is not trusted."""
        self._approved = approved
        self._unfit = unfit
        self._accepted: HostKey | None = None
        try:
            self._record = known_hosts.look_up(*_lookup_of(settings))
        except OSError as error:
            raise HostKeyError(
                f"{settings.target.name}: {known_hosts.tilde(error.filename)} can't be read ({error.strerror}), so its "
                "host key can't be checked"
            ) from None
        self._progress = LoginProgress(offer=offer)
        self._connection: asyncssh.SSHClientConnection | None = None
        self._limit: asyncio.Timeout | None = None
        target = settings.target
        self._pins = target.pins
        self._mode = target.mode or ("pin" if target.pins else settings.mode or "ask")

    async def run(self, via: asyncssh.SSHClientConnection | None) -> asyncssh.SSHClientConnection:
        """Connects, through ``via`` if it is given, and logs in.

        Raises:
            OSError, ValueError, asyncssh.Error: the attempt failed. If ``refused`` has a key, that is the reason; else
                ``failure`` says it.
        """
        settings = self.settings
        self.step(f"connecting to {settings.address}")
        seconds = min(settings.connect_seconds or SSH_CONNECT_SECONDS_MAX, SSH_CONNECT_SECONDS_MAX)
        self._progress.seconds = seconds
        algorithms = known_hosts.algorithms(self._record, [key.kind for key in self._unfit])
        async with asyncio.timeout(seconds) as self._limit:
            return await asyncssh.connect(
                settings.host,
                options=settings.options,
                config=None,
                tunnel=via,
                proxy_command=_proxy_command(settings),
                client_factory=lambda: self,
                known_hosts=([], *self._for_certificates()),
                server_host_key_algs=algorithms if self._unfit else settings.host_key_algorithms or algorithms,
                client_keys=list(self._progress.offer.keys) or None,
                agent_path=None,
                agent_identities=None,
                # Only the timeout above counts: which of two ends first must not decide what the operator reads.
                connect_timeout=None,
                login_timeout=0,
                keepalive_interval=SSH_KEEPALIVE_SECONDS,
                keepalive_count_max=SSH_KEEPALIVES_MAX,
            )

    def _for_certificates(self) -> tuple[list[asyncssh.SSHKey], list[asyncssh.SSHKey]]:
        """Returns authorities and revoked keys for asyncssh, which checks certificates; plain keys are judged below."""
        if not self._record.authorities:
            return [], []
        return _imported(self._record.authorities), _imported(self._record.revoked)

    # --- what asyncssh calls -------------------------------------------------------------------------------------

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Begins the time of the login, as there is a connection."""
        self._connection = conn
        self._progress.connected = True
        self._progress.seconds = SSH_LOGIN_SECONDS_MAX
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + SSH_LOGIN_SECONDS_MAX)

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Returns whether the key is trusted. asyncssh asks again whenever the connection changes its session keys."""
        shown = HostKey(key.get_algorithm(), key.public_data)
        if self._accepted is not None:
            return shown == self._accepted
        if self._is_trusted(shown):
            self._accepted = shown
            return True
        self.refused = shown
        return False

    def begin_auth(self, username: str) -> None:
        """Notes that the host has proved that it has the key that it showed."""
        self._progress.logging_in = True
        self.step(f"logging in as {username}")

    # --- judging -------------------------------------------------------------------------------------------------

    def _is_trusted(self, key: HostKey) -> bool:
        if self._mode == "pin" and not self._pins:
            return False
        judgement = known_hosts.judge(key, self._record, self._pins)
        if judgement is Judgement.UNKNOWN:
            return key in self._approved or self._mode == "accept-new"
        return judgement is Judgement.TRUSTED

    @property
    def may_be_asked(self) -> bool:
        """Returns whether the refused key is new, and the operator may decide."""
        return self._mode == "ask" and self._judgement(self.refused) is Judgement.UNKNOWN

    @property
    def may_have_another_key(self) -> bool:
        """Returns whether the refused key is not the pinned one, but the machine may have keys of other types."""
        assert self.refused is not None
        kinds = [key.kind for key in (*self._unfit, self.refused)]
        changed = bool(self._pins) and self._judgement(self.refused) is Judgement.CHANGED
        return changed and bool(known_hosts.algorithms(self._record, kinds))

    def _judgement(self, key: HostKey | None) -> Judgement | None:
        return None if key is None else known_hosts.judge(key, self._record, self._pins)

    async def keep_new_key(self) -> None:
        """Adds a key to the known hosts that was accepted because it is new, once the host has proved that it has it.

        Raises:
            HostKeyError: the file can't be written.
        """
        key = self._accepted
        if key is None or not self._progress.logging_in or key in self._approved:
            return
        if self._judgement(key) is Judgement.UNKNOWN:
            await _remember(self.settings, key)

    def was_turned_away(self, error: Exception) -> bool:
        """Returns whether the server ended the connection before the login, as sshd does with some of many at once
        (MaxStartups): it may take the next one."""
        lost = isinstance(error, asyncssh.ConnectionLost | ConnectionError)
        return lost and self.refused is None and self._progress.connected and not self._progress.logging_in

    def refusal(self, key: HostKey) -> HostKeyError:
        """Returns the error that says why that key is not trusted."""
        if self._mode == "pin" and not self._pins:
            because = "the mode is pin, but no fingerprint is given"
        elif self._mode in ("strict", "pin"):
            because = "only known keys are accepted"
        else:
            because = "there is nobody to ask"
        target, can_pin = self.settings.target, not self.settings.target.passed
        return HostKeyError(
            known_hosts.refusal(target.name, self.settings.address, key, self._record, self._pins, because, can_pin)
        )

    def failure(self, error: Exception) -> RemoteError:
        """Returns the error that says what the exception of ``run`` means, if no key was refused."""
        if self._unfit:
            return self.refusal(self._unfit[0])
        if self._connection is not None:
            self._progress.answered = self._connection.get_extra_info("server_version") is not None
        kind = HostKeyError if isinstance(error, asyncssh.HostKeyNotVerifiable) else RemoteError
        return kind(failures.sentence(self.settings, self._progress, error))


def _lookup_of(settings: Settings) -> tuple[tuple[Path, ...], str, int]:
    """Returns the files in which a host key is looked up, and the host and port by which."""
    return settings.known_files + settings.system_known_files, settings.key_name, settings.key_port


async def _remember(settings: Settings, key: HostKey) -> None:
    if not settings.known_files:
        return
    file = settings.known_files[0]
    try:
        # In a thread, as another process may hold the lock of the file, also of one on a network.
        await asyncio.to_thread(known_hosts.remember, file, settings.key_name, settings.key_port, key)
    except OSError as error:
        raise HostKeyError(
            f"{settings.target.name}: its host key {key} can't be kept in {known_hosts.tilde(file)} "
            f"({error.strerror}); make that file writable"
        ) from None


def _imported(known: tuple[Known, ...]) -> list[asyncssh.SSHKey]:
    return [asyncssh.import_public_key(entry.key.line) for entry in known]


def _proxy_command(settings: Settings) -> list[str] | None:
    """Returns the command with a shell around it, as OpenSSH has it.

    asyncssh would take what it writes to stderr for words of the server, and the end of stderr for the end of the
    connection; so its stderr is discarded.
    """
    return ["/bin/sh", "-c", f"exec 3>&2 2>/dev/null\nexec {settings.proxy}"] if settings.proxy else None


def _is_gone(task: asyncio.Task[asyncssh.SSHClientConnection]) -> bool:
    """Returns whether the login failed, or its connection has ended since, so that a new one may be tried.

    One that failed as the key is not trusted is not tried again: the operator would be asked the same once more.
    """
    if not task.done():
        return False
    if task.cancelled() or task.exception() is not None:
        return task.cancelled() or not isinstance(task.exception(), HostKeyError)
    return task.result().is_closed()
