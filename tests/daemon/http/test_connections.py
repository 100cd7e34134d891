"""Which connection of HTTP goes."""

from __future__ import annotations

import pytest

from tests.daemon.http.talk import asked
from tests.daemon_parts import Raw, daemon
from wrpme.daemon.net.http import connections


@pytest.mark.asyncio
async def test_who_has_asked_nothing_for_longest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HTTP_CONNECTIONS_MAX", 2)
    async with daemon() as d, Raw(d.port) as one, Raw(d.port) as two, Raw(d.port) as three:
        for raw in (one, two, one, three):
            assert (await asked(raw, "/live")).status == 200
        assert not await two.rest()
        for raw in (one, three):
            assert (await asked(raw, "/live")).status == 200
        assert len(d.log.lines) == 1 and "asked nothing for longest" in d.log.lines[0]
