"""The options of wrpmed, wrpmesh and their commands: one table, from which parsing, help and completion follow. Pure.

Each :class:`Option` is declared once, below. A :class:`Syntax` is what one program or command takes of them. The parser
returns what was given apart from the defaults, so that other sources can come between the two.

argparse is not used: its error sentences would have to be recognised by their text and written anew, near misses are
found only through its private attributes, it accepts no options that end at the first word of a command, and syntax
lines, completion and topology files need the table anyway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from wrpme.errors import UsageError
from wrpme.limits import (
    BYTES_MAX_MIN,
    EXPIRY_MILLISECONDS_MAX,
    GRACE_SECONDS,
    GRACE_SECONDS_MAX,
    LOCAL_NODES_MAX,
    MEMORY_MAX_MIN,
    REPLICATION_MAX,
    REPLICATION_USUAL,
    SESSIONS_MAX,
    SESSIONS_OPTION_MAX,
    SLOW_SECONDS,
    SLOW_SECONDS_MAX,
    TIMEOUT_SECONDS,
    TIMEOUT_SECONDS_MAX,
)
from wrpme.protocol import address
from wrpme.protocol.access.users import Role
from wrpme.protocol.administration import request_id_of
from wrpme.protocol.quoting import Quoted
from wrpme.files import option_values as kinds
from wrpme.files.option_values import ALIAS, DIRECTORY, FILE, HOST_PORT, NODE, TIME, Value, text
from wrpme.files.toml_text import number_text, shown

LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")
TLS_MODES = ("off", "allow", "prefer", "require")
ROLES = tuple(role.name.lower() for role in Role if role is not Role.NOBODY)
NAMED_MAX = 4
"""So many options a sentence lists; of more it names the help."""
LIKENESS = 0.6
"""How much a wrong option has in common with the one that is suggested, from 0 to 1."""
_FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}

# --- declarations ------------------------------------------------------------------------------------------------


class Others(Struct, frozen=True):
    """Options one of which must, or none of which may, stand beside another one; ``because`` says why, with that one as
    its subject."""

    names: tuple[str, ...]
    because: str


class Option(Struct, frozen=True):
    """One option. A name of one letter has one dash; without a ``value`` the option is a flag."""

    name: str
    help: str
    value: Value | None = None
    short: str = ""
    default: Any = None
    default_text: str = ""
    """How the help shows the default, where that is not its plain text."""
    bare: Any = None
    """The value of the option where it is given without one; None where it needs one."""
    is_repeated: bool = False
    """Whether it may be given more than once; its value is a tuple then."""
    is_required: bool = False
    replaces_words: bool = False
    """Whether it stands in place of the words that the command takes."""
    ends: bool = False
    """Whether nothing that follows counts, as after ``--help``."""
    needs: Others | None = None
    excludes: Others | None = None
    environment: str = ""
    """The variable that serves in its place where it is not given."""
    is_setting: bool = False
    """Whether a file of options may have it."""
    is_live: bool = False
    """Whether a daemon that runs takes another value of it."""
    meant_by: tuple[str, ...] = ()
    """What other programs call it: for these it is suggested."""

    @property
    def written(self) -> str:
        """The option with its dashes."""
        return f"-{self.name}" if len(self.name) == 1 else f"--{self.name}"

    @property
    def brief(self) -> str:
        """The shortest spelling."""
        return f"-{self.short}" if self.short else self.written

    @property
    def spellings(self) -> tuple[str, ...]:
        """All spellings, with their dashes."""
        return (self.brief, self.written) if self.short else (self.written,)

    @property
    def value_shown(self) -> str:
        """How its value is written; empty for a flag."""
        if self.value is None:
            return ""
        return self.value.shown if self.bare is None else f"[{self.value.shown}]"

    @property
    def default_shown(self) -> str:
        """The default as the help shows it; empty where there is none."""
        return self.default_text or ("" if self.default is None else text(self.default))


class Syntax(Struct, frozen=True):
    """The options of one program or command."""

    name: str
    options: tuple[Option, ...]
    hidden: tuple[Option, ...] = ()
    """Further options, which the syntax line does not name one by one."""
    is_program: bool = False
    """A program takes an option again, and the last one counts; to a command that is an error."""
    has_command: bool = False
    """Whether the options end at the first other word."""

    @property
    def all(self) -> tuple[Option, ...]:
        """All options that are understood."""
        return self.options + self.hidden

    @property
    def help(self) -> str:
        """What the operator types to read about the options."""
        return f"{self.name} --help" if self.is_program else f"help {self.name}"

    @property
    def of(self) -> str:
        """Whose option it is, after its name in a sentence."""
        return "" if self.is_program else f" of {self.name}"

    def by_spelling(self) -> dict[str, Option]:
        """Returns the options by each of their spellings."""
        return {spelling: option for option in self.all for spelling in option.spellings}


class Given(Struct, frozen=True):
    """What was given: ``values`` by the names of the options, without those that were left out, and other words."""

    syntax: Syntax
    values: dict[str, Any]
    words: tuple[str, ...]
    origins: dict[str, str] = {}
    """Where each of the values is from."""

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def __getitem__(self, name: str) -> Any:
        """The value of an option, or its default: a flag is False, one that may be repeated an empty tuple."""
        if name in self.values:
            return self.values[name]
        option = next(one for one in self.syntax.all if one.name == name)
        if option.is_repeated:
            return ()
        return False if option.value is None else option.default

    def origin(self, name: str) -> str:
        """Returns where the value of an option is from."""
        return self.origins.get(name, "default")


def _setting(option: Option) -> Option:
    """Returns an option of wrpmed that a variable and a file may have too."""
    return replace(option, environment=f"WRPME_{option.name.replace('-', '_').upper()}", is_setting=True)


# --- the table ---------------------------------------------------------------------------------------------------

ADDRESS = Option(
    "address",
    "where to listen: IPv4, [IPv6] or a name",
    HOST_PORT,
    short="a",
    default=address.parse(address.DEFAULT),
    meant_by=("--port", "-p", "--host", "--bind", "--listen"),
)
ADVERTISE = Option("advertise", "what other nodes and clients are told", HOST_PORT, default_text="the address")
PEER = Option("peer", "any node of the hive to join, which need not be up yet", NODE, is_repeated=True)
TUNING: dict[str, Option] = {
    option.name: _setting(option)
    for option in (
        Option(
            "replication",
            "copies of each entry",
            kinds.whole("R", "a number of copies", REPLICATION_MAX),
            default=0,
            default_text=f"{REPLICATION_USUAL}, or that of the hive that is joined",
        ),
        Option(
            "grace",
            "the wait before a dead node's copies are made elsewhere",
            kinds.seconds(0.0, GRACE_SECONDS_MAX),
            default=GRACE_SECONDS,
            is_live=True,
        ),
        Option(
            "slow-threshold",
            "slow_log has the requests that take longer",
            kinds.seconds(0.0, SLOW_SECONDS_MAX),
            default=SLOW_SECONDS,
            is_live=True,
        ),
        Option(
            "bytes-max",
            "data that the node holds at most, with its copies",
            kinds.size(BYTES_MAX_MIN),
            default_text="no limit",
            is_live=True,
        ),
        Option(
            "memory-max",
            "memory for caches and for what waits",
            kinds.size(MEMORY_MAX_MIN),
            default_text="3.2 GiB",
        ),
        Option("no-sync", "answer writes once the operating system has them rather than the disk"),
        Option(
            "transient",
            "memory only: nothing survives the end of the process",
            excludes=Others(("root",), "keeps nothing on disk"),
        ),
        Option(
            "log-level",
            "log lines of this level and above",
            kinds.one_of("LEVEL", LEVELS),
            default="info",
            is_live=True,
        ),
        Option(
            "sessions",
            "connections of clients at a time",
            kinds.whole("N", "a number", SESSIONS_OPTION_MAX),
            default=SESSIONS_MAX,
            is_live=True,
        ),
        Option(
            "redis-strict",
            "refuse MULTI and MSET of Redis clients where their keys have several tags",
        ),
    )
}
"""What tunes a node, by name, in the order in which it is written: wrpmed takes it, node_start and topology files."""
HELP = (
    Option("version", "print the version and exit", ends=True),
    Option("help", "print the options and exit", short="h", ends=True),
)
YES = Option("yes", "do not ask")
QUIET = Option("quiet", "print only what is wrong, or left to do: for cron", short="q")
TTL = Option("ttl", "how long the entry lives, from now on", kinds.seconds(0.001, EXPIRY_MILLISECONDS_MAX // 1000))
EXPIRES = Option("expires", "until when the entry lives", Value("TIME", "ISO 8601 or seconds since 1970", str))
KEEP_EXPIRY = Option("keep-expiry", "the entry keeps the life span that it has")
JSON = Option("json", "print one object of JSON")
JSON_LINES = Option("json", "print one object of JSON a line")
AS_EVER = Option("json", "print one object of JSON a line, as without it")

WRPME_DATA = Syntax("wrpme-data", HELP, is_program=True)
WRPMED = Syntax(
    "wrpmed",
    (
        *map(
            _setting,
            (
                ADDRESS,
                ADVERTISE,
                PEER,
                Option(
                    "root",
                    "the data directory",
                    DIRECTORY,
                    short="r",
                    default_text="db/HOST-PORT under the current directory",
                ),
                Option("log-file", "log there: appended, reopened on SIGHUP", FILE, short="l"),
                Option(
                    "log-console",
                    "log to stderr",
                    short="o",
                    default_text="on if there is no log file and stderr is a terminal",
                ),
                Option("audit-log", "log there who asked for what changes the hive: apart from the log", FILE),
                Option(
                    "log-format",
                    "log lines of text, or one JSON object a line",
                    kinds.one_of("FORMAT", LOG_FORMATS),
                    default="text",
                    is_live=True,
                ),
                Option(
                    "tls-mode",
                    "whether connections may, or must, be by TLS",
                    kinds.one_of("MODE", TLS_MODES),
                    default="off",
                ),
                Option("tls-cert", "the node's certificate, read again on SIGHUP", FILE, is_live=True),
                Option("tls-key", "the key of that certificate", FILE, is_live=True),
                Option("tls-ca", "the certificates of the CAs that nodes have theirs from", FILE, is_live=True),
            ),
        ),
        *TUNING.values(),
        Option(
            "config",
            "options that are not given are read from there, also on SIGHUP",
            FILE,
            environment="WRPME_CONFIG",
        ),
        Option("check-config", "print each option, its value and where that is from, and exit"),
        *HELP,
    ),
    is_program=True,
)
_OF_NODES_THAT_RUN = Others(("hive", "replay"), "is for nodes that run already")
TLS_OF_CLIENT = tuple(
    Option(
        f"tls-{name}",
        told,
        FILE,
        environment=f"WRPME_TLS_{name.upper()}",
        is_setting=True,
        excludes=_OF_NODES_THAT_RUN,
        meant_by=meant_by,
    )
    for name, told, meant_by in (
        (
            "ca",
            "TLS with nodes whose certificates are of a CA in this file of PEM; none is for no TLS",
            ("--ca", "--cacert", "--tls"),
        ),
        ("cert", "the certificate that shows who this client is; together with its key", ("--cert",)),
        ("key", "the key of that certificate, without a passphrase", ("--key",)),
    )
)
USER_OF_CLIENT = (
    Option(
        "user",
        "who you are to a hive with users; asks for the password unless there is a file of it",
        kinds.USER,
        environment="WRPME_USER",
        is_setting=True,
        excludes=_OF_NODES_THAT_RUN,
        meant_by=("-u", "--username", "--login"),
    ),
    Option(
        "password-file",
        "the password of that user, the one line of a file that only you can read",
        FILE,
        environment="WRPME_PASSWORD_FILE",
        is_setting=True,
        excludes=_OF_NODES_THAT_RUN,
        meant_by=("--password", "--pass", "-P"),
    ),
)
WRPMESH = Syntax(
    "wrpmesh",
    (
        Option(
            "daemon",
            "a node of the hive; the first that answers serves",
            HOST_PORT,
            default_text=address.DEFAULT,
            is_repeated=True,
            environment="WRPME_DAEMON",
            is_setting=True,
            meant_by=("--host", "--port", "-p", "--address", "-a", "--server", "--node", "--peer"),
        ),
        Option(
            "hive-name",
            "the hive that ~/.config/wrpme/wrpmesh.toml has under this name",
            Value("NAME", "the name of a hive", kinds.path),
            environment="WRPME_HIVE_NAME",
            excludes=Others(("daemon", "hive", "replay"), "names a hive"),
        ),
        Option(
            "timeout",
            "how long a command may take, its retries included",
            kinds.seconds(0.001, TIMEOUT_SECONDS_MAX),
            default=TIMEOUT_SECONDS,
            environment="WRPME_TIMEOUT",
            is_setting=True,
        ),
        *TLS_OF_CLIENT,
        *USER_OF_CLIENT,
        Option(
            "request-id",
            "the logs of all nodes that a request touches name it by this id",
            Value("ID", "1 to 64 characters of ASCII that can be seen", request_id_of),
            excludes=Others(("tui", "web", "replay"), "is of the requests of one shell"),
        ),
        Option(
            "hive",
            "start a hive of N nodes in ./hive first, and stop it at the end",
            kinds.whole("N", "a number of nodes", LOCAL_NODES_MAX),
            excludes=Others(("daemon",), "starts a hive of its own"),
        ),
        Option("tui", "open the dashboard: the shell beside a live picture of the hive"),
        Option(
            "web",
            "serve the dashboard to browsers; each tab has its own",
            HOST_PORT,
            bare=address.parse("127.0.0.1:8909"),
            excludes=Others(("tui", "record"), "opens a dashboard for each tab of a browser"),
        ),
        Option(
            "record",
            "keep all that the dashboard sees in FILE, which must not be there yet",
            FILE,
            needs=Others(("tui",), "is for the dashboard"),
        ),
        Option(
            "replay",
            "show what was recorded there, or printed by wrpmesh watch",
            FILE,
            needs=Others(("tui", "web"), "is for the dashboard"),
            excludes=Others(("daemon", "hive", "record"), "shows what is past"),
        ),
        *HELP,
    ),
    is_program=True,
    has_command=True,
)
REPLACE = Option("replace", "entries that are there become as in the file")
KEEP = Option("keep", "entries that are there stay as they are")
PASSWORD_FILE = Option(
    "password-file", "the one line of a file that only you can read; without it you are asked, twice", FILE
)
COMMANDS: dict[str, Syntax] = {
    syntax.name: syntax
    for syntax in (
        Syntax("put", (TTL, EXPIRES), has_command=True),
        Syntax("update", (TTL, EXPIRES, KEEP_EXPIRY), has_command=True),
        Syntax("get_update", (TTL, EXPIRES, KEEP_EXPIRY), has_command=True),
        Syntax("cas", (TTL, EXPIRES, KEEP_EXPIRY), has_command=True),
        Syntax("cas_version", (TTL, EXPIRES, KEEP_EXPIRY), has_command=True),
        Syntax("add", (TTL, EXPIRES, KEEP_EXPIRY), has_command=True),
        Syntax("append", (TTL, EXPIRES, KEEP_EXPIRY), has_command=True),
        Syntax("get_many", (JSON_LINES,)),
        Syntax("batch", (Option("each", "each operation is carried out by itself, on any entries"),)),
        Syntax(
            "scan",
            (
                Option("contents", "print the contents too"),
                Option("versions", "print the versions too"),
                Option("after", "begin after this alias", ALIAS),
                Option("limit", "so many entries at most", Value("N", "a whole number from 1 up", kinds.count)),
                JSON_LINES,
            ),
        ),
        Syntax("follow", (AS_EVER,)),
        Syntax("watch", (AS_EVER,)),
        Syntax("hive_status", (JSON,)),
        Syntax("slow_log", (JSON_LINES,)),
        Syntax("hive_import", (REPLACE, KEEP, JSON)),
        Syntax("hive_export", (Option("csv", "lines of CSV"),)),
        Syntax("hive_backup", (Option("check", "look whether the file is a whole backup"), JSON)),
        Syntax("hive_restore", (REPLACE, KEEP, JSON)),
        Syntax("remove_all", (YES,)),
        Syntax("forget", (YES,)),
        Syntax("set_replication", (YES,)),
        Syntax(
            "user_add",
            (
                Option(
                    "role",
                    "what he may do; each role also what those before it may",
                    kinds.one_of("ROLE", ROLES),
                    is_required=True,
                ),
                Option("prefix", "he may ask only for entries that begin so", kinds.PREFIX, is_repeated=True),
                PASSWORD_FILE,
            ),
        ),
        Syntax("user_password", (Option("keep", "the passwords that he has stay valid too"), PASSWORD_FILE)),
        Syntax("user_remove", (Option("all", "remove all users at once, in place of NAME"), YES)),
        Syntax("user_list", (JSON_LINES,)),
        Syntax("whoami", (JSON,)),
        Syntax("recover", (Option("force", "the missing nodes are dead for good", is_required=True), YES)),
        Syntax(
            "node_start",
            (replace(ADDRESS, is_required=True, default=None), PEER),
            (ADVERTISE, *TUNING.values()),
        ),
        Syntax("hive_check", (QUIET,)),
        Syntax("hive_plan", (Option("example", "print a topology file to begin with", replaces_words=True), QUIET)),
        Syntax("hive_apply", (QUIET,)),
        Syntax("hive_upgrade", (QUIET,)),
        Syntax(
            "hive_rotate",
            (Option("ca", "the CA, too: in two steps, each with this command"), YES, QUIET),
        ),
        Syntax("hive_stop", (QUIET,)),
        Syntax("hive_start", (QUIET,)),
        Syntax(
            "hive_logs",
            (
                Option("node", "the log of this node alone", NODE, is_repeated=True),
                Option("since", "lines from then on; without it the last ones of each log", TIME),
                Option("f", "go on until Ctrl-C"),
            ),
        ),
        Syntax("hive_destroy", (YES, QUIET)),
    )
}
"""The commands of wrpmesh that take options; a command that is not here takes none."""


def of_command(name: str) -> Syntax:
    """Returns the options of a command of wrpmesh."""
    return COMMANDS.get(name) or Syntax(name, ())


# --- parsing -----------------------------------------------------------------------------------------------------


def parse(syntax: Syntax, arguments: Sequence[str]) -> Given:
    """Tells options from other words and reads their values. ``--option VALUE`` and ``--option=VALUE`` are the same, as
    are ``-o VALUE``, ``-o=VALUE`` and ``-oVALUE``; all that follows ``--`` is words, and so is what was quoted.
    Whether what is required is there is left to the caller, who can say more about it.

    Raises:
        UsageError: there is no such option, its value is missing or wrong, or it doesn't go together with another one.
    """
    known = syntax.by_spelling()
    values: dict[str, Any] = {}
    words: list[str] = []
    rest = list(reversed(arguments))
    while rest:
        word = rest.pop()
        ends = ends_options(word)
        if ends or not _is_option(word):
            words += [] if ends else [word]
            if ends or syntax.has_command:
                words += reversed(rest)
                break
            continue
        option, attached = _recognised(syntax, known, word)
        value = _taken(syntax, option, attached, rest)
        if option.is_repeated:
            value = (*values.get(option.name, ()), value)
        elif option.name in values and not syntax.is_program:
            raise UsageError(f"{option.written} is given twice to {syntax.name}; give it once")
        values[option.name] = value
        if option.ends:
            return Given(syntax, values, tuple(words))
    _check_together(syntax, values)
    return Given(syntax, values, tuple(words), dict.fromkeys(values, "command line"))


def with_environment(given: Given, environment: Mapping[str, str]) -> Given:
    """Returns what was given, with the values of variables for options that were not; one that may be repeated takes
    several, with blanks or commas between them, and a flag takes true or false.

    Raises:
        UsageError: a value is wrong; the sentence names the variable.
    """
    found: dict[str, Any] = {}
    for option in given.syntax.all:
        variable = option.environment
        words = environment.get(variable, "").replace(",", " ").split()
        if not words or option.name in given or _is_excluded(given, option):
            continue
        if option.is_repeated:
            found[option.name] = tuple(read(option, word, variable) for word in words)
        elif option.value is None:
            found[option.name] = _flag(environment[variable], variable)
        else:
            found[option.name] = read(option, environment[variable], variable)
    return layered(given, found, {option.name: option.environment for option in given.syntax.all})


def layered(given: Given, found: Mapping[str, Any], origins: Mapping[str, str]) -> Given:
    """Returns what was given, with the values that the next source has for options that were not. None of them serves
    where it does not go together with what was given; ``origins`` says where each stands.

    Raises:
        UsageError: what the source has does not go together.
    """
    syntax = given.syntax
    left = [one for one in syntax.all if one.name in found and one.name not in given]
    fresh = {one.name: found[one.name] for one in left if not _is_excluded(given, one)}
    for option in left:
        if option.excludes and option.name in fresh and fresh[option.name] is not False:
            for other in option.excludes.names:
                if fresh.get(other):
                    raise UsageError(
                        f"{option.name} ({origins[option.name]}) {option.excludes.because}: it can't stand together "
                        f"with {other} ({origins[other]}); leave one of them out"
                    )
    return replace(
        given,
        values=given.values | fresh,
        origins=given.origins | {name: origins[name] for name in fresh},
    )


def _is_excluded(given: Given, option: Option) -> bool:
    """Returns whether an option does not go together with what was given."""
    present = [one for one in given.syntax.all if given.values.get(one.name)]
    excluded = {name for one in present if one.excludes for name in one.excludes.names}
    return option.name in excluded or bool(
        option.excludes and any(one.name in option.excludes.names for one in present)
    )


def _flag(given: str, variable: str) -> bool:
    if (word := given.strip().lower()) in _FLAGS:
        return _FLAGS[word]
    raise UsageError(f"{variable} is {_quoted(given)}, but should be true or false")


def from_toml(option: Option, given: object) -> Any:
    """Returns the value that one of a file of TOML means for an option.

    Raises:
        UsageError: it means none; the sentence continues one that begins with the name of the option.
    """
    value = option.value
    if value is None:
        if not isinstance(given, bool):
            raise UsageError(f"is {shown(given)}, but should be true or false")
        return given
    if option.is_repeated:
        each = given if isinstance(given, list) else [given]
        return tuple(from_toml(replace(option, is_repeated=False), one) for one in each)
    try:
        if isinstance(given, value.types) and not isinstance(given, bool) and given != "":
            return value.read(number_text(given))
    except UsageError as error:
        raise UsageError(f"is wrong: {error.sentence}") from None
    except ValueError:
        pass
    raise UsageError(f"is {shown(given)}, but should be {value.must}")


def read(option: Option, given: str, source: str = "") -> Any:
    """Returns the value that a text means for an option. ``source`` is where it stands, if not on the command line.

    Raises:
        UsageError: it means none; the sentence names the option or the source, and what the value should be.
    """
    assert option.value is not None, "a flag has no value to read"
    name = source or option.written
    try:
        return option.value.read(given)
    except UsageError as error:
        raise UsageError(f"{name}: {error.sentence}") from None
    except ValueError:
        raise UsageError(f"{name} is {_quoted(given)}, but should be {option.value.must}") from None


def nearest(word: str, words: Sequence[str], likeness: float = 0.5) -> str | None:
    """Returns the one of the words that looks most like ``word``, or None if none does."""
    from difflib import get_close_matches  # here: few lines are wrong, and a shell starts sooner without

    found = get_close_matches(word[:64].lower(), words, n=1, cutoff=likeness)
    return found[0] if found else None


def ends_options(word: str) -> bool:
    """Returns whether a word says that no option follows it."""
    return word == "--" and not isinstance(word, Quoted)


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-" and not isinstance(word, Quoted)


def _recognised(syntax: Syntax, known: dict[str, Option], word: str) -> tuple[Option, str | None]:
    """The option that a word is, and the value attached to it, if there is one."""
    spelling, equals, attached = word.partition("=")
    if option := known.get(spelling):
        return option, attached if equals else None
    short = known.get(word[:2])
    if short is not None and short.value is not None:
        return short, word[2:]
    meant = next((one for one in syntax.all if spelling in one.meant_by), None)
    near = nearest(spelling, list(known), LIKENESS)
    if meant is not None and meant.value is not None:
        hint = f"did you mean {meant.written} {meant.value.shown}?"
    elif near:
        hint = f"did you mean {near}?"
    elif len(syntax.all) > NAMED_MAX:
        hint = f"{syntax.help} lists them"
    else:
        hint = f"it has {', '.join(one.written for one in syntax.all)}" if known else "it takes none"
    raise UsageError(f"there is no option {_quoted(spelling)}{syntax.of}; {hint}")


def _taken(syntax: Syntax, option: Option, attached: str | None, rest: list[str]) -> Any:
    """The value of an option, which is attached to it or the next word."""
    if option.value is None:
        if attached is not None:
            raise UsageError(f"{option.written}{syntax.of} takes no value; see {syntax.help}")
        return True
    given = attached
    # A word that begins with a dash is another option, except a number below 0, of which the value's reader says more.
    if given is None and rest and not (_is_option(rest[-1]) and not rest[-1][1].isdigit()):
        given = rest.pop()
    if given is None and option.bare is not None:
        return option.bare
    if not given:
        raise UsageError(f"{option.written}{syntax.of} needs a value: {option.value.must}; see {syntax.help}")
    return read(option, given)


def _check_together(syntax: Syntax, values: dict[str, Any]) -> None:
    for option in syntax.all:
        if option.name not in values:
            continue
        if option.needs and not values.keys() & set(option.needs.names):
            needed = " or ".join(f"--{name}" for name in option.needs.names)
            raise UsageError(f"{option.written} {option.needs.because}: it needs {needed}")
        if option.excludes:
            for name in option.excludes.names:
                if name in values:
                    raise UsageError(
                        f"{option.written} {option.excludes.because}: it can't be given together with --{name}; "
                        "leave one of them out"
                    )


def _quoted(given: str) -> str:
    """A word of the operator in a sentence."""
    plain = "".join(character if character.isprintable() else "?" for character in given[:80])
    return f'"{plain}"'


# --- help and completion -----------------------------------------------------------------------------------------


def synopsis(syntax: Syntax) -> str:
    """Returns the options as they stand in the line that says how a command is written."""
    parts = []
    for option in syntax.options:
        shown = f"{option.brief} {option.value_shown}".rstrip()
        if option.replaces_words:
            shown = f"or {shown}"
        elif not option.is_required:
            shown = f"[{shown}]"
        parts.append(f"{shown}..." if option.is_repeated else shown)
    return " ".join([*parts, *["[wrpmed options]"] * bool(syntax.hidden)])


def help_lines(syntax: Syntax) -> list[str]:
    """Returns a line for each option: its spellings, what it does, what is allowed, and its default."""
    indent = "    " if any(len(option.brief) == 2 for option in syntax.all) else ""
    rows = []
    for option in syntax.all:
        head = ", ".join(option.spellings) if len(option.brief) == 2 else f"{indent}{option.written}"
        head = f"{head} {option.value_shown}".rstrip()
        notes = [
            "may be repeated" if option.is_repeated else "",
            option.value.range if option.value else "",
            f"default {option.default_shown}" if option.default_shown else "",
            f"without a value {text(option.bare)}" if option.bare is not None else "",
        ]
        told = "; ".join(note for note in notes if note)
        rows.append((head, f"{option.help} ({told})" if told else option.help))
    width = max((len(head) for head, _ in rows), default=0)
    return [f"{head:<{width}}  {meaning}" for head, meaning in rows]


def completions(syntax: Syntax, before: Sequence[str], nodes: Sequence[str]) -> Sequence[str]:
    """Returns what may follow the words ``before``: values of the last option, or options that can still be given.
    ``nodes`` are the addresses that are known."""
    known = syntax.by_spelling()
    last = known.get(before[-1]) if before else None
    if last is not None and last.value is not None:
        return nodes if last.value.is_node else last.value.choices
    used = {known[word].name for word in (one.partition("=")[0] for one in before) if word in known}
    return [option.brief for option in syntax.all if option.is_repeated or option.name not in used]
