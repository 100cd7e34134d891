"""Asks pip for one wheel for another machine, and says in one sentence why it can't be had.

pip is the operator's own, with his index, proxy and certificates; it is told for which Python and platforms, and runs
nothing of what it fetches.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from packaging.requirements import Requirement

from wrpme.bootstrap.bundle.platform import Target
from wrpme.bootstrap.limits import FETCH_CONNECT_SECONDS, FETCH_SECONDS_MAX
from wrpme.errors import RemoteError

_FOLDER = "set PIP_FIND_LINKS to the folder that has it"
_ELSEWHERE = f"bring the wheel here and {_FOLDER}, or set PIP_INDEX_URL to an index that can be reached"

_UNREAD = re.compile(r"Could not fetch URL (\S+): (?!404 )(.+)")
"""Of one index of several, perhaps, but that one may have it. One that does not know the name at all answers 404."""
_REASON = re.compile(
    r"\[Errno -?\d+\] ([^')]+)|(timed out)|(certificate[^')]+)|(\d{3} (?:Client|Server) Error)|(too many \d+)"
)


class NoWheelError(RemoteError):
    """An index answered, and has no such wheel."""


async def fetch(requirement: str, target: Target, directory: Path) -> None:
    """Has pip put the wheel that fits into that directory, which exists.

    Raises:
        NoWheelError: there is none for such a machine.
        RemoteError: no index can be reached, there is no pip, or it took longer than ``FETCH_SECONDS_MAX``.
    """
    command = [sys.executable, "-P", "-m", "pip", "download", "-vv", "--no-input", "--disable-pip-version-check"]
    command += ["--retries", "1", "--timeout", str(FETCH_CONNECT_SECONDS), "--dest", str(directory)]
    command += ["--no-deps", "--only-binary", ":all:", "--implementation", "cp"]
    command += ["--python-version", target.python_version, "--abi", target.abi]
    for platform in target.platforms:
        command += ["--platform", platform]
    process = await asyncio.create_subprocess_exec(
        *command, requirement,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(FETCH_SECONDS_MAX):
            output, _ = await process.communicate()
    except TimeoutError:
        wheel = f"the wheel of {requirement} for {target}"
        raise RemoteError(f"{wheel} was not fetched within {FETCH_SECONDS_MAX} s; {_ELSEWHERE}") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise refusal(requirement, target, output.decode(errors="replace"))


def refusal(requirement: str, target: Target, output: str) -> RemoteError:
    """What is to be said after pip said that."""
    name = Requirement(requirement).name
    if "No module named pip" in output:
        pip = f"{sys.executable} has no pip; {sys.executable} -m ensurepip adds it"
        return RemoteError(f"{requirement} must be fetched for {target}, but {pip}")
    unread = _UNREAD.search(output)
    if unread:
        url, said = unread.groups()
        reason = _REASON.search(said)
        why = f"pip can't read {url} ({next(filter(None, reason.groups())) if reason else said[:200]})"
        return RemoteError(f"{requirement} must be fetched for {target}, but {why}; {_ELSEWHERE}")
    if "No matching distribution" in output:
        others = re.search(r"\(from versions: ([^)]*)\)", output)
        if others and others[1] not in ("", "none"):
            newest = others[1].split(", ")[-1]
            advice = f"there is one of {newest}, which is sent after {sys.executable} -m pip install {name}=={newest}"
        else:
            advice = f"name another Python of that host in the topology file, or build the wheel and {_FOLDER}"
        return NoWheelError(f"there is no wheel of {requirement} for {target}; {advice}")
    said = next((line for line in reversed(output.split("\n")) if line.strip()), "nothing").removeprefix("ERROR: ")
    return RemoteError(f"{requirement} must be fetched for {target}, but pip says: {said[:300]}")
