"""docs/contrib.md is run: its programs and settings work on a hive of one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import CacheHandler

PAGE = (Path(__file__).parent.parent.parent / "docs" / "contrib.md").read_text()


def test_the_page_is_run(hive: str, capsys: pytest.CaptureFixture[str]) -> None:
    known: dict[str, Any] = {}
    for program in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(program.replace(",127.0.0.1:5910", "").replace("127.0.0.1:5909", hive), known)
    assert capsys.readouterr().out == "{'apples': 3}\n2\n{'apples': 3}\n"
    cache = CacheHandler(known["CACHES"])["default"]
    cache.set("basket", 1)
    assert cache.incr("basket") == 2
    cache.clear()
    assert cache.get("basket") is None
