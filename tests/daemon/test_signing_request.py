"""A key that is made where it stays."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from wrpme.daemon.security.signing_request import main


def test_a_key_and_a_request_for_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "next.key"
    path.write_text("of a run that was cut off")
    assert main([str(path)]) == 0
    said = capsys.readouterr()
    request = x509.load_pem_x509_csr(said.out.encode())
    assert request.is_signature_valid and not list(request.extensions)
    assert load_pem_private_key(path.read_bytes(), None).public_key() == request.public_key()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["next.key"]


def test_a_place_that_can_t_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "missing/next.key")]) == 1
    assert "can't be written (No such file or directory)" in capsys.readouterr().err


def test_of_a_key_that_could_not_be_written_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main([str(tmp_path / "key")]) == 1
    assert not list(tmp_path.iterdir())
