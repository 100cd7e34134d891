"""Which wheels run where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrpme.bootstrap.bundle.platform import Target, target_of
from wrpme.bootstrap.hosts.inventory import Hello
from wrpme.errors import RemoteError

DEBIAN = Target((3, 11), "x86_64", "glibc", (2, 36))
ALPINE = Target((3, 13), "aarch64", "musl", (1, 2))


def hello(python: tuple[int, int, int] = (3, 11, 2), machine: str = "x86_64", *libc: str) -> Hello:
    name, version = libc or ("glibc", "2.36")
    return Hello(python, "/usr/bin/python3", machine, (name, version), "root", 0, "/root", "one")


def test_a_machine_says_what_it_is() -> None:
    assert target_of(hello()) == DEBIAN
    assert target_of(hello((3, 11, 9))) == DEBIAN, "the patch level makes no difference"
    assert target_of(hello((3, 13, 1), "arm64", "musl", "1.2.5")) == ALPINE
    assert target_of(hello((3, 11, 2), "AMD64")) == DEBIAN
    assert str(DEBIAN) == "Python 3.11 on x86_64 with glibc 2.36"
    assert DEBIAN.abi == "cp311"


@pytest.mark.parametrize(
    ("said", "part"),
    [
        (hello((3, 10, 4)), "needs Python 3.11 or later, but this is Python 3.10"),
        (hello((3, 11, 2), "x86_64", "", ""), "Linux with glibc or musl, but this is neither"),
        (hello((3, 11, 2), "x86_64", "glibc", "new"), "but this is glibc new"),
        (hello((3, 11, 2), "--index-url=http://x"), "no wheel is made for a machine of the kind"),
    ],
)
def test_a_machine_on_which_wrpme_does_not_run(said: Hello, part: str) -> None:
    with pytest.raises(RemoteError) as refused:
        target_of(said)
    assert part in refused.value.sentence


def test_platforms_best_first() -> None:
    assert DEBIAN.platforms[:2] == ("manylinux_2_36_x86_64", "manylinux_2_35_x86_64")
    at = DEBIAN.platforms.index("manylinux_2_17_x86_64")
    assert DEBIAN.platforms[at + 1] == "manylinux2014_x86_64"
    assert DEBIAN.platforms[-2:] == ("manylinux_2_5_x86_64", "manylinux1_x86_64")
    assert ALPINE.platforms == ("musllinux_1_2_aarch64", "musllinux_1_1_aarch64", "musllinux_1_0_aarch64")
    arm = Target((3, 11), "aarch64", "glibc", (2, 17))
    assert arm.platforms == ("manylinux_2_17_aarch64", "manylinux2014_aarch64")


@pytest.mark.parametrize(
    ("tag", "fits"),
    [
        ("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", True),
        ("cp311-cp311-manylinux_2_36_x86_64", True),
        ("cp311-cp311-manylinux_2_38_x86_64", False),
        ("cp311-cp311-musllinux_1_2_x86_64", False),
        ("cp311-cp311-linux_x86_64", False),
        ("cp311-cp311-manylinux_2_17_aarch64", False),
        ("cp312-cp312-manylinux_2_17_x86_64", False),
        ("cp38-abi3-manylinux_2_17_x86_64", True),
        ("cp312-abi3-manylinux_2_17_x86_64", False),
        ("cp311-cp311t-manylinux_2_17_x86_64", False),
        ("py2.py3-none-any", True),
        ("py3-none-any", True),
        ("py2-none-any", False),
        ("py310-none-any", True),
        ("py312-none-any", False),
        ("cp311-none-any", True),
        ("nonsense", False),
    ],
)
def test_a_wheel_runs_where_its_tag_says(tag: str, fits: bool) -> None:
    assert DEBIAN.accepts(tag) is fits


@given(machine=st.text(max_size=40), libc=st.tuples(st.text(max_size=8), st.text(max_size=8)))
def test_whatever_a_machine_says_no_option_for_pip_comes_of_it(machine: str, libc: tuple[str, str]) -> None:
    try:
        target = target_of(hello((3, 11, 2), machine, *libc))
    except RemoteError:
        return
    assert len(target.platforms) <= 110
    assert all(platform.startswith(("manylinux", "musllinux")) for platform in target.platforms)
