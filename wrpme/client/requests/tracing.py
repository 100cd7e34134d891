"""Spans of OpenTelemetry, one for each operation of a client, where the package opentelemetry-api is installed.

They follow its semantic conventions for databases, and have no alias and no content. Where the package is missing
nothing is wrapped, and an operation costs what it did.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from wrpme.errors import WrpmeError
from wrpme.protocol import address as addresses
from wrpme.version import VERSION

try:
    from opentelemetry import trace
except ImportError:
    trace = None

_OPERATION: ContextVar[Any] = ContextVar("wrpme_operation", default=None)
C = TypeVar("C", bound=type)
UNTRACED = ("close", "from_url", "watch")
"""Which ask a hive for nothing, or go on for as long as the program does."""


def traced(client: C) -> C:
    """Returns the class of a client whose public operations have spans, if the package is there."""
    if trace is not None:
        for name, method in list(vars(client).items()):
            if name.startswith("_") or name in UNTRACED:
                continue
            if inspect.iscoroutinefunction(method):
                setattr(client, name, _with_span(name, method))
            elif inspect.isasyncgenfunction(method):
                setattr(client, name, _with_span_to_the_end(name, method))
    return client


def _with_span(name: str, method: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
    @functools.wraps(method)
    async def wrapped(self: Any, *arguments: Any, **options: Any) -> Any:
        with _span(name) as span, trace.use_span(span, record_exception=False, set_status_on_exception=False):
            before = _OPERATION.set(span)
            try:
                return await method(self, *arguments, **options)
            finally:
                _OPERATION.reset(before)

    return wrapped


def _with_span_to_the_end(name: str, method: Callable[..., AsyncGenerator[Any]]) -> Callable[..., AsyncGenerator[Any]]:
    """The span is not the current one: between two entries the caller's code runs."""

    @functools.wraps(method)
    async def wrapped(self: Any, *arguments: Any, **options: Any) -> AsyncGenerator[Any]:
        with _span(name):
            async with aclosing(method(self, *arguments, **options)) as found:
                async for one in found:
                    yield one

    return wrapped


@contextmanager
def _span(name: str) -> Iterator[Any]:
    # The tracer is looked for each time: a program may set its provider after the import of wrpme.
    span = trace.get_tracer("wrpme", VERSION).start_span(name, kind=trace.SpanKind.CLIENT)
    try:
        span.set_attribute("db.system.name", "wrpme")
        span.set_attribute("db.operation.name", name)
        yield span
    except Exception as error:
        word = error.word if isinstance(error, WrpmeError) else type(error).__name__
        span.set_attribute("error.type", word)
        span.set_status(trace.Status(trace.StatusCode.ERROR, word))  # its sentence may name an entry
        raise
    finally:
        span.end()


def _answered_by(address: str) -> None:
    span = _OPERATION.get()  # the current one may be the caller's
    if span is not None and span.is_recording():
        host, port = addresses.parse(address)
        span.set_attribute("server.address", host)
        span.set_attribute("server.port", port)


def _no_span(address: str) -> None:
    """Takes the place of the above where there are no spans."""


answered_by: Callable[[str], None] = _no_span if trace is None else _answered_by
"""Tells the span of the operation which node has answered."""
