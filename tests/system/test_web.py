"""The dashboard in a real browser, of a real hive: what is seen, what is typed, and what is left when either ends."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.system.browser import Browser, Page, missing
from tests.system.daemons import PATIENCE_SECONDS, Daemons, environment, finished, free_port, until, wrpmesh
from tests.system.test_tutorial import unavailable

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDED = "getComputedStyle(document.querySelector('#ended')).display !== 'none'"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hive(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemons]:
    with Daemons(tmp_path_factory.mktemp("web"), 3) as daemons:
        daemons.start_all(range(3))
        await daemons.until_stable()
        yield daemons
        daemons.check_alive()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    if why := missing():
        unavailable(why)
    async with Browser(tmp_path_factory.mktemp("browser")) as made:
        yield made


class Service:
    """A wrpmesh that serves the dashboard."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.process = process
        self.url = url

    @property
    def dashboards(self) -> list[int]:
        """The processes of the tabs."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    async def until_dashboards(self, count: int) -> list[int]:
        """Polls until it has so many."""
        await until(f"{count} dashboards", self._has(count))
        return self.dashboards

    def _has(self, count: int):  # type: ignore[no-untyped-def]
        async def attempt() -> bool:
            return len(self.dashboards) == count

        return attempt


@contextmanager
def served(hive: Daemons, home: Path) -> Iterator[Service]:
    """Serves the dashboard of the hive, until it has ended, at the latest at the end; nothing is said on stderr."""
    address = f"127.0.0.1:{free_port()}"
    options = ("--daemon", hive.addresses[0])
    values = {**environment(), "HOME": str(home), "TERM": "dumb", "LANG": "C", "COLUMNS": "20"}
    values.pop("NO_COLOR", None)
    with open(home / "err", "wb") as errors:
        process = subprocess.Popen(
            wrpmesh("--web", address, *options),
            env=values,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        assert line == f"the dashboard is at http://{address}/; Ctrl-C ends it\n"
        yield Service(process, f"http://{address}/")
    finally:
        process.kill()
        process.communicate()
    assert (home / "err").read_text() == ""


async def gone(*processes: int) -> None:
    """Polls until none of the processes is left."""

    async def attempt() -> bool:
        return not any(os.path.exists(f"/proc/{process}") for process in processes)

    await until("no process", attempt)


async def opened(browser: Browser, service: Service) -> Page:
    page = await browser.page(service.url)
    await page.until_text("STABLE", "3 nodes", "every arc has its copies")
    return page


async def ended(page: Page) -> None:
    """Polls until the page says that the dashboard has ended."""

    async def attempt() -> bool:
        return bool(await page.value(ENDED))

    await until("that it has ended", attempt)


async def test_the_ring_is_seen_and_keys_are_heard(hive: Daemons, browser: Browser, tmp_path: Path) -> None:
    with served(hive, tmp_path) as service:
        page = await opened(browser, service)
        assert await page.colours(1000) >= 4, "three nodes on a ground"
        await page.type("put greeting hello, hive")
        await page.press("Enter")
        await page.type("get greeting")
        await page.press("Enter")
        await page.until("the content", lambda lines: "hello, hive" in [line.strip() for line in lines])
        await page.press("Escape")
        await page.until("that the nodes have the keys", lambda lines: "Enter open" in lines[-1])
        await page.type("?")
        await page.until_text("In the panes", "copies the node's address")
        await page.press("Escape")
        await page.until_text("STABLE", "EVENTS")
        await page.type("y")
        await page.until_text("copied: ")
        assert await page.clipboard() in hive.addresses
        await page.resize(1100, 500)
        await page.until("fewer lines", lambda lines: len(lines) < 30 and "STABLE" in str(lines))
        rows = await page.value("shownTerminal.rows")
        await page.until("keys on the last line", lambda lines: len(lines) == rows and "help" in lines[-1])
        assert all(f"//{service.url.split('/')[2]}/" in url for url in page.requested), "nothing is from elsewhere"
        assert len(page.requested) >= 5 and not page.said
        dashboards = await service.until_dashboards(1)


        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(PATIENCE_SECONDS) == 128 + signal.SIGINT
        await gone(*dashboards)
        await page.until_ended()


async def test_each_tab_has_a_dashboard_which_ends_with_it(hive: Daemons, browser: Browser, tmp_path: Path) -> None:
    with served(hive, tmp_path) as service:
        page, other = await opened(browser, service), await opened(browser, service)
        first, second = sorted(await service.until_dashboards(2))
        await other.close()
        (left,) = await service.until_dashboards(1)
        assert left in (first, second)
        await gone(first + second - left)
        await page.control("z")
        await page.control("c")
        await page.type("exit")
        await page.press("Enter")
        await page.until_ended()
        await gone(left)
        await page.value("document.querySelector('#ended button').click()")
        await page.until_text("STABLE", "3 nodes")
        dashboards = await service.until_dashboards(1)
        service.process.kill()
        await gone(*dashboards)
        await page.until_ended()


async def test_it_needs_no_hive_and_serves_ipv6(tmp_path: Path) -> None:
    address = f"[::1]:{free_port('::1')}"
    with served(tmp_path, address, f"127.0.0.1:{free_port()}") as service:
        async with aiohttp.ClientSession() as session, session.get(service.url) as answer:
            assert "textual-terminal" in await answer.text()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(PATIENCE_SECONDS) == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("192.0.2.1:8909", "192.0.2.1 is no address of this machine; give one with --web"),
        ("[2001:db8::1]:8909", "2001:db8::1 is no address of this machine; give one with --web"),
        ("no.invalid:8909", "the name no.invalid can't be resolved; give an address of this machine with --web"),
    ],
)
async def test_addresses_that_can_not_be_had(address: str, sentence: str) -> None:
    done = finished(wrpmesh("--web", address))
    assert (done.returncode, done.stdout, done.stderr.decode()) == (1, b"", f"start: {sentence}\n")
