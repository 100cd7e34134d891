"""Where passwords come from: a file that only its owner reads, or a terminal that does not show them. They are in no
command line, line of a session or history, and in no sentence."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from wrpme.errors import UsageError
from wrpme.protocol.access.users import PASSWORD_BYTES_MAX

if TYPE_CHECKING:
    from wrpme.shell.arguments import Options
    from wrpme.shell.commands import Command

HOW = "give it as the one line of a file that only you can read: --password-file FILE"
SETS_PASSWORD = ("user_add", "user_password")
"""The commands that take a new one."""


class Asker(Protocol):
    """Who asks an operator."""

    async def secret(self, question: str) -> str:
        """Puts a question, and returns what is typed without showing it.

        Raises:
            UsageError: there is nobody to be asked.
        """


def read_file(path: str) -> str:
    """Returns the password in a file.

    Raises:
        UsageError: it can't be read, others can read it, or it is not one line of text.
    """
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise UsageError(f"{path} is no regular file; {HOW}")
            # As a system mounts secrets for a service: of root, for the group of the service.
            shared = found.st_mode & (stat.S_IRWXO if found.st_uid == 0 else stat.S_IRWXG | stat.S_IRWXO)
            if shared:
                raise UsageError(f"others can read the password in {path}; take that from them: chmod 600 {path}")
            content = file.read(PASSWORD_BYTES_MAX + 3)
    except OSError as error:
        raise UsageError(f"the file of a password {path} can't be read ({error.strerror})") from None
    line = content.removesuffix(b"\n").removesuffix(b"\r")
    if not line or b"\n" in line or len(line) > PASSWORD_BYTES_MAX:
        what = "no password" if not line.strip() else "more than one line, or more than a password can have"
        raise UsageError(f"the file {path} has {what}; it has the password as its one line")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise UsageError(f"the password in {path} is not UTF-8; save the file as UTF-8") from None


def said_by(options: Options) -> str | None:
    """Returns the password of the user whom the command line names; None where it names nobody. It is read from the
    file that is named, else asked for once. No loop runs yet, so that Ctrl-C ends the question.

    Raises:
        UsageError: there is none to be had.
    """
    if not options.user:
        return None
    if options.password_file:
        return read_file(options.password_file)
    if not any(stream.isatty() for stream in (sys.stdin, sys.stderr)) or not _has_terminal():
        raise UsageError(f"nobody is there to be asked for the password of {options.user}; {HOW}")
    from getpass import getpass

    try:
        typed = getpass(f"password of {options.user}: ")
    except EOFError:
        typed = ""
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        raise
    return _typed(typed, options.user)


def _has_terminal() -> bool:
    """Returns whether this process has a terminal, which it can keep from showing what is typed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return sys.stdin.isatty()
    return True


async def new_password(command: Command, asker: Asker) -> str:
    """Returns the password that a command sets, from its file or asked for twice; empty for any other command.

    Raises:
        UsageError: there is none to be had, or the two differ.
    """
    if command.name not in SETS_PASSWORD:
        return ""
    if command.password_file:
        return read_file(command.password_file)
    typed = _typed(await asker.secret(f"new password of {command.user}: "), command.user)
    if await asker.secret("the same again: ") != typed:
        raise UsageError(f"the two passwords differ; nothing was changed, give {command.name} again")
    return typed


def _typed(password: str, user: str) -> str:
    if not password:
        raise UsageError(f"no password of {user} was given")
    return password


async def unseen(descriptor: int, line: Callable[[], Awaitable[str | None]]) -> str:
    """Returns the next line of a terminal, which does not show it while it is typed."""
    import termios

    before = termios.tcgetattr(descriptor)
    hidden = termios.tcgetattr(descriptor)
    hidden[3] &= ~termios.ECHO
    try:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, hidden)
        return await line() or ""
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)
