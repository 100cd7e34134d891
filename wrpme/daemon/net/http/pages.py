"""What is found at which path: figures, and whether the node lives and serves. There is nothing else, and no files."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from wrpme.daemon.limits import FIGURES_SECONDS
from wrpme.daemon.net.http.metrics import exposition
from wrpme.daemon.net.http.told import Source

_PLAIN = b"text/plain; charset=utf-8"
_JSON = b"application/json"
_METRICS = b"text/plain; version=0.0.4; charset=utf-8"


class Page(NamedTuple):
    """An answer: its status, the kind of its text, and that."""

    status: int
    kind: bytes
    text: bytes


def plain(status: int, sentence: str) -> Page:
    """Returns one line for a human being."""
    return Page(status, _PLAIN, f"{sentence}\n".encode("utf-8", "backslashreplace"))


def path_of(target: bytes) -> str:
    """Returns the path that a request asks for, by itself or in a whole URL."""
    path = target.partition(b"?")[0].decode("latin-1")
    scheme, colon, rest = path.partition("://")
    return "/" + rest.partition("/")[2] if colon and scheme.lower() in ("http", "https") else path


class Pages:
    """Figures are made anew at most once in ``FIGURES_SECONDS``, for all who ask."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._makers: dict[str, Callable[[], Page]] = {
            "/live": lambda: plain(200, "this process runs"),
            "/ready": self._ready,
            "/status": lambda: self._kept("/status", self._status),
            "/metrics": lambda: self._kept("/metrics", self._metrics),
        }
        self._pages: dict[str, tuple[float, Page]] = {}

    def page(self, target: bytes) -> Page:
        """Returns what is at the target of a request: a path, or a whole URL, and a query that is not looked at."""
        make = self._makers.get(path_of(target))
        if make is None:
            return plain(404, f"a node of wrpme has nothing there, only {', '.join(self._makers)}")
        return make()

    def _kept(self, path: str, make: Callable[[], Page]) -> Page:
        now = self._source.clock()
        made, page = self._pages.get(path, (None, None))
        if made is None or page is None or not made <= now < made + FIGURES_SECONDS:
            page = make()
            self._pages[path] = now, page
        return page

    def _ready(self) -> Page:
        serves, line = self._source.outlook()
        return plain(200 if serves else 503, line)

    def _status(self) -> Page:
        status = self._source.status()
        if status:
            return Page(200, _JSON, status.encode())
        return Page(503, _JSON, msgspec.json.encode({"serving": False, "error": self._source.outlook()[1]}))

    def _metrics(self) -> Page:
        return Page(200, _METRICS, exposition(self._source.told()))
