"""The lines at the top."""

from __future__ import annotations


import pytest
from msgspec.structs import replace
from textual.app import App, ComposeResult

from tests.tui.hands import cells
from tests.tui.pieces import node, scene
from wrpme.tui.panes.banner import MOODS, Banner, summary, word_text
from wrpme.tui.state.scene import Mode, Mood, NodeState, Scene
from wrpme.tui.terminal.palette import THEMES
from wrpme.tui.terminal.roles import PREFIX, textual_themes


class OneBanner(App[None]):
    def __init__(self) -> None:
        super().__init__()
        for theme in textual_themes():
            self.register_theme(theme)
        self.theme = PREFIX + "dark"
        self.banner = Banner()

    def compose(self) -> ComposeResult:
        yield self.banner


async def shown(what: Scene, width: int = 120, note: str = "") -> str:
    app = OneBanner()
    async with app.run_test(size=(width, 10)) as pilot:
        app.banner.note = note
        app.banner.show(what)
        await pilot.pause()
        return cells(app.banner)


def test_every_mood_has_a_sign_of_its_own_word() -> None:
    assert set(MOODS) == set(Mood)
    assert word_text(scene(3, mood=Mood.STABILIZING, progress=0.417)) == "STABILIZING  copying 42 %"
    assert word_text(scene(3, mood=Mood.STABILIZING)) == "STABILIZING"
    assert word_text(scene(3, mood=Mood.DEGRADED, progress=0.4)) == "DEGRADED  copying 40 %", "it says what it counts"


def test_the_figures_fit_whole_or_not_at_all() -> None:
    whole = summary(scene(3), "", 200)
    assert whole.split("  ")[:-1] == ["3 nodes", "epoch 7", "1.23k entries", "56 op/s", "hive 3f2a1c04"]
    parts = {*whole.split("  "), "recording, 1 KiB", ""}
    for width in range(100):
        text = summary(scene(3), "recording, 1 KiB", width)
        assert len(text) <= width and set(text.split("  ")) <= parts


def test_a_hive_without_users_says_so() -> None:
    assert summary(scene(3, open=True), "", 200).split("  ")[:4] == ["3 nodes", "epoch 7", "no users", "1.23k entries"]


def test_what_is_not_whole_or_not_up_is_said() -> None:
    down = scene(3, nodes=(node(1), node(2), node(3, state=NodeState.DOWN)), partial=True, generation=2)
    text = summary(down, "", 200)
    assert "2 of 3 nodes up" in text and "about 1.23k entries" in text and "epoch 7 gen 2" in text
    unknown = summary(scene(3, entries=None, operations_per_second=None), "", 200)
    assert "entries" not in unknown and "op/s" not in unknown
    assert summary(Scene(Mode.LIVE, 0.0, Mood.CONNECTING, ""), "recording", 50) == "recording"


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", list(Mode))
async def test_another_time_can_not_be_taken_for_now(mode: Mode) -> None:
    text = await shown(scene(3, mode=mode), 80)
    assert ("NOT NOW" in text) is (mode is not Mode.LIVE)
    assert f"{mode.value.upper()} 00:16:40" in text


@pytest.mark.asyncio
@pytest.mark.parametrize("width", [40, 80, 200])
async def test_a_long_sentence_is_cut_and_says_where_the_rest_is(width: int) -> None:
    text = await shown(scene(3, sentence="one word after the other " * 20), width, "recording, 1 KiB")
    assert text.splitlines()[-1].rstrip().endswith("(i)") and "✓ STABLE" in text
    assert "(i)" not in await shown(scene(3, sentence="short"), width)


@pytest.mark.asyncio
async def test_it_is_drawn_only_where_it_changes_and_in_the_colours_of_the_theme(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[int] = []

    app = OneBanner()
    async with app.run_test(size=(120, 10)) as pilot:
        app.banner.show(scene(3))
        await pilot.pause()
        monkeypatch.setattr(app.banner, "refresh", lambda: drawn.append(1))
        app.banner.show(scene(3))
        app.banner.show(replace(scene(3), at=1000.2))
        assert drawn == []
        app.banner.show(replace(scene(3), at=1001.0))
        app.banner.show(replace(scene(3), at=1001.0, mood=Mood.DEGRADED))
        assert len(drawn) == 2
        monkeypatch.undo()
        for name, theme in reversed(THEMES.items()):
            app.theme = PREFIX + name
            await pilot.pause()
            segments = [part for strip in app.screen._compositor.render_strips()[:1] for part in strip]
            inks = [str(part.style) for part in segments if "DEGRADED" in part.text]
            assert len(inks) == 1 and theme.warn in inks[0]
