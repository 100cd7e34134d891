"""What runs first on the other machine: it makes modules of the sources that came through the channel.

This file is sent as it is, with a call of :func:`run` after it, so it may import no other module of wrpme.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType


class Sources:
    """Finds and executes modules in ``sources``, which has the text of each by its full name.

    A name under which there are only other modules is an empty package. A module is compiled when it is imported.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self._packages = {name.rpartition(".")[0] for name in sources}
        self._packages |= {parent.rpartition(".")[0] for parent in self._packages}
        self._packages |= {parent.rpartition(".")[0] for parent in self._packages}

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Returns how to load that module, or None if it is none of these; the import system calls it."""
        package = name in self._packages
        if name not in self._sources and not package:
            return None
        origin = name.replace(".", "/") + ("/__init__.py" if package else ".py")
        spec = ModuleSpec(name, self, origin=origin, is_package=package)  # type: ignore[arg-type]
        spec.has_location = False
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Returns None: the import system makes the module object as usual."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Compiles and runs the source of that module."""
        spec = module.__spec__
        assert spec is not None
        source = self._sources.get(spec.name, "")
        exec(compile(source, spec.origin or spec.name, "exec", dont_inherit=True), module.__dict__)


def run(sources: Mapping[str, str]) -> None:
    """Makes modules of the sources, and serves the channel until it ends."""
    sys.meta_path.insert(0, Sources(sources))
    from wrpme.bootstrap.agent import dispatch

    dispatch.serve()
