"""The command line of wrpmesh: its options, and the words of COMMAND. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from wrpme import options
from wrpme.files import option_files
from wrpme.errors import UsageError
from wrpme.limits import TIMEOUT_SECONDS
from wrpme.options import WRPMESH
from wrpme.protocol import address
from wrpme.version import VERSION

DAEMON = address.DEFAULT
FILE = "~/.config/wrpme/wrpmesh.toml"
"""Where the file of options is, unless XDG_CONFIG_HOME says otherwise."""
USAGE = """\
wrpmesh [--daemon HOST:PORT]... [--timeout SECONDS] [COMMAND [ARGUMENT...]]
wrpmesh --hive-name NAME [--timeout SECONDS] [COMMAND [ARGUMENT...]]
wrpmesh --tui [--daemon HOST:PORT]... [--record FILE]
wrpmesh --tui --replay FILE
wrpmesh --web [HOST:PORT] [--daemon HOST:PORT]... [--replay FILE]
wrpmesh --hive N [--tui] [--web [HOST:PORT]] [COMMAND [ARGUMENT...]]

The shell of a wrpme hive. Without COMMAND: interactive, or one command a line from standard input.

{options}

Where --daemon, --hive-name or --timeout is not given, WRPME_DAEMON, WRPME_HIVE_NAME or WRPME_TIMEOUT in the
environment serves, then daemon and timeout in {file}.
wrpmesh help lists the commands."""


class Options(Struct, frozen=True):
    """What the command line said. Where ``answer`` is given, the program prints it and does nothing else."""

    daemons: tuple[str, ...] = (DAEMON,)
    timeout: float = TIMEOUT_SECONDS
    request_id: str = ""
    hive: int = 0
    tui: bool = False
    web: address.Address | None = None
    record: str = ""
    replay: str = ""
    words: tuple[str, ...] = ()
    answer: str = ""


def parse_options(
    arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
    path: str = FILE,
    read: Callable[[str], str | None] = lambda _: None,
) -> Options:
    """Returns the options before COMMAND, and its words; for what is not given, variables of the environment serve, and
    then the file at ``path``, whose text ``read`` returns, or None where there is none.

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
    return Options(
        daemons=tuple(map(str, given["daemon"])) or (DAEMON,),
        timeout=given["timeout"],
        request_id=given["request-id"] or "",
        hive=given["hive"] or 0,
        tui=given["tui"],
        web=given["web"],
        record=given["record"] or "",
        replay=given["replay"] or "",
        words=given.words,
    )


def help_text() -> str:
    """Returns what ``wrpmesh --help`` prints."""
    return USAGE.format(file=FILE, options="\n".join(f"  {line}" for line in options.help_lines(WRPMESH)))
