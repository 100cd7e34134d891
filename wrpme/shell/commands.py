"""The commands of wrpmesh. Pure, and shared by everything that takes commands.

``COMMANDS`` is the one table of commands, and :mod:`wrpme.options` that of their options: parsing, help, completion and
the reference follow from the two.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from wrpme import options
from wrpme.errors import NoSuchCommandError
from wrpme.limits import REPLICATION_MAX
from wrpme.options import Syntax, nearest
from wrpme.protocol import validation
from wrpme.shell.imports.redis_url import RedisUrl

INPUT = "-"
"""As the CONTENT of a command of the operating system's shell: standard input to its end."""
SYNTAX_WIDTH_MAX = 40
"""What is longer has a line of its own in the help for all commands."""


class Kind(Enum):
    """What a parameter may be. A content is taken as it is: a ``REST`` goes on to the end of the line."""

    ALIAS = '1 to 4,096 bytes; blanks and the like in quotes, with escapes: "two words", "k\\xff"'
    WORD = "any bytes; on a line one word, or in quotes"
    REST = "any bytes up to 64 MiB: the rest of the line, spaces included, or all of it in quotes"
    TIME = "ISO 8601 (2030-01-31T12:00:00Z, without a zone in local time), or seconds since 1970; 0 = for ever"
    SECONDS = "a number of seconds from 0 up, such as 90 or 0.5"
    PREFIX = 'the first bytes of an alias, written as an alias is; "" for all'
    NUMBER = "a whole number from 0 up"
    INTEGER = "a whole number of 64 bits, such as 1 or -5"
    VERSION = "a whole number, as get_version prints it; 0 = there is no such entry"
    COPIES = f"a number of copies from 1 to {REPLICATION_MAX}"
    ADDRESS = "HOST:PORT of a node, as hive_status shows it"
    COMMAND = "one of the commands"
    SOURCE = (
        "a file as hive_export writes it, - for standard input, or redis://[USER:PASSWORD@]HOST[:PORT][/DB]; what is "
        "no letter or digit in a password is written %NN"
    )
    FILE = "the name of a file, or - for standard output or input"
    USER = "the name of a user: 1 to 64 letters of ASCII, digits and . _ @ -"
    WORDS = "words as a shell takes them: quotes keep spaces"


class Parameter(Struct, frozen=True):
    """A word that a command takes: its ``name`` in the help, and the ``field`` of :class:`Command` for its value."""

    name: str
    kind: Kind
    field: str
    optional: bool = False
    repeated: bool = False
    """Whether it is all words from there on, at least one; the field has a tuple then."""

    @property
    def shown(self) -> str:
        """How it is written in the help."""
        name = f"{self.name}..." if self.repeated else self.name
        return f"[{name}]" if self.optional else name


class Spec(Struct, frozen=True):
    """A command: its name, the words that it takes beside its options, and its help."""

    name: str
    parameters: tuple[Parameter, ...]
    summary: str
    detail: str = ""
    fails_with: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    changes: bool = False
    """Whether it may have changed something when it is cut off."""
    content_from_input: bool = False
    """Whether ``INPUT`` in the place of its content, the last of its words, means standard input."""
    in_batch: bool = False
    """Whether it is an operation on an entry, and so may be a part of a batch."""
    is_condition: bool = False
    """Whether it means something only in a batch."""
    remote: bool = False
    """Whether it is about other machines: :mod:`wrpme.bootstrap` carries it out."""
    confirm: str = ""
    """The question to which the answer is yes, unless ``--yes`` was given; what it costs may come before it."""

    @property
    def asks_hive(self) -> bool:
        """Whether it asks the hive that the shell talks to, and not only machines, or nobody."""
        return self.name == "node_start" or not (self.remote or self.name in ("help", "version", "exit"))

    @property
    def options(self) -> Syntax:
        """The options that it takes."""
        return options.of_command(self.name)

    @property
    def syntax(self) -> str:
        """The line that says how it is written."""
        shown = [one.shown for one in self.parameters]
        taken = options.synopsis(self.options)
        words = [self.name, *shown, taken] if self.remote else [self.name, taken, *shown]
        return " ".join(filter(None, words))


class Command(Struct, frozen=True):
    """A command with its arguments, checked. Only the fields that its spec names mean anything."""

    name: str
    alias: bytes = b""
    aliases: tuple[bytes, ...] = ()
    content: bytes | None = None
    comparand: bytes = b""
    number: int = 0
    last: int = -1
    version: int = 0
    time: datetime | float = 0
    seconds: float | None = None
    prefix: bytes = b""
    count_max: int | None = None
    address: str = ""
    source: RedisUrl | str = ""
    file: str = ""
    topic: str = ""
    yes: bool = False
    force: bool = False
    check: bool = False
    csv: bool = False
    replace: bool = False
    keep: bool = False
    json: bool = False
    each: bool = False
    contents: bool = False
    versions: bool = False
    after: bytes = b""
    limit: int | None = None
    ttl: float | None = None
    expires: datetime | float = 0
    keep_expiry: bool = False
    user: str = ""
    role: str = ""
    all: bool = False
    prefixes: tuple[bytes, ...] = ()
    password_file: str = ""
    words: tuple[str, ...] = ()
    """The words and options of a command about other machines, which are checked where it is carried out."""

    @property
    def spec(self) -> Spec:
        """Its entry of the table."""
        return BY_WORD[self.name]

    @property
    def lacks_content(self) -> bool:
        """Whether its content is still to be read from standard input."""
        return self.spec.content_from_input and self.content is None

    def with_content(self, content: bytes) -> Command:
        """Returns the same command with the content that it lacked.

        Raises:
            TooLargeError: the content is over the limit.
        """
        validation.check_content(content)
        return replace(self, content=content)


_ALIAS = Parameter("ALIAS", Kind.ALIAS, "alias")
_ALIASES = Parameter("ALIAS", Kind.ALIAS, "aliases", repeated=True)
_CONTENT = Parameter("CONTENT", Kind.REST, "content")
_COMPARAND = Parameter("COMPARAND", Kind.REST, "comparand")
_NODE = Parameter("HOST:PORT", Kind.ADDRESS, "address")
_PIPE = "As a command of the operating system's shell, with - as CONTENT, the content is standard input to its end."
_LIFE = "A new content has a new life span: for ever, unless an option says otherwise."
_KEPT = "The entry keeps its life span, unless an option gives it a new one."
_USER = Parameter("NAME", Kind.USER, "user")
_VERSION = Parameter("VERSION", Kind.VERSION, "version")


def _remote(name: str, words: str, summary: str, detail: str = "", changes: bool = False) -> Spec:
    """A command about other machines. One that changes nothing takes no lock there."""
    fails = ("remote", "host_key", "locked") if changes else ("remote", "host_key")
    return Spec(name, (Parameter(words, Kind.WORDS, "words"),), summary, detail, fails, changes=changes, remote=True)


def _condition(name: str, parameters: tuple[Parameter, ...], summary: str, fails_with: tuple[str, ...]) -> Spec:
    return Spec(name, parameters, summary, "", fails_with, in_batch=True, is_condition=True)


COMMANDS: tuple[Spec, ...] = (
    Spec("get", (_ALIAS,), "prints the content", "Into a pipe or a file: bit for bit.", ("not_found",), in_batch=True),
    Spec(
        "put",
        (_ALIAS, _CONTENT),
        "adds an entry",
        _PIPE,
        ("already_exists",),
        changes=True,
        content_from_input=True,
        in_batch=True,
    ),
    Spec(
        "update",
        (_ALIAS, _CONTENT),
        "adds or replaces an entry",
        f"{_PIPE} {_LIFE}",
        changes=True,
        content_from_input=True,
        in_batch=True,
    ),
    Spec(
        "get_update",
        (_ALIAS, _CONTENT),
        "replaces the content, prints the former one",
        _LIFE,
        ("not_found",),
        changes=True,
        in_batch=True,
    ),
    Spec(
        "get_remove",
        (_ALIAS,),
        "removes the entry, prints its content",
        "",
        ("not_found",),
        changes=True,
        in_batch=True,
    ),
    Spec(
        "cas",
        (_ALIAS, Parameter("CONTENT", Kind.WORD, "content"), _COMPARAND),
        "replaces the content if it is COMPARAND, prints the former one",
        _LIFE,
        ("not_found", "mismatch"),
        changes=True,
        in_batch=True,
    ),
    Spec(
        "cas_version",
        (_ALIAS, Parameter("CONTENT", Kind.WORD, "content"), _VERSION),
        "replaces the content if the entry has VERSION, prints the new version",
        f"With VERSION 0 there must be no such entry, and one is added. {_LIFE}",
        ("not_found", "mismatch"),
        changes=True,
        in_batch=True,
    ),
    Spec(
        "add",
        (_ALIAS, Parameter("NUMBER", Kind.INTEGER, "number")),
        "adds to the number that the content is, prints the sum",
        f"An entry that there is not counts from 0. {_KEPT}",
        ("number",),
        changes=True,
        in_batch=True,
    ),
    Spec(
        "append",
        (_ALIAS, _CONTENT),
        "puts CONTENT behind the content, prints how many bytes it has",
        f"An entry that there is not is added. {_PIPE} {_KEPT}",
        ("too_large",),
        changes=True,
        content_from_input=True,
        in_batch=True,
    ),
    Spec(
        "get_range",
        (_ALIAS, Parameter("FROM", Kind.INTEGER, "number"), Parameter("TO", Kind.INTEGER, "last")),
        "prints the bytes FROM to TO of the content, both included",
        "The first byte is 0; numbers below 0 count from the end, and -1 is the last byte.",
        ("not_found",),
        in_batch=True,
    ),
    Spec(
        "set_range",
        (_ALIAS, Parameter("FROM", Kind.NUMBER, "number"), _CONTENT),
        "writes CONTENT over the content from byte FROM on, prints how many bytes it has",
        f"What is too short grows, with zero bytes up to FROM. {_PIPE} The life span stays.",
        ("too_large",),
        changes=True,
        content_from_input=True,
        in_batch=True,
    ),
    Spec(
        "get_expire",
        (_ALIAS, Parameter("SECONDS", Kind.SECONDS, "seconds")),
        "prints the content, and lets the entry live for SECONDS from now",
        "0 lets it live for ever.",
        ("not_found",),
        changes=True,
        in_batch=True,
    ),
    Spec(
        "exists", (_ALIAS,), "prints yes or no", "As a single command it ends with 0 for yes, 1 for no.", in_batch=True
    ),
    Spec(
        "get_version",
        (_ALIAS,),
        "prints the version of the entry, which grows with each write",
        "",
        ("not_found",),
        in_batch=True,
    ),
    Spec(
        "touch",
        (_ALIAS,),
        "gives the entry a new version",
        "All else of it stays.",
        ("not_found",),
        changes=True,
        in_batch=True,
    ),
    Spec("remove", (_ALIAS,), "removes the entry", "", ("not_found",), ("del", "delete"), changes=True, in_batch=True),
    Spec(
        "remove_if",
        (_ALIAS, _COMPARAND),
        "removes the entry if its content is COMPARAND",
        "",
        ("not_found", "mismatch"),
        changes=True,
        in_batch=True,
    ),
    Spec(
        "remove_version",
        (_ALIAS, _VERSION),
        "removes the entry if it has VERSION",
        "",
        ("not_found", "mismatch"),
        changes=True,
        in_batch=True,
    ),
    Spec(
        "expires_at",
        (_ALIAS, Parameter("TIME", Kind.TIME, "time")),
        "lets the entry live until TIME",
        "0 lets it live for ever.",
        ("not_found",),
        changes=True,
        in_batch=True,
    ),
    Spec(
        "expires_from_now",
        (_ALIAS, Parameter("SECONDS", Kind.SECONDS, "seconds")),
        "lets the entry live for SECONDS from now",
        "0 lets it live for ever.",
        ("not_found",),
        changes=True,
        in_batch=True,
    ),
    Spec(
        "get_expiry",
        (_ALIAS,),
        "prints until when the entry lives",
        "In UTC, or 0 for an entry that lives for ever: expires_at takes both.",
        ("not_found",),
        in_batch=True,
    ),
    Spec(
        "get_many",
        (_ALIASES,),
        "prints a line for each entry: its alias and its content",
        "Where there is no such entry the line has the alias alone, and as a single command it ends with 1.",
    ),
    Spec(
        "remove_many",
        (_ALIASES,),
        "removes entries, each by itself",
        "Those that were not removed are errors.",
        ("not_found",),
        changes=True,
    ),
    Spec(
        "batch",
        (),
        "carries out the commands on the next lines, up to . alone: all of them or none",
        "They are operations on one entry each, and conditions; the entries have one tag, or are one entry. With "
        "--each they may be any, and each is carried out by itself. For each operation a line is printed: what it "
        "gives, a content in quotes; ok, if that is nothing; the code of its error. A wrong line stops a batch before "
        "anything is sent; at a prompt it can be typed again, and Ctrl-C gives the batch up.",
        changes=True,
    ),
    _condition(
        "if_version", (_ALIAS, _VERSION), "in a batch: goes on if the entry has VERSION", ("not_found", "mismatch")
    ),
    _condition("if_absent", (_ALIAS,), "in a batch: goes on if there is no such entry", ("mismatch",)),
    _condition(
        "if_content", (_ALIAS, _COMPARAND), "in a batch: goes on if the content is COMPARAND", ("not_found", "mismatch")
    ),
    Spec(
        "prefix_get",
        (Parameter("PREFIX", Kind.PREFIX, "prefix"), Parameter("MAX", Kind.NUMBER, "count_max", optional=True)),
        "prints the aliases that begin with PREFIX, sorted, one a line, at most MAX",
    ),
    Spec(
        "scan",
        (Parameter("PREFIX", Kind.PREFIX, "prefix", optional=True),),
        "prints the entries that begin with PREFIX in order, one a line",
        "A line has the alias, then the version, then the content, as far as they are asked for.",
    ),
    Spec(
        "follow",
        (Parameter("PREFIX", Kind.PREFIX, "prefix", optional=True),),
        "prints the entries that begin with PREFIX, then each change as it happens",
        "Lines of JSON: what happened, the alias, the version. Goes on until Ctrl-C, also through changes of the hive.",
    ),
    Spec("count", (), "prints how many entries the hive has"),
    Spec(
        "remove_all",
        (),
        "removes every entry of the hive",
        "Asks for the word yes first, unless --yes is given.",
        changes=True,
        confirm="this removes every entry of the hive, for good; type yes to do it: ",
    ),
    Spec("locate", (_ALIAS,), "prints where the entry lives: its hash, arc, owner and holders"),
    Spec(
        "hive_status",
        (),
        "prints a table of all nodes, and how the hive is",
        "As a single command it ends with 0 for stable, 3 for stabilizing or degraded, 4 for unavailable.",
    ),
    Spec(
        "wait_stable",
        (Parameter("SECONDS", Kind.SECONDS, "seconds", optional=True),),
        "returns when the hive is stable",
        "Waits for --timeout where no SECONDS are given.",
        ("timeout",),
    ),
    Spec("node_status", (_NODE,), "prints the figures of a node as JSON"),
    Spec("node_config", (_NODE,), "prints the configuration of a node as JSON, and where each value is from"),
    Spec(
        "slow_log",
        (replace(_NODE, optional=True),),
        "prints the requests that took longer than --slow-threshold, of a node or of all",
        "The latest last, each with where its time went: queued for the disk, the disk, or whom it waited for. A node "
        "keeps the last 256 since its start.",
    ),
    Spec("node_topology", (_NODE,), "prints the view of a node as JSON: members, arcs and voters"),
    Spec("stop_node", (_NODE,), "stops a node in a planned way", "Start it again on its directory.", changes=True),
    Spec(
        "leave",
        (_NODE,),
        "moves the data of a node away, then stops it for good",
        "Returns when it has left. It goes on by itself if the shell ends before.",
        ("timeout",),
        changes=True,
    ),
    Spec(
        "forget",
        (_NODE,),
        "gives a dead node up that never returns",
        "Says what may be lost, and asks for the word yes first, unless --yes is given.",
        changes=True,
        confirm="type yes if it never returns: ",
    ),
    Spec(
        "set_replication",
        (Parameter("R", Kind.COPIES, "number"),),
        "changes how many copies of each entry the hive keeps",
        "Returns when they are made, and says how far that is. It goes on by itself if the shell ends before. To keep "
        "fewer, it asks for the word yes first, unless --yes is given.",
        ("timeout",),
        changes=True,
        confirm="type yes to keep fewer: ",
    ),
    Spec(
        "user_add",
        (_USER,),
        "adds a user of the hive, who may read, write, or is an admin",
        "Asks for his password twice, and does not show it. With --prefix he may ask only for entries that begin so. "
        "The first user is an admin, and takes --tls-mode require on all nodes: from then on every connection says who "
        "it is.",
        ("already_exists", "denied"),
        changes=True,
    ),
    Spec(
        "user_password",
        (_USER,),
        "gives a user another password",
        "Asks for it twice, and does not show it. His connections end; with --keep the passwords that he has stay "
        "valid, at most 4 in all, until he is given one without it.",
        ("not_found", "denied"),
        changes=True,
    ),
    Spec(
        "user_remove",
        (replace(_USER, optional=True),),
        "removes a user, and ends his connections; or all users",
        "Before the last one, or all with --all, it asks for the word yes, unless --yes is given: from then on nobody "
        "is asked who he is.",
        ("not_found", "denied"),
        changes=True,
        confirm="type yes to open it to everybody: ",
    ),
    Spec(
        "user_list",
        (),
        "prints the users of the hive: role, passwords, the view that made them so, entries",
        "",
        ("denied",),
    ),
    Spec("whoami", (), "prints who you are to the hive, and what you may do"),
    Spec(
        "recover",
        (),
        "lets the daemon go on without the voters that it does not see",
        "Your word that these are dead for good: one that was only out of sight joins anew, with its data set aside. "
        "Says who is missing and what is given up, and asks for the word yes first, unless --yes is given.",
        changes=True,
        confirm="type yes if they are dead for good: ",
    ),
    Spec(
        "hive_import",
        (
            Parameter("SOURCE", Kind.SOURCE, "source"),
            Parameter("PREFIX", Kind.PREFIX, "prefix", optional=True),
        ),
        "writes entries of a file of hive_export, or the strings of a Redis, into the hive",
        "Those that begin with PREFIX, with their life spans. SOURCE is a file of JSON or CSV, for which a hive with "
        "entries needs --keep or --replace; or redis://HOST:PORT, whose strings replace entries of the same alias. "
        "Keys of other types are left out and told, and as a single command it ends with 1 then. Given again, it "
        "begins anew.",
        ("backup",),
        changes=True,
    ),
    Spec(
        "hive_backup",
        (Parameter("FILE", Kind.FILE, "file"),),
        "saves all entries of the hive to a file, while it is used",
        "Each part of the ring as of one moment; - is standard output. A file of that name is replaced only by a whole "
        "backup. With --check it looks at a file.",
        ("backup", "unavailable"),
    ),
    Spec(
        "hive_restore",
        (Parameter("FILE", Kind.FILE, "file"),),
        "writes the entries of a backup into the hive, and compares them",
        "Of any size, at any addresses. A hive that has entries needs --keep or --replace. It may be given again, and "
        "ends with 1 if an entry is not as in the file.",
        ("backup", "unavailable"),
        changes=True,
    ),
    Spec(
        "hive_export",
        (Parameter("FILE", Kind.FILE, "file"),),
        "writes all entries of the hive as lines of JSON, for other programs",
        "Or of CSV. Each part of the ring as of one moment; - is standard output. hive_import reads it.",
        ("backup", "unavailable"),
    ),
    Spec("verify", (), "compares all copies of all entries, and says which differ", "", ("differs", "unavailable")),
    Spec(
        "watch",
        (),
        "prints what happens in the hive as it happens, as lines of JSON",
        "Views, events, and the figures of each node twice a second, until Ctrl-C.",
    ),
    _remote(
        "node_start",
        "[USER@]HOST[:SSHPORT]",
        "starts a node on another machine over SSH, for this hive",
        "With --peer for the hive of that node. Data and log are kept in the directory of wrpme there.",
        changes=True,
    ),
    _remote("hive_check", "FILE", "looks at every host of a topology file; changes nothing"),
    _remote("hive_plan", "FILE", "prints what hive_apply would do, or a topology file to begin with"),
    _remote(
        "hive_apply",
        "FILE",
        "makes the hosts of a topology file a hive, or changes it to what the file says",
        "What is as it should be stays untouched. Cut off anywhere, it goes on when it is given again.",
        changes=True,
    ),
    _remote(
        "hive_logs",
        "FILE",
        "prints the logs of all nodes of a topology file, merged",
        "TIME is ISO 8601, seconds since 1970, or a span such as 10m.",
    ),
    _remote(
        "hive_upgrade",
        "FILE",
        "brings the release of this wrpmesh to all nodes, one after the other",
        "Each only while the hive is stable. It halts where that is not so, and says why.",
        changes=True,
    ),
    _remote(
        "hive_rotate",
        "FILE",
        "gives all nodes of a topology file new keys and certificates at once",
        "With --ca from a new CA: first all nodes trust it, too; then, given again, certificates come from it.",
        changes=True,
    ),
    _remote("hive_stop", "FILE", "stops all nodes of a topology file in a planned way", changes=True),
    _remote("hive_start", "FILE", "starts them again, with their data", changes=True),
    _remote(
        "hive_destroy",
        "FILE",
        "removes all nodes of a topology file, their data, and all that was made for them",
        "Says what will be gone, and asks for the word yes first, unless --yes is given.",
        changes=True,
    ),
    Spec("help", (Parameter("COMMAND", Kind.COMMAND, "topic", optional=True),), "explains all commands, or one"),
    Spec("version", (), "prints the version of this shell"),
    Spec("exit", (), "leaves the shell"),
)
BY_WORD: dict[str, Spec] = {word: spec for spec in COMMANDS for word in (spec.name, *spec.synonyms)}
"""Commands by each of their names."""
WORDS: tuple[str, ...] = tuple(sorted(BY_WORD))
"""All words that begin a command, for completion."""

MEANT: dict[str, str] = {
    "set": "put or update",
    "mget": "get_many",
    "setnx": "put",
    "insert": "put",
    "incr": "add",
    "incrby": "add",
    "decr": "add",
    "strlen": "get_range",
    "getrange": "get_range",
    "substr": "get_range",
    "setrange": "set_range",
    "getex": "get_expire",
    "replace": "update",
    "multi": "batch",
    "exec": "batch",
    "begin": "batch",
    "transaction": "batch",
    "getset": "get_update",
    "getdel": "get_remove",
    "rm": "remove",
    "flushall": "remove_all",
    "flushdb": "remove_all",
    "expire": "expires_from_now",
    "expireat": "expires_at",
    "ttl": "get_expiry",
    "keys": "prefix_get",
    "list": "prefix_get",
    "ls": "prefix_get",
    "dbsize": "count",
    "status": "hive_status",
    "info": "hive_status",
    "migrate": "hive_import",
    "passwd": "user_password",
    "useradd": "user_add",
    "adduser": "user_add",
    "userdel": "user_remove",
    "acl": "user_list",
    "users": "user_list",
    "monitor": "watch",
    "subscribe": "follow",
    "psubscribe": "follow",
    "quit": "exit",
}
"""What other stores and shells call our commands: where a word is no command, these are suggested."""


def meant(word: str) -> str | None:
    """Returns the command, or the two, that a word that is none most likely means."""
    return MEANT.get(word.lower()) or nearest(word, WORDS)


def spec_of(word: str) -> Spec:
    """Returns the command of that name.

    Raises:
        NoSuchCommandError: there is none; the sentence names the nearest one.
    """
    spec = BY_WORD.get(word)
    if spec is None:
        near = meant(word)
        hint = f"did you mean {near}?" if near else "help lists them all"
        raise NoSuchCommandError(f"there is no command {quoted(word)}; {hint}")
    return spec


def quoted(text: str) -> str:
    """Returns a word of the operator in a sentence."""
    return f'"{text[:60]}"'


def help_text(topic: str = "") -> str:
    """Returns the help for all commands, or for one."""
    if not topic:
        width = max(len(spec.syntax) for spec in COMMANDS if len(spec.syntax) <= SYNTAX_WIDTH_MAX)
        lines = []
        for spec in COMMANDS:
            apart = "\n" + " " * width if len(spec.syntax) > width else ""
            lines.append(f"{spec.syntax:<{width}}{apart}  {spec.summary}")
        return "\n".join([*lines, "", "help COMMAND tells more. del and delete are the same as remove."])
    spec = BY_WORD[topic]
    lines = [spec.syntax, f"    {spec.summary}"]
    if spec.synonyms:
        lines.append(f"    the same: {', '.join(spec.synonyms)}")
    if spec.detail:
        lines.append(f"    {spec.detail}")
    lines += [f"    {'' if one.kind is Kind.WORDS else f'{one.name}: '}{one.kind.value}" for one in spec.parameters]
    lines += [f"    {line}" for line in options.help_lines(spec.options)]
    if spec.fails_with:
        lines.append(f"    fails with: {', '.join(spec.fails_with)}")
    return "\n".join(lines)
