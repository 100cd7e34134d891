"""Reads a small file that an operator has written."""

from __future__ import annotations

import os
import stat
from typing import overload

from wrpme.errors import UsageError
from wrpme.limits import OPTION_FILE_BYTES_MAX


@overload
def read(path: str) -> str: ...
@overload
def read(path: str, may_miss: bool) -> str | None: ...
def read(path: str, may_miss: bool = False) -> str | None:
    """Returns the text of a file of options; None where there is none that ``may_miss``. Waits for nobody: what is no
    regular file is refused.

    Raises:
        UsageError: it can't be read.
    """
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UsageError(f"{path} is no regular file; name a file of TOML")
            content = file.read(OPTION_FILE_BYTES_MAX + 1)
    except OSError as error:
        if may_miss and isinstance(error, FileNotFoundError | NotADirectoryError):
            return None
        raise UsageError(
            f"the file {path} can't be read ({error.strerror}); see that it is there, and readable"
        ) from None
    if len(content) > OPTION_FILE_BYTES_MAX:
        raise UsageError(f"the file {path} has more than {OPTION_FILE_BYTES_MAX} bytes; it is no file of options")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}, line {line}: this is not UTF-8; save the file as UTF-8") from None
