"""A hive as one line: ``wrpme://HOST:PORT,HOST:PORT/?timeout=SECONDS``, for settings and environments."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from wrpme.errors import UsageError
from wrpme.limits import TIMEOUT_SECONDS

SCHEME = "wrpme"
WRITTEN = "wrpme://HOST:PORT,HOST:PORT/?timeout=SECONDS"


def parse(url: str) -> tuple[list[str], float]:
    """Returns the addresses of the nodes, and the timeout in seconds.

    Raises:
        UsageError: The URL is none of this kind; the sentence says what of it.
    """
    try:
        parts = urlsplit(url)
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise _wrong(url, str(error)) from None
    if parts.scheme != SCHEME:
        raise _wrong(url, f"its scheme is {parts.scheme!r}")
    if "@" in parts.netloc:
        raise _wrong(url, "a hive has no users and no passwords")
    if parts.path not in ("", "/") or parts.fragment:
        raise _wrong(url, "nothing but options may follow the addresses")
    timeout = TIMEOUT_SECONDS
    for name, value in options:
        if name != "timeout":
            raise _wrong(url, f"there is no option {name!r}")
        try:
            timeout = float(value)
        except ValueError:
            raise _wrong(url, f"the timeout is {value!r}") from None
    return [address for address in parts.netloc.split(",") if address], timeout


def _wrong(url: str, why: str) -> UsageError:
    shown = url[:200] if "@" not in url else "what was given"  # a password is shown to nobody
    return UsageError(f'"{shown}" is no URL of a hive ({why}); it is written: {WRITTEN}')
