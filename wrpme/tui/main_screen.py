"""The main screen: ring, nodes, events and shell, and the keys that lead from one to the other."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.events import DescendantBlur, DescendantFocus, Resize
from textual.geometry import Size
from textual.widget import Widget
from textual.widgets import Input

from wrpme.protocol.quoting import size_text
from wrpme.tui import keys
from wrpme.tui.dialogs import Page
from wrpme.tui.panes.banner import Banner
from wrpme.tui.panes.key_bar import KeyBar, bindings_of
from wrpme.tui.panes.legend import Legend
from wrpme.tui.panes.lines_view import LinesView
from wrpme.tui.panes.lists import EventsPane, ListPane, NodesPane
from wrpme.tui.panes.shell import ShellPane
from wrpme.tui.panes.trend import Trend, title_of
from wrpme.tui.ring.widget import RingWidget
from wrpme.tui.services import Services
from wrpme.tui.state.scene import Mode, NodeShown, NodeState, Scene
from wrpme.tui.terminal.selection import PaneScreen

_OF_NODE = {"logs", "stop", "leave", "forget"}
_LOCAL = {"kill", "pause", "restart", "add"}
_WHILE_TYPING = {"escape", "keys", "leave_app", "command_palette", "copy_value"}


class MainScreen(PaneScreen):
    """The screen below all others; ``services`` is the application."""

    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-medium"), (160, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (22, "-short"), (32, "-tall"), (50, "-huge")]
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(keys.KEYS)]
    DEFAULT_CSS = """
    MainScreen { layout: vertical; background: $background; }
    MainScreen #upper { height: 1fr; }
    MainScreen #lists { width: 1fr; }
    MainScreen #picture { width: 38; }
    MainScreen RingWidget { height: 1fr; }
    MainScreen.-low Legend { display: none; }
    MainScreen #shell { height: 6; border-top: solid $panel; border-title-color: $text-muted; padding: 0;
        border-title-style: bold; }
    MainScreen #shell:focus-within { border-top: solid $primary; border-title-color: $primary; }
    MainScreen.-medium #picture { width: 54; }
    MainScreen.-low Trend, MainScreen.-zoomed Trend { display: none; }
    MainScreen.-tall Trend { height: 4; }
    MainScreen.-huge Trend { height: 5; }
    MainScreen.-tall Trend, MainScreen.-huge Trend { border-top: solid $panel; border-title-color: $text-muted;
        border-title-style: bold; }
    MainScreen.-wide #picture { width: 46%; }
    MainScreen.-tall Banner, MainScreen.-huge Banner { height: 3; }
    MainScreen.-warned Banner { height: 3; }
    MainScreen.-tall.-warned Banner, MainScreen.-huge.-warned Banner { height: 4; }
    MainScreen.-tall #shell { height: 10; }
    MainScreen.-huge #shell { height: 16; }
    MainScreen.-replay #shell { display: none; }
    MainScreen ToastRack { margin-bottom: 7; }
    MainScreen.-tall ToastRack { margin-bottom: 11; }
    MainScreen.-huge ToastRack { margin-bottom: 17; }
    MainScreen.-low #events { display: none; }
    MainScreen.-low.-events #events { display: block; }
    MainScreen.-low.-events #nodes { display: none; }
    MainScreen.-not-now Banner, MainScreen.-not-now KeyBar { background: $past; }
    MainScreen.-not-now ListPane, MainScreen.-not-now.-tall Trend, MainScreen.-not-now.-huge Trend,
    MainScreen.-not-now #shell { border-top: solid $warning; }
    MainScreen.-zoomed .-folded { display: none; }
    MainScreen.-zoomed #shell.-grown { height: 1fr; }
    MainScreen.-zoomed #upper.-grown > * { display: none; }
    MainScreen.-zoomed #upper.-grown > #lists.-grown { display: block; }
    MainScreen.-zoomed #lists.-grown > .-grown { height: 1fr; display: block; }
    MainScreen.-zoomed #lists.-grown > .-hidden { display: none; }
    """

    def __init__(self, services: Services) -> None:
        super().__init__()
        self.services = services
        self.banner = Banner(id="banner")
        self.ring = RingWidget(id="ring")
        self.legend = Legend(services.history.path.parent, id="legend")
        self.nodes = NodesPane(id="nodes")
        self.events = EventsPane(id="events")
        self.trend = Trend(lambda what, since: self.services.timeline.series(None, what, since), id="trend")
        self._lit = True
        self._zoomed: Widget | None = None
        self._shown_in: Size | None = None
        self._useful: tuple[object, ...] = ()

    @property
    def shell(self) -> ShellPane:
        """The pane of the shell."""
        return self.query_one(ShellPane)

    @property
    def node(self) -> NodeShown | None:
        """The node that is selected."""
        return self.nodes.node

    def compose(self) -> ComposeResult:
        """Yields the widgets from top to bottom."""
        yield self.banner
        with Horizontal(id="upper"):
            with Vertical(id="picture"):
                yield self.ring
                yield self.legend
            with Vertical(id="lists"):
                yield self.nodes
                yield self.events
        yield self.trend
        shell = ShellPane(self.services.client, self.services.history, id="shell")
        shell.border_title = "SHELL"
        yield shell
        yield KeyBar()

    def on_mount(self) -> None:
        """Moves the keyboard to the shell, if there is one."""
        plain = self.services.plain
        self.ring.plain = self.nodes.plain = self.trend.plain = self.legend.plain = plain
        if self.services.client is not None:
            self.shell.focus_line()
        else:
            self.add_class("-replay")
            self.nodes.list.focus()

    def on_resize(self, event: Resize) -> None:
        """Shows the scene anew: what fits, and how high the lists are, hangs on the size of the terminal. The size that
        comes first was there before the scene."""
        if self._shown_in not in (None, event.size):
            self.call_after_refresh(lambda: self.show(self.services.scene))
        self._shown_in = event.size

    # --- what is shown -------------------------------------------------------------------------------------------

    def show(self, scene: Scene) -> None:
        """Shows another moment, or another state of it."""
        self.set_class(scene.mode is not Mode.LIVE, "-not-now")
        self.set_class(bool(scene.warning), "-warned")
        self.banner.show(scene)
        self.ring.show(scene)
        self.trend.border_title = title_of(scene)
        self.trend.show(scene)
        self.nodes.show(scene)
        if scene.mode is not Mode.LIVE:
            self.events.go_on()
        self.events.show(self.services.timeline.events(), {node.address: node.name for node in scene.nodes})
        self._light()
        self._share_room()
        self._renew_footer(scene)

    def _share_room(self) -> None:
        """Gives the table of nodes no more room than it needs, and the rest to the events."""
        count = len(self.services.scene.nodes)
        lists = self.query_one("#lists").size.height
        both = self._zoomed is None and not self.has_class("-low") and lists > 0
        height = min(count + 2, round(0.6 * lists)) if both else None
        self.nodes.styles.height = height if height is not None else "1fr"

    def _renew_footer(self, scene: Scene) -> None:
        """Lays the key bar out anew, but only if other keys are of use than before."""
        useful = (scene.mode, self.node and self.node.state)
        if useful != self._useful:
            self._useful = useful
            self.refresh_bindings()

    def on_nodes_pane_lit(self, event: NodesPane.Lit) -> None:
        """Lights the node at the cursor on the ring while the keyboard is in the table."""
        self._lit = True
        self._light()
        self._renew_footer(self.services.scene)

    def _light(self) -> None:
        node = self.nodes.node
        shown = self._lit and self._at_nodes and node is not None
        lit = node if shown else None
        self.ring.select(lit.id if lit is not None else None)
        self.legend.show(self.services.scene, lit)

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Follows the keyboard to another pane."""
        self._lit = self._lit or self._at_nodes
        self._light()
        self.refresh_bindings()

    def on_descendant_blur(self, event: DescendantBlur) -> None:
        """Follows the keyboard out of a pane."""
        self._light()

    def on_ring_widget_node_chosen(self, event: RingWidget.NodeChosen) -> None:
        """Selects the node that was clicked on."""
        self.remove_class("-events")
        self.nodes.list.focus()
        self.nodes.select(event.node_id)
        self._lit = True
        self._light()

    def on_lines_view_chosen(self, event: LinesView.Chosen) -> None:
        """Opens what was clicked twice; in the shell that does nothing."""
        if event.view in (self.nodes.list, self.events.list):
            self.action_open()

    def on_shell_pane_ran(self, event: ShellPane.Ran) -> None:
        """Shows the way of the request that a command made."""
        self.services.show_way(event.command)

    def on_shell_pane_left(self) -> None:
        """Leaves, because ``exit`` was entered."""
        self.action_leave_app()

    # --- which keys are of use -----------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Returns whether a key is of use here and now; key bar and help show no other."""
        if self.typing and action not in _WHILE_TYPING:
            return False
        return self.of_use(action)

    def of_use(self, action: str) -> bool:
        """Returns whether an action leads anywhere now, with the keyboard where it is."""
        services, node = self.services, self.node
        mode = services.timeline.mode
        if action == "add_machine":
            return services.local is None and mode is Mode.LIVE and self._at_nodes
        if action in _LOCAL:
            return services.local is not None and mode is Mode.LIVE and self._at_nodes
        if action in _OF_NODE:
            if mode is not Mode.LIVE or node is None or not self._at_nodes:
                return False
            return action == "logs" or (action == "forget") is (node.state is NodeState.DOWN)
        if action == "pause_time":
            return mode is Mode.REPLAY or (mode is Mode.LIVE and self.events.list.has_focus)
        if action == "keys":
            return self.typing
        if action == "nodes":
            return not self._at_nodes
        if action == "events":
            return not self.events.list.has_focus
        if action == "shell":
            return services.client is not None
        if action == "copy_value":
            return self.shell.value is not None
        return True

    @property
    def _at_nodes(self) -> bool:
        return self.nodes.list.has_focus

    @property
    def typing(self) -> bool:
        """Whether the keyboard is in a line: that of the shell, or a filter."""
        return isinstance(self.focused, Input)

    # --- from pane to pane ---------------------------------------------------------------------------------------

    def action_escape(self) -> None:
        """Goes one step back from wherever the keyboard is."""
        if self._zoomed is not None and not self.typing:
            self.action_zoom()
        elif self.typing:
            self.nodes.list.focus()
            self.remove_class("-events")
        elif self._list_pane.drop_filter() or self.nodes.drop_filter() or self.events.drop_filter():
            pass
        elif self._at_nodes and self._lit:
            self._lit = False
            self._light()
        elif self.services.client is not None:
            self.shell.focus_line()

    def action_shell(self) -> None:
        """Goes to the shell."""
        self._unzoom()
        self.shell.focus_line()

    def action_nodes(self) -> None:
        """Goes to the nodes."""
        self._unzoom()
        self.remove_class("-events")
        self.nodes.list.focus()

    def action_events(self) -> None:
        """Goes to the events."""
        self._unzoom()
        self.add_class("-events")
        self.call_after_refresh(self.events.list.focus)

    def action_zoom(self) -> None:
        """Lets the pane with the keyboard fill the screen, or shows all panes again."""
        if self._zoomed is not None:
            self._unzoom()
            return
        pane: Widget = self.shell if self.shell.has_focus_line else self._list_pane
        self._zoomed = pane
        self._share_room()
        self.add_class("-zoomed")
        upper, lists = self.query_one("#upper"), self.query_one("#lists")
        if pane is self.shell:
            upper.add_class("-folded")
            pane.add_class("-grown")
        else:
            self.shell.add_class("-folded")
            other: Widget = self.events if pane is self.nodes else self.nodes
            other.add_class("-hidden")
            for widget in (upper, lists, pane):
                widget.add_class("-grown")

    def _unzoom(self) -> None:
        if self._zoomed is not None:
            self._zoomed = None
            self.remove_class("-zoomed")
            for widget in self.query(".-grown, .-folded, .-hidden"):
                widget.remove_class("-grown", "-folded", "-hidden")
            self.call_after_refresh(self._share_room)

    @property
    def _list_pane(self) -> ListPane:
        return self.events if self.events.list.has_focus else self.nodes

    def action_filter(self) -> None:
        """Opens the filter of the list with the keyboard."""
        self._list_pane.open_filter()

    def action_sort(self, step: int) -> None:
        """Sorts the nodes by the next column."""
        self.nodes.sort_next()

    def action_reverse(self) -> None:
        """Turns the order of the nodes round."""
        self.nodes.sort(self.nodes.sorted_by)

    def action_copy(self) -> None:
        """Hands what the cursor is at to the clipboard: the event, or the address of the node."""
        event, node = self.events.event, self.node
        text = event.sentence if self.events.list.has_focus and event is not None else node.address if node else ""
        if text:
            self.services.copy(text, text)

    def action_copy_value(self) -> None:
        """Hands the value that the shell printed last to the clipboard."""
        if (value := self.shell.value) is not None:
            self.services.copy(value.decode("utf-8", "surrogateescape"), f"the value, {size_text(len(value))}")

    def action_legend(self) -> None:
        """Hides the line that explains the ring, or shows it again."""
        self.legend.toggle()

    def action_bookkeeping(self) -> None:
        """Shows the events of arcs and votes, or leaves them out."""
        self.events.toggle_bookkeeping()

    # --- windows -------------------------------------------------------------------------------------------------

    def action_help(self) -> None:
        """Shows all keys."""
        local, replay = self.services.local is not None, self.services.client is None
        plain = self.services.plain
        self.app.push_screen(Page("KEYS AND SIGNS", lambda width: keys.help_text(local, replay, plain, width)))

    def action_keys(self) -> None:
        """Shows all keys while typing."""
        self.action_help()

    def action_condition(self) -> None:
        """Shows the whole sentence about the hive."""
        scene = self.services.scene
        self.app.push_screen(Page(scene.mood.value, scene.sentence.replace("; ", ";\n")))

    def action_theme(self) -> None:
        """Changes to the next theme."""
        self.services.next_theme()

    def action_leave_app(self) -> None:
        """Closes the application."""
        self.services.leave()

    def action_open(self) -> None:
        """Opens the node, or goes to the moment of the event."""
        if self.events.list.has_focus:
            if (event := self.events.event) is not None:
                self.services.timeline.go_to_event(event)
                self.services.show_now()
        elif (node := self.node) is not None:
            self.services.open_node(node.id)

    def action_logs(self) -> None:
        """Opens the node at its log."""
        if (node := self.node) is not None:
            self.services.open_node(node.id, "log")

    # --- actions -------------------------------------------------------------------------------------------------

    def action_stop(self) -> None:
        """Stops the node in a planned way."""
        self._act("stop")

    def action_leave(self) -> None:
        """Lets the node leave for good."""
        self._act("leave")

    def action_forget(self) -> None:
        """Gives a dead node up."""
        self._act("forget")

    def _act(self, action: str) -> None:
        if (node := self.node) is not None:
            self.services.runner.ask(action, node, self.services.scene)

    def action_kill(self) -> None:
        """Kills the node (kill -9)."""
        self._local("kill")

    def action_pause(self) -> None:
        """Pauses the node (SIGSTOP), or lets it go on (SIGCONT)."""
        self._local("pause")

    def action_restart(self) -> None:
        """Starts the node again."""
        self._local("restart")

    def action_add(self) -> None:
        """Adds a node."""
        self._local("add")

    def action_add_machine(self) -> None:
        """Types the beginning of the command that starts a node on another machine."""
        self._unzoom()
        self.shell.put("node_start ")

    def _local(self, action: str) -> None:
        node = self.node
        if action == "add" or node is not None:
            self.services.runner.local(action, node.address if node else "")

    # --- time ----------------------------------------------------------------------------------------------------

    def action_pause_time(self) -> None:
        """Holds the events, or the replay, or lets them go on."""
        if self.services.timeline.mode is Mode.REPLAY:
            self.services.timeline.toggle()
            self.services.show_now()
        else:
            self.events.hold()
