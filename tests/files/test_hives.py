"""Which CA is that of a hive, as this user has it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from wrpme.files import hives
from wrpme.files.hives import HiveFile


def test_the_ca_of_a_hive_that_takes_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert hives.ca_of(["a:1"]) == ""
    top = tmp_path / ".config/wrpme/hives"
    for name, secured in (("one", True), ("two", False), ("bad", True), ("none", True)):
        (top / name).mkdir(parents=True)
        state = HiveFile((f"{name}:1", f"{name}:2"), "aa", ("aa",), secured=secured)
        (top / name / "hive.json").write_bytes(msgspec.json.encode(state) if name != "bad" else b"{")
    (top / "none/hive.json").unlink()
    assert hives.ca_of(["two:1", "one:2"]) == str(top / "one/ca.pem")
    assert hives.ca_of(["two:1"]) == hives.ca_of(["bad:1"]) == ""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    assert hives.ca_of(["one:1"]) == ""
