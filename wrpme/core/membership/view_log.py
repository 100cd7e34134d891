"""The view on disk: a whole one, and after it the patches that made the later ones, so that a view costs what changed.

When the patches have become as large as the view, it is written whole again, in one batch with their removal. Each
batch is whole or not there, so what is read at the start is the view that was adopted last.
"""

from __future__ import annotations

import msgspec

from wrpme.core.io import Operation, Reader
from wrpme.core.layout import VIEW_KEY, VIEW_PATCH_PREFIX, successor, view_patch_key
from wrpme.errors import DamagedError
from wrpme.core.limits import VIEW_PATCHES_BYTES_MIN
from wrpme.protocol import view_index
from wrpme.protocol.view import Patch, View


class _Step(msgspec.Struct, frozen=True, array_like=True):
    patch: Patch
    digest: bytes


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(_Step).decode


class ViewLog:
    """See the module."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._epochs: list[int] = []
        """Of the patches on disk."""
        self._whole_bytes = self._patches_bytes = 0

    def load(self) -> View | None:
        """The view that was saved last; None where there is none.

        Raises:
            DamagedError: what is there is not what was written.
        """
        raw = self._reader.get(VIEW_KEY)
        if raw is None:
            return None
        view = self._read(raw)
        self._whole_bytes = len(raw)
        for key, value in self._reader.scan(VIEW_PATCH_PREFIX, successor(VIEW_PATCH_PREFIX)):
            self._epochs.append(int.from_bytes(key[len(VIEW_PATCH_PREFIX) :], "big"))
            self._patches_bytes += len(value)
            if self._epochs[-1] == view.epoch + 1:
                view = self._follow(view, value)
        return view

    @staticmethod
    def _read(raw: bytes) -> View:
        try:
            return view_index.unpack(raw)
        except msgspec.MsgspecError:
            raise DamagedError("the data directory is damaged (the view in it is none)") from None

    @staticmethod
    def _follow(view: View, raw: bytes) -> View:
        what = f"view {view.epoch + 1} in it is not the one that was decided"
        try:
            step = _DECODE(raw)
        except msgspec.MsgspecError:
            raise DamagedError(f"the data directory is damaged ({what})") from None
        following = view_index.patched(view, step.patch)
        if view_index.digest(following) != step.digest:
            raise DamagedError(f"the data directory is damaged ({what})")
        return following

    def save(self, view: View, patch: Patch | None) -> list[Operation]:
        """Gives what to write. ``patch`` makes the view of the one that was saved before; None where nobody knows."""
        if patch is not None and self._whole_bytes:
            raw = _ENCODE(_Step(patch, view_index.digest(view)))
            if self._patches_bytes + len(raw) <= max(VIEW_PATCHES_BYTES_MIN, self._whole_bytes):
                self._epochs.append(view.epoch)
                self._patches_bytes += len(raw)
                return [(view_patch_key(view.epoch), raw)]
        raw = view_index.pack(view)
        operations: list[Operation] = [(VIEW_KEY, raw), *((view_patch_key(epoch), None) for epoch in self._epochs)]
        self._epochs, self._whole_bytes, self._patches_bytes = [], len(raw), 0
        return operations
