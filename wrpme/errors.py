"""The one tree of errors: each class has a word for scripts, a code for the wire, and carries a sentence.

The sentence is for the operator: it says what happened, to what, and what to do. Whoever raises one writes it;
whoever prints one prints ``word: sentence`` and nothing else.
"""

from __future__ import annotations

from typing import ClassVar


class WrpmeError(Exception):
    """Root of all errors of wrpme.

    ``word`` is what scripts match on, ``code`` its number on the wire (stable for ever), ``not_carried_out`` says
    that the request certainly changed nothing, ``retry`` that the same request may succeed by itself soon.
    """

    word: ClassVar[str] = "error"
    code: ClassVar[int] = 1
    not_carried_out: ClassVar[bool] = False
    retry: ClassVar[bool] = False

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.operation: int | None = None
        """Which operation of a transaction failed, counted from 0."""

    def __str__(self) -> str:
        return f"{self.word}: {self.sentence}"


class NotFoundError(WrpmeError):
    """There is certainly no such entry."""

    word = "not_found"
    code = 2
    not_carried_out = True


class AlreadyExistsError(WrpmeError):
    """``put`` found an entry of that alias."""

    word = "already_exists"
    code = 3
    not_carried_out = True


class MismatchError(WrpmeError):
    """The content is not the comparand."""

    word = "mismatch"
    code = 4
    not_carried_out = True


class UnavailableError(WrpmeError):
    """No up-to-date copy, or no quorum, can be reached; the sentence names the nodes whose return heals it."""

    word = "unavailable"
    code = 5
    not_carried_out = True


class UnstableError(WrpmeError):
    """The hive is changing; the request was not carried out and may be sent again."""

    word = "unstable"
    code = 6
    not_carried_out = True
    retry = True


class IndeterminateError(WrpmeError):
    """The write may or may not have been carried out, and nobody can know now."""

    word = "indeterminate"
    code = 7


class TimeoutError(WrpmeError):
    """The time given ran out; nothing that changes data was sent, or what was sent is known not to have happened."""

    word = "timeout"
    code = 8


class UsageError(WrpmeError):
    """The request itself is wrong: an alias, a number, an option."""

    word = "usage"
    code = 9
    not_carried_out = True


class NoSuchCommandError(WrpmeError):
    """The shell does not know the word."""

    word = "no_such_command"
    code = 10
    not_carried_out = True


class TooLargeError(WrpmeError):
    """An alias, a content or a frame beyond its limit."""

    word = "too_large"
    code = 11
    not_carried_out = True


class ConnectionError(WrpmeError):
    """No daemon answers, or the connection ended."""

    word = "connection"
    code = 12


class ProtocolError(WrpmeError):
    """The other side does not speak this protocol, or spoke it wrongly."""

    word = "protocol"
    code = 13


class StorageError(WrpmeError):
    """The disk or the data directory does not do what is asked of it."""

    word = "storage"
    code = 14


class BusyError(WrpmeError):
    """A limit of the node is reached, such as ``--sessions``, or that of what waits."""

    word = "busy"
    code = 15
    not_carried_out = True
    retry = True


class StartError(WrpmeError):
    """A daemon that can't start: the sentence is the only line it prints."""

    word = "start"
    code = 16


class InternalError(WrpmeError):
    """A defect of wrpme itself."""

    word = "internal"
    code = 17


class DiskFullError(StorageError):
    """The disk of the data directory takes no more; the node serves nothing until there is space again."""

    word = "disk_full"
    code = 18
    not_carried_out = True


class DamagedError(StorageError):
    """The data directory is the node's own, but what it holds is not what was written there."""

    word = "damaged"
    code = 19


class DiffersError(WrpmeError):
    """Copies that should be the same are not."""

    word = "differs"
    code = 20


class RemoteError(WrpmeError):
    """A machine that is reached over SSH, or something on it, does not do what is asked; the sentence names it."""

    word = "remote"
    code = 21


class HostKeyError(RemoteError):
    """The SSH host key of a machine is not the one that is trusted, or nobody has trusted it yet."""

    word = "host_key"
    code = 22


class LockedError(RemoteError):
    """Somebody else is at work on that machine."""

    word = "locked"
    code = 23


class OldCopyError(WrpmeError):
    """A node runs on a copy of a data directory that its hive has gone beyond."""

    word = "old_copy"
    code = 24


class AnotherHiveError(WrpmeError):
    """At a known address a node of another hive answers; nothing was sent to it."""

    word = "another_hive"
    code = 25
    not_carried_out = True


class ShortageError(StorageError):
    """The system denies the disk what it needs for now, open files or memory; the node serves nothing until then."""

    word = "shortage"
    code = 26
    not_carried_out = True


class NumberError(WrpmeError):
    """The content is no whole number of 64 bits, or the sum would be none."""

    word = "number"
    code = 27
    not_carried_out = True


class BackupError(WrpmeError):
    """A backup file is none, or is cut or damaged."""

    word = "backup"
    code = 29


class FullError(WrpmeError):
    """A node that keeps a copy of the entry holds as much as its ``--bytes-max`` allows; what is there is served."""

    word = "full"
    code = 30
    not_carried_out = True


class UnauthenticatedError(WrpmeError):
    """The hive has users, and the connection has not said who it is, or said a wrong password."""

    word = "unauthenticated"
    code = 31
    not_carried_out = True


class DeniedError(WrpmeError):
    """The user may not do that, or not with that entry."""

    word = "denied"
    code = 32
    not_carried_out = True


class ApartError(UsageError):
    """Entries that are to be changed together have no tag in common; the sentence names two of them."""

    word = "apart"
    code = 28


def _tree(root: type[WrpmeError]) -> list[type[WrpmeError]]:
    return [root] + [leaf for branch in root.__subclasses__() for leaf in _tree(branch)]


BY_CODE: dict[int, type[WrpmeError]] = {kind.code: kind for kind in _tree(WrpmeError)}


def from_wire(code: int, sentence: str, operation: int = -1) -> WrpmeError:
    """The error that a node sent; a code from a later version becomes a plain :class:`WrpmeError`. ``operation`` is
    that of a transaction, or below 0."""
    error = BY_CODE.get(code, WrpmeError)(sentence)
    if operation >= 0:
        error.operation = operation
    return error
