"""Programs that are not of this project, and that some tests run."""

from __future__ import annotations

import os
import shutil

import pytest

PLACES = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def program(name: str) -> str:
    """Returns where a program is. Where it is not, this skips the test, or fails it where all has to be run."""
    found = shutil.which(name, path=PLACES)
    if found is None:
        missing = f"there is no {name} here"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found
