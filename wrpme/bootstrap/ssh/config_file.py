"""What ssh_config files say of a host, read by the rules of OpenSSH (ssh_config(5)).

Only the options in the tables below are read, so only they can be wrong: whatever else OpenSSH takes, of any release,
is passed over, and so are the lines of a block that does not match. For most options the first value counts; of
ProxyCommand and ProxyJump, the first of either, also where it is ``none``.
"""

from __future__ import annotations

import glob
import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from hashlib import sha1
from pathlib import Path
from typing import Any

from wrpme.bootstrap.ssh.known_hosts import PORT

INCLUDES_MAX = 16
"""Files include each other at most so deep."""

_KEYWORD = re.compile(r'"?([A-Za-z0-9]+)"?(?:[ \t]*=[ \t]*|[ \t]+|$)')
_UNITS_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_TIME = re.compile(r"(?:[0-9]{1,9}[smhdw]?)+", re.IGNORECASE)
_TIME_PART = re.compile(r"([0-9]+)([smhdw]?)", re.IGNORECASE)


def _choice(values: Mapping[str, Any]) -> Callable[[str], Any]:
    def chosen(word: str) -> Any:
        try:
            return values[word.lower()]
        except KeyError:
            raise ValueError(f"it is one of {', '.join(values)}") from None

    return chosen


def _seconds(word: str) -> int:
    """Returns a time such as 90, 5s or 1h30m in seconds; 0 for ``none``."""
    if word.lower() == "none":
        return 0
    if not _TIME.fullmatch(word):
        raise ValueError("it is a time, such as 10, 5s or 1m30s")
    return sum(int(number) * _UNITS_SECONDS[unit.lower()] for number, unit in _TIME_PART.findall(word))


def _port(word: str) -> int:
    try:
        number = int(word) if word.isascii() and word.isdigit() else socket.getservbyname(word, "tcp")
    except OSError:
        number = 0
    if not 0 < number < 65_536:
        raise ValueError("it is a number from 1 to 65535, or the name of a service")
    return number


def _number(word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise ValueError("it is a number") from None


_YES_NO = {"yes": True, "true": True, "no": False, "false": False}
_FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
_STRICT = {"yes": "yes", "true": "yes", "no": "no", "false": "no", "off": "no", "ask": "ask"}
_ONE: dict[str, tuple[str, Callable[[str], Any]]] = {
    name.lower(): (name, read)
    for name, read in (
        ("AddressFamily", _choice(_FAMILIES)),
        ("BindAddress", str),
        ("CanonicalizeHostname", _choice({**_YES_NO, "always": True})),
        ("CanonicalizeMaxDots", _number),
        ("CASignatureAlgorithms", str),
        ("Ciphers", str),
        ("Compression", _choice(_YES_NO)),
        ("ConnectTimeout", _seconds),
        ("HostKeyAlgorithms", str),
        ("HostKeyAlias", str),
        ("HostName", str),
        ("IdentitiesOnly", _choice(_YES_NO)),
        ("IdentityAgent", str),
        ("KexAlgorithms", str),
        ("MACs", str),
        ("Port", _port),
        ("PubkeyAuthentication", _choice({**_YES_NO, "unbound": True, "host-bound": True})),
        ("StrictHostKeyChecking", _choice({**_STRICT, "accept-new": "accept-new"})),
        ("Tag", str),
        ("User", str),
    )
}
"""The options with one value: how they are written, and what reads the value. It raises ValueError with what is
wanted."""
_LISTS = ("canonicaldomains", "userknownhostsfile", "globalknownhostsfile")
"""The options with several values in one line, the first of which counts."""
_ADDED = ("identityfile", "certificatefile")
"""The options whose values add up over all lines."""


@dataclass
class Name:
    """A machine while it is looked up: ``given`` is its name as the operator wrote it, ``user`` and ``port`` what he
    wrote beside it ("" and 0 for nothing), ``local_user`` who he is here."""

    given: str
    user: str
    port: int
    local_user: str


@dataclass
class Given:
    """What the files say: ``values`` by the option in lower case, and ``host``, which is HostName where there is one.

    A value is what the tables above read; a list of words for the options in ``_LISTS`` and ``_ADDED``.
    """

    name: Name
    host: str
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def user(self) -> str:
        """Returns who logs in."""
        return self.name.user or self.values.get("user") or self.name.local_user

    @property
    def port(self) -> int:
        """Returns the port of the SSH server."""
        return self.name.port or self.values.get("port") or PORT

    def expand(self, text: str) -> str:
        """Returns the text with tokens such as %h and ``${VARIABLE}`` replaced.

        Raises:
            ValueError: there is no such token, or no such variable.
        """
        here, jump = socket.gethostname(), self.values.get("proxyjump", "")
        host, port, user = self.host, str(self.port), self.user
        whole = "".join((here, host, port, user, "" if jump == "none" else jump))
        tokens = {"%": "%", "h": host, "p": port, "r": user, "n": self.name.given, "u": self.name.local_user}
        tokens |= {"d": str(Path.home()), "i": str(os.getuid()), "L": here.partition(".")[0], "l": here}
        tokens |= {"k": self.values.get("hostkeyalias") or self.name.given, "C": sha1(whole.encode()).hexdigest()}
        tokens |= {"j": "" if jump == "none" else jump}

        def token(found: re.Match[str]) -> str:
            if found[1] is not None:
                if found[1] in tokens:
                    return tokens[found[1]]
                raise ValueError(f"{found[0]} in {text} is not supported")
            if found[2] in os.environ:
                return os.environ[found[2]]
            raise ValueError(f"{found[0]} in {text} is not set")

        return re.sub(r"%(.)|\$\{(.*?)\}", token, text)

    def path(self, text: str) -> Path:
        """Returns the path that a value names. Raises ValueError as ``expand`` does."""
        return Path(self.expand(text)).expanduser()


def read(name: Name, files: Iterable[tuple[Path, Path]]) -> Given:
    """Returns what the files say of that machine. Beside each file stands the directory of the files that it includes.

    A program that ``Match exec`` names is run. Where a block matches at the end (``Match final``), or names are to be
    made canonical, the files are read a second time: then Host means the name that was found, and what is given
    already stays.

    Raises:
        ValueError: a line can't be used; the sentence begins with the file and the line.
        OSError: a file can't be read.
    """
    given = Given(name, name.given)
    present = list(files)
    reader = _Reader(given, final=False)
    for path, directory in present:
        reader.file(path, directory)
    given.host = _host_name(given).lower()
    if reader.wants_final or given.values.get("canonicalizehostname"):
        given.values["hostname"] = given.host.replace("%", "%%")
        last = _Reader(given, final=True)
        for path, directory in present:
            last.file(path, directory)
    return given


def _host_name(given: Given) -> str:
    """Returns HostName with its tokens replaced, of which there are two, or the name that was given."""
    tokens = {"%%": "%", "%h": given.name.given}
    text = given.values.get("hostname", given.name.given)
    return re.sub("%[%h]", lambda found: tokens[found[0]], text) if "hostname" in given.values else text


class _Reader:
    """One reading of all files, in the order of what is said first."""

    def __init__(self, given: Given, final: bool) -> None:
        self.wants_final = False
        self._given = given
        self._host = given.host
        """What Host is compared with."""
        self._final = final

    def file(self, path: Path, directory: Path, depth: int = 0) -> None:
        """Reads one file. See :func:`read` for what is raised."""
        # Comments may be in any encoding. Only "\n" ends a line.
        active = True
        for number, line in enumerate(path.read_bytes().decode("utf-8", "surrogateescape").split("\n"), 1):
            try:
                active = self._line(line.strip(" \t\r\f"), active, directory, depth)
            except _IncludedError as error:
                raise ValueError(str(error)) from None
            except ValueError as error:
                raise ValueError(f"{path} line {number}: {error}") from None

    def _line(self, line: str, active: bool, directory: Path, depth: int) -> bool:
        """Takes in one line; returns whether the lines after it count."""
        found = _KEYWORD.match(line)
        if not found or line.startswith("#"):
            return active
        keyword, rest = found[1].lower(), line[found.end() :]
        if keyword == "host":
            return self._matches_host(_words(rest, "Host"))
        if keyword == "match":
            return self._matches(_words(rest, "Match"))
        if not active:
            return False
        if keyword == "include":
            for word in _words(rest, "Include"):
                self._include(word, directory, depth)
        else:
            self._take(keyword, rest)
        return True

    def _include(self, word: str, directory: Path, depth: int) -> None:
        if depth >= INCLUDES_MAX:
            raise ValueError("files include each other in a circle, or too deep")
        pattern = re.sub(r"\$\{(.*?)\}", lambda found: os.environ.get(found[1], ""), word)
        for path in sorted(glob.glob(str(directory / Path(pattern).expanduser()))):
            if os.path.isfile(path):
                try:
                    self.file(Path(path), directory, depth + 1)
                except ValueError as error:
                    raise _IncludedError(str(error)) from None

    def _take(self, keyword: str, rest: str) -> None:
        values = self._given.values
        if keyword == "proxycommand":
            # The whole rest of the line, also what looks like a comment: it is for a shell.
            values.setdefault("proxyjump" if "proxyjump" in values else "proxycommand", rest)
        elif keyword == "proxyjump":
            jump = rest.partition("#")[0].strip(" \t")
            values.setdefault("proxycommand" if "proxycommand" in values else "proxyjump", jump)
        elif keyword in _ONE:
            written, read_value = _ONE[keyword]
            word, *more = _words(rest, written)
            if more:
                raise ValueError(f"Extra data after {written} {word}: {' '.join(more)}")
            try:
                values.setdefault(keyword, read_value(word))
            except ValueError as error:
                raise ValueError(f"Invalid {written} value: {word} ({error})") from None
        elif keyword in _LISTS:
            values.setdefault(keyword, _words(rest, keyword))
        elif keyword in _ADDED:
            held: list[str] = values.setdefault(keyword, [])
            held += [word for word in _words(rest, keyword)[:1] if word not in held]

    # --- which lines count ---------------------------------------------------------------------------------------

    def _matches_host(self, patterns: list[str]) -> bool:
        return _in_list(self._host, patterns)

    def _matches(self, words: list[str]) -> bool:
        matched = True
        while words:
            word = words.pop(0)
            criterion, equals, argument = word.partition("=")
            negated, criterion = criterion.startswith("!"), criterion.lower().removeprefix("!")
            if criterion in ("all", "canonical", "final"):
                self.wants_final = self.wants_final or criterion == "final"
                met = criterion == "all" or self._final
            else:
                if not equals:
                    argument = self._argument(criterion, words)
                # A program is run only if all else before it fits.
                met = matched and self._meets(criterion, argument)
            matched = matched and met is not negated
        return matched

    def _argument(self, criterion: str, words: list[str]) -> str:
        if words and words[0] == "=":
            del words[0]
        if not words:
            raise ValueError(f"Missing {criterion} match pattern")
        return words.pop(0)

    def _meets(self, criterion: str, argument: str) -> bool:
        given = self._given
        host = given.host if self._final else _host_name(given)
        if criterion == "exec":
            given.host, before = host, given.host
            command = given.expand(argument)
            given.host = before
            return _succeeds(command)
        if criterion == "host":
            return _in_list(host, argument.lower().split(","))
        if criterion == "originalhost":
            return _in_list(given.name.given, argument.lower().split(","))
        texts = {"user": given.user, "localuser": given.name.local_user, "tagged": given.values.get("tag", "")}
        # What wrpme does there is to run a command; it has no release of OpenSSH.
        texts |= {"sessiontype": "exec", "command": "", "version": ""}
        if criterion not in texts:
            raise ValueError(f"Invalid match condition {criterion}")
        return _in_list(texts[criterion], argument.split(","))


class _IncludedError(ValueError):
    """A line of an included file, whose place is in the sentence already."""


def _words(text: str, option: str) -> list[str]:
    """Splits the rest of a line at blanks, up to a comment; quotes and backslashes work as in OpenSSH.

    Raises:
        ValueError: a quote is not closed, or there is no word.
    """
    words: list[str] = []
    word, quote, at = None, "", 0
    while at < len(text):
        one, after = text[at], text[at + 1 : at + 2]
        at += 1
        if one in " \t" and not quote:
            if word is not None:
                words.append(word)
            word = None
        elif one == "#" and word is None:
            break
        elif one == "\\" and after and (after in "'\"\\" or (after == " " and not quote)):
            word, at = (word or "") + after, at + 1
        elif one == quote:
            quote = ""
        elif one in "'\"" and not quote:
            word, quote = word or "", one
        else:
            word = (word or "") + one
    if quote:
        raise ValueError("No closing quotation")
    if word is not None:
        words.append(word)
    if not words:
        raise ValueError(f"Missing {option} value")
    return words


def _in_list(text: str, patterns: Iterable[str]) -> bool:
    """Returns whether the text fits one of the patterns (``*``, ``?``) and none of those with a ``!`` before them."""
    fits = False
    for pattern in patterns:
        if _fits(text, pattern.removeprefix("!")):
            if pattern.startswith("!"):
                return False
            fits = True
    return fits


def _fits(text: str, pattern: str) -> bool:
    # Brackets, which fnmatch knows and ssh_config does not, stand for themselves: for an IPv6 address, say.
    return re.fullmatch(translate(pattern.replace("[", "[[]")), text) is not None


def _succeeds(command: str) -> bool:
    shell = os.environ.get("SHELL") or "/bin/sh"
    try:
        done = subprocess.run(
            [shell, "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except OSError as error:
        raise ValueError(f"{shell}, which Match exec is run by, can't be run ({error.strerror})") from None
    return done.returncode == 0
