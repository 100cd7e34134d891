"""What INFO tells of commands: calls, errors, how long they took."""

from __future__ import annotations

from tests.daemon.redis.test_pipeline import Way, at_once
from wrpme.daemon.net.redis.figures import ERRORS_MAX, Figures
from wrpme.errors import IndeterminateError
from wrpme.protocol.messages import Content, Done, Failed


def told(way: Way, name: str) -> str:
    """What is counted of a command, without times."""
    lines = dict(way.client.figures.commandstats())
    found = lines.get(f"cmdstat_{name}", "")
    return ",".join(part.partition("=")[2] for part in found.split(",") if not part.startswith("usec"))


def test_calls_rejections_and_failures() -> None:
    way = Way()
    way.take("PING", "PING", "get", "INCRBY a x", "CLIENT GETNAME", "CLIENT KILL", "NONE 1", "CLIENT NONE")
    assert told(way, "ping") == "2,0,0" and told(way, "get") == "0,1,0" and told(way, "incrby") == "1,0,1"
    assert told(way, "client|getname") == "1,0,0" and told(way, "client|kill") == "0,1,0" and told(way, "none") == ""
    assert dict(way.client.figures.errorstats()) == {"errorstat_ERR": "count=5"}
    assert way.client.figures.calls == 4 and way.client.figures.errors == 5
    way.take("CONFIG RESETSTAT")
    assert told(way, "ping") == "" and told(way, "config|resetstat") == "1,0,0" and not way.client.figures.errors


def test_what_the_node_answers() -> None:
    way = Way()
    way.take("GET a", "SET b 1", "GET c")
    way.seconds = 0.5
    way.reply(0, Content(0, b"x"))
    way.seconds = 2.0
    way.fails(2, IndeterminateError("x"))
    way.reply(1, Done(0))
    assert told(way, "get") == "2,0,1" and told(way, "set") == "1,0,0"
    (get, set_) = way.client.figures.commandstats()
    assert "usec=2500000,usec_per_call=1250000.00" in get[1] and "usec=2000000," in set_[1]
    assert dict(way.client.figures.errorstats()) == {"errorstat_INDETERMINATE": "count=1"}
    ((name, line), _) = way.client.figures.latencystats()
    assert name == "latency_percentiles_usec_get" and [part.partition("=")[0] for part in line.split(",")] == [
        "p50", "p99", "p99.9",
    ]  # fmt: skip


def test_the_fast_path_counts_the_same() -> None:
    way = Way()
    at_once(way, a=b"1")
    way.take("GET a", "GET b", "SET a 1", "SET b 1", "SET c 1")
    way.pipeline.burst_done(1, [Failed(1, IndeterminateError.code, "x")], 0.25)
    assert told(way, "get") == "2,0,0" and told(way, "set") == "3,0,1"
    way.take("SET a 2", "SET b 2")
    way.pipeline.burst_done(4, (), 0.5)
    assert told(way, "set") == "5,0,1"


def test_commands_of_a_transaction_are_counted_when_it_is_carried_out() -> None:
    way = Way()
    way.take("MULTI", "PING", "SET a", "EXEC")
    assert told(way, "ping") == "" and told(way, "set") == "0,1,0" and told(way, "exec") == "1,0,1"
    assert dict(way.client.figures.errorstats()) == {"errorstat_ERR": "count=1", "errorstat_EXECABORT": "count=1"}
    way.take("MULTI", "PING", "TIME", "EXEC")
    assert told(way, "ping") == "1,0,0" and told(way, "exec") == "2,0,1" and told(way, "multi") == "2,0,0"


def test_kinds_of_errors_are_bounded() -> None:
    figures = Figures()
    for number in range(ERRORS_MAX + 10):
        figures.answered("", b"-E%d x\r\n" % number, 0.0)
    assert len(dict(figures.errorstats())) == ERRORS_MAX == figures.errors
