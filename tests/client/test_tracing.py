"""Spans of OpenTelemetry: one for each operation, without what entries are called and contain."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.stub_node import Entries, StubNode, StubThread, content, view_of
from wrpme import BlockingClient, Client, errors


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    made = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    trace.set_tracer_provider(provider)
    return made


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    exporter.clear()
    yield exporter


def attributes(spans: InMemorySpanExporter) -> list[dict[str, Any]]:
    return [dict(span.attributes or {}) for span in spans.get_finished_spans()]


@pytest.mark.asyncio
async def test_a_span_for_each_operation(spans: InMemorySpanExporter) -> None:
    async with StubNode(content) as node, Client(node.address) as client:
        view_of([node])
        with trace.get_tracer("test").start_as_current_span("outer") as outer:
            await client.get("secret")
            await client.view()
        host, port = node.address.split(":")
        common = {"db.system.name": "wrpme", "server.address": host, "server.port": int(port)}
        assert attributes(spans)[:2] == [
            {**common, "db.operation.name": "get"},
            {**common, "db.operation.name": "view"},
        ]
        assert all(span.parent == outer.get_span_context() for span in spans.get_finished_spans()[:2])
        assert not attributes(spans)[2], "the caller's own span"
        assert "secret" not in "".join(span.to_json() for span in spans.get_finished_spans())


@pytest.mark.asyncio
async def test_an_error_is_told_by_its_word(spans: InMemorySpanExporter) -> None:
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(errors.ConnectionError):
            await client.get("secret")
    (span,) = spans.get_finished_spans()
    assert dict(span.attributes or {})["error.type"] == "connection" and not span.events
    assert span.status.status_code is trace.StatusCode.ERROR and "secret" not in span.to_json()


def test_those_of_the_blocking_client(spans: InMemorySpanExporter) -> None:
    with StubThread(Entries()) as node, BlockingClient(node.address) as client:
        with trace.get_tracer("test").start_as_current_span("outer") as outer:
            for _ in range(6):
                client.update("x", b"secret")
                assert client.get("x", default=None) == b"secret"
            assert client.get("y", default=b"") == b""
            client.count()
        found = spans.get_finished_spans()[:-1]
        assert [span.name for span in found] == ["update", "get"] * 6 + ["get", "count"]
        assert all(span.parent == outer.get_span_context() for span in found)
        assert {told["server.port"] for told in attributes(spans)[:-1]} == {int(node.address.split(":")[1])}
        assert not any("error.type" in told for told in attributes(spans))


def test_without_the_package_nothing_is_wrapped() -> None:
    program = """
import sys
sys.modules["opentelemetry"] = None
from wrpme import Client
assert not [name for name in vars(Client) if hasattr(getattr(Client, name), "__wrapped__")]
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
