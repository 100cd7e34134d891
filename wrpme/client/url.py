"""A hive as one line: ``wrpme://HOST:PORT,HOST:PORT/?timeout=SECONDS``, for settings and environments. With TLS it is
``wrpmes://``, and may name files, and a user with his password."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

from wrpme.errors import UsageError
from wrpme.files.certificates import TlsFiles
from wrpme.limits import TIMEOUT_SECONDS
from wrpme.protocol.address import without_password

SCHEMES = PLAIN, WITH_TLS = ("wrpme", "wrpmes")
WRITTEN = (
    "wrpme://HOST:PORT,HOST:PORT/?timeout=SECONDS, or with TLS "
    "wrpmes://[NAME:PASSWORD@]HOST:PORT/?timeout=SECONDS&ca=FILE&cert=FILE&key=FILE"
)
_ESCAPED = "what is no letter or digit in a name or a password is written %NN"


def is_url(location: str) -> bool:
    """Returns whether that is meant as a URL of a hive, rather than as an address."""
    return location.partition("://")[0] in SCHEMES


def parse(url: str) -> tuple[list[str], float, TlsFiles | None, str | None, str | None]:
    """Returns the addresses of the nodes, the timeout in seconds, the files for TLS (None without TLS), and the name
    and the password of a user, if there is one.

    Raises:
        UsageError: The URL is none of this kind; the sentence says what of it.
    """
    try:
        parts = urlsplit(url)
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise _wrong(url, _ESCAPED if "@" in url else str(error)) from None
    if "@" in url and "@" not in parts.netloc:
        raise _wrong(url, _ESCAPED)
    if parts.scheme not in SCHEMES:
        raise _wrong(url, f"its scheme is {parts.scheme!r}")
    who, at, hosts = parts.netloc.rpartition("@")
    if at and parts.scheme != WITH_TLS:
        raise _wrong(url, "a password would travel in plain words; wrpmes:// has TLS")
    user, _, password = (unquote(text, errors="surrogateescape") for text in who.partition(":"))
    if at and not (user and password):
        raise _wrong(url, "a name and a password stand before the @, with : between")
    if parts.path not in ("", "/") or parts.fragment:
        raise _wrong(url, "nothing but options may follow the addresses")
    timeout = TIMEOUT_SECONDS
    files = dict.fromkeys(("ca", "cert", "key"), "")
    for name, value in options:
        if name in files:
            if parts.scheme != WITH_TLS:
                raise _wrong(url, f"{name} is for TLS, which wrpmes:// has")
            if not value:
                raise _wrong(url, f"{name} names no file")
            files[name] = value
            continue
        if name != "timeout":
            raise _wrong(url, f"there is no option {name!r}")
        try:
            timeout = float(value)
        except ValueError:
            raise _wrong(url, f"the timeout is {value!r}") from None
    tls = TlsFiles(*files.values()) if parts.scheme == WITH_TLS else None
    return [address for address in hosts.split(",") if address], timeout, tls, user or None, password or None


def _wrong(url: str, why: str) -> UsageError:
    return UsageError(f'"{without_password(url)[:200]}" is no URL of a hive ({why}); it is written: {WRITTEN}')
