"""The command line of wrpmesh: its options, and the words of COMMAND. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from wrpme import options
from wrpme.files import option_files
from wrpme.errors import UsageError
from wrpme.limits import TIMEOUT_SECONDS
from wrpme.options import WRPMESH, Given
from wrpme.protocol import address
from wrpme.version import VERSION

if TYPE_CHECKING:
    from wrpme.files.certificates import TlsFiles

DAEMON = address.DEFAULT
FILE = "~/.config/wrpme/wrpmesh.toml"
"""Where the file of options is, unless XDG_CONFIG_HOME says otherwise."""
NO_TLS = "none"
"""In place of a file of CAs."""
USAGE = """\
wrpmesh [--daemon HOST:PORT]... [--timeout SECONDS] [COMMAND [ARGUMENT...]]
wrpmesh --hive-name NAME [--timeout SECONDS] [COMMAND [ARGUMENT...]]
wrpmesh --tui [--daemon HOST:PORT]... [--record FILE]
wrpmesh --tui --replay FILE
wrpmesh --web [HOST:PORT] [--daemon HOST:PORT]... [--replay FILE]
wrpmesh --hive N [--tui] [--web [HOST:PORT]] [COMMAND [ARGUMENT...]]

The shell of a wrpme hive. Without COMMAND: interactive, or one command a line from standard input.

{options}

Where --daemon, --hive-name, --timeout, --tls-..., --user or --password-file is not given, WRPME_DAEMON,
WRPME_HIVE_NAME, WRPME_TIMEOUT, WRPME_TLS_..., WRPME_USER or WRPME_PASSWORD_FILE in the environment serves, then daemon,
timeout, tls-..., user and password-file in {file}.
wrpmesh help lists the commands."""


class Options(Struct, frozen=True):
    """What the command line said. Where ``answer`` is given, the program prints it and does nothing else."""

    daemons: tuple[str, ...] = (DAEMON,)
    timeout: float = TIMEOUT_SECONDS
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    user: str = ""
    password_file: str = ""
    request_id: str = ""
    hive: int = 0
    tui: bool = False
    web: address.Address | None = None
    record: str = ""
    replay: str = ""
    words: tuple[str, ...] = ()
    answer: str = ""

    @property
    def tls(self) -> TlsFiles | None:
        """What nodes are talked to with; None without TLS."""
        if not self.tls_ca:
            return None
        from wrpme.files.certificates import TlsFiles  # here: no other mode pays for it

        return TlsFiles(self.tls_ca, self.tls_cert, self.tls_key)


def parse_options(
    arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
    path: str = FILE,
    read: Callable[[str], str | None] = lambda _: None,
    known_of: Callable[[Sequence[str]], tuple[str, str, str]] = lambda _: ("", "", ""),
) -> Options:
    """Returns the options before COMMAND, and its words; for what is not given, variables of the environment serve, and
    then the file at ``path``, whose text ``read`` returns, or None where there is none. Where no CA is named,
    ``known_of`` returns the file of that of the hive which has one of these nodes, a user and the file of his password,
    who serves where none is named; or empty texts.

    Raises:
        UsageError: an option or a value is wrong.
    """
    given = options.parse(WRPMESH, arguments)
    if "help" in given:
        return Options(answer=help_text())
    if "version" in given:
        return Options(answer=f"wrpme {VERSION}")
    option_files.stray_variables(environment or {})
    given = options.with_environment(given, environment or {})
    text = read(path)
    file = option_files.parse(WRPMESH, text, path) if text is not None else None
    given = option_files.named_hive(given, file, path)
    for name in ("tui", "web"):
        if given[name] and given.words:
            raise UsageError(f"--{name} opens the dashboard, which takes no COMMAND; type it there")
    tls_ca, tls_cert, tls_key = _tls(given)
    daemons = tuple(map(str, given["daemon"])) or (DAEMON,)
    operator: list[str] = []
    if "tls-ca" not in given and not given["hive"] and not given["replay"]:
        tls_ca, *operator = known_of(daemons)
    user, password_file = _user(given, tls_ca)
    if not user and operator and not given["web"]:  # whoever reaches a page would be an admin
        user, password_file = operator
    if _is_of_another(given, environment or {}, file):
        password_file = ""
    return Options(
        daemons=daemons,
        timeout=given["timeout"],
        tls_ca=tls_ca,
        tls_cert=tls_cert,
        tls_key=tls_key,
        user=user,
        password_file=password_file,
        request_id=given["request-id"] or "",
        hive=given["hive"] or 0,
        tui=given["tui"],
        web=given["web"],
        record=given["record"] or "",
        replay=given["replay"] or "",
        words=given.words,
    )


def _tls(given: Given) -> tuple[str, ...]:
    """Returns the files for TLS: of CAs, of a certificate and of its key; each of them may be from another source.

    Raises:
        UsageError: one is missing.
    """
    names = ("tls-ca", "tls-cert", "tls-key")
    files = tuple(given[name] or "" for name in names)
    if files[0] == NO_TLS:
        return ("", "", "")
    if any(files[1:]) and not all(files):
        has = next(name for name in names[1:] if given[name])
        lacks = next(name for name in names if not given[name])
        raise UsageError(f"{has} ({given.origins[has]}) needs {lacks}: a certificate, its key, and the CA of the nodes")
    return files


def _user(given: Given, tls_ca: str) -> tuple[str, str]:
    """Returns the name of the user, and the file of his password. With a hive that has no TLS, where that is said, only
    the command line means one.

    Raises:
        UsageError: there is a file without a user, or a user without TLS.
    """
    user, file = (given[name] or "" for name in ("user", "password-file"))
    if file and not user:
        origin = given.origins["password-file"]
        raise UsageError(f"password-file ({origin}) needs user: it has the password of one")
    if not user or tls_ca:
        return user, file
    if given["tls-ca"] == NO_TLS and given.origins["user"] != "command line":
        return "", ""
    raise UsageError(
        f"user ({given.origins['user']}) needs tls-ca: the password of {user} would travel in plain words without TLS"
    )


def _is_of_another(given: Given, environment: Mapping[str, str], file: option_files.OptionFile | None) -> bool:
    """Returns whether the file of a password stands beside another user than the one who was named before that source:
    it has the password of that one."""
    origin = given.origins.get("password-file", "command line")
    tables = (file, *file.hives.values()) if file is not None else ()
    beside = [table.values.get("user") for table in tables if table.origins.get("password-file") == origin]
    if origin == "WRPME_PASSWORD_FILE":
        beside = [environment.get("WRPME_USER")]
    return any(other and other != given["user"] for other in beside)


def help_text() -> str:
    """Returns what ``wrpmesh --help`` prints."""
    return USAGE.format(file=FILE, options="\n".join(f"  {line}" for line in options.help_lines(WRPMESH)))
