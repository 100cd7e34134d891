"""The dashboard in a real browser, of a real hive: what is seen, what is typed, and what is left when either ends."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests.system.browser import Browser, Page, missing
from tests.system.daemons import Daemons, environment, free_port, stable_hive, until, wrpmesh
from tests.system.test_tutorial import unavailable

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    with stable_hive(tmp_path_factory.mktemp("web"), 3) as daemons:
        yield daemons


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

    async def until_dashboards(self, count: int) -> set[int]:
        """Polls until so many tabs have a process; gives these."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")

        async def attempt() -> set[int] | None:
            found = {int(child) for child in children.read_text().split()}
            return found if len(found) == count else None

        return await until(f"{count} dashboards", attempt)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(hive: Daemons, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """It has an environment that is not the one of a browser, and says nothing on standard error."""
    home = tmp_path_factory.mktemp("home")
    address = f"127.0.0.1:{free_port()}"
    values = {**environment(), "HOME": str(home), "TERM": "dumb", "LC_ALL": "C", "COLUMNS": "20"}
    values.pop("NO_COLOR", None)
    with open(home / "err", "wb") as errors:
        process = subprocess.Popen(
            wrpmesh("--web", address, "--daemon", hive.addresses[0]),
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


async def gone(processes: set[int]) -> None:
    """Polls until none of the processes is left."""

    async def attempt() -> bool:
        return not any(os.path.exists(f"/proc/{process}") for process in processes)

    await until("no process", attempt)


async def opened(browser: Browser, service: Service) -> Page:
    page = await browser.page(service.url)
    await page.until_text("STABLE", "3 nodes", "every arc has its copies")
    return page


async def until_ended(page: Page) -> None:
    """Polls until the page says that the dashboard has ended."""

    async def attempt() -> bool:
        return bool(await page.value("document.querySelector('#ended').offsetHeight > 0"))

    await until("that it has ended", attempt)


async def test_the_ring_is_seen_and_keys_are_heard(hive: Daemons, browser: Browser, service: Service) -> None:
    page = await opened(browser, service)
    assert await page.colours(1000) >= 4, "three nodes on a ground"
    await page.type("put greeting hello")
    await page.press("Enter")
    await page.type("get greeting")
    await page.press("Enter")
    await page.until("the content", lambda lines: "hello" in [line.strip() for line in lines])
    await page.press("Escape")
    await page.until("that the nodes have the keys", lambda lines: "Enter open" in lines[-1])
    await page.type("y")
    await page.until_text("copied 127.0.0.1:")
    assert await page.clipboard() in hive.addresses
    await page.resize(1000, 500)
    await page.until("all of a smaller size", lambda lines: len(lines) < 30 and "Enter open" in lines[-1])
    await page.type("?")
    await page.until_text("KEYS AND SIGNS", "In the panes")
    assert not page.said, "no errors"
    assert len(page.requested) >= 5
    assert {urlsplit(url).netloc for url in page.requested} == {urlsplit(service.url).netloc}, "it works offline"
    dashboards = await service.until_dashboards(1)
    await page.close()
    await gone(dashboards)


async def test_what_is_left_when_a_dashboard_or_the_service_ends(browser: Browser, service: Service) -> None:
    page = await opened(browser, service)
    first = await service.until_dashboards(1)
    await page.control("z")  # no shell brings it back
    await page.control("c")
    await page.type("exit")
    await page.press("Enter")
    await until_ended(page)
    await gone(first)
    await page.value("document.querySelector('#ended button').click()")
    second = await service.until_dashboards(1)
    service.process.kill()
    await gone(second)
    await until_ended(page)
