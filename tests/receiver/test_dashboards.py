"""The alert rules and the Grafana dashboard in deploy/, held to what /metrics of a real receiver tells.

Where Prometheus's promtool is installed, it judges all expressions, and whether each alert comes.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families as parse

from hookline.embedded import EmbeddedRedis
from hookline.figures import read_figures
from hookline.ledger import Ended
from hookline.store import Change, Store

if TYPE_CHECKING:
    from conftest import Receiver

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/alerts.yml"
CONFIG = ROOT / "deploy/prometheus/prometheus.yml"
DASHBOARD = ROOT / "deploy/grafana/hookline.json"
PAGE = ROOT / "docs/metrics.md"
OF_PROMETHEUS = {"job", "instance"}
"""Labels that it adds to whatever it reads."""
_METRIC = re.compile(r"\b(hookline_\w+)(?:\{([^}]*)\})?")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPING = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")
Exposed = dict[str, set[str]]


@pytest.fixture
def exposed(
    redis: EmbeddedRedis,
    store: Store,
    start_receiver: Callable[..., Receiver],
    wait_for: Callable[[Callable[[], Any], str], Any],
    tmp_path: Path,
) -> Exposed:
    """Every name that a receiver with a spool tells after real deliveries, with the labels that it has."""
    receiver = start_receiver(redis.url, HOOKLINE_SPOOL__FOLDER=str(tmp_path / "spool"))
    answer = asyncio.run(receiver.post(receiver.delivery()))
    event_id = (answer.body or {})["id"]
    store.take("token", 10_000, [event_id], execution="job:token")
    change = Change(event_id, {"run:greet": "1"}, "done", ended=[Ended("greet", "done", 3)])
    store.record("token", [change])
    wait_for(lambda: read_figures(store).receivers, "the receiver's report")
    wait_for(lambda: read_figures(store).commits.count, "the tally")
    with urllib.request.urlopen(receiver.admin + "/metrics", timeout=30) as told:
        families = list(parse(told.read().decode()))
    found: Exposed = {}
    for sample in (sample for family in families for sample in family.samples):
        found.setdefault(sample.name, set()).update(sample.labels)
    return found


def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    alerts: list[dict[str, Any]] = group["rules"]
    return alerts


def panels() -> list[dict[str, Any]]:
    """The panels of the dashboard, but for the titles of its rows."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    """Every expression in both."""
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])


def problems(expression: str, exposed: Exposed) -> list[str]:
    """What this expression asks for that there isn't."""
    told = OF_PROMETHEUS.union(*(exposed.get(name, set()) for name, _ in _METRIC.findall(expression)))
    unknown = [name for name, _ in _METRIC.findall(expression) if name not in exposed]
    for name, selector in _METRIC.findall(expression):
        labels = exposed.get(name, set()) | OF_PROMETHEUS
        unknown += [f"{name}{{{label}}}" for label in _LABEL.findall(selector) if label not in labels]
    for grouping in _GROUPING.findall(expression):
        unknown += [label for label in map(str.strip, grouping.split(",")) if label not in told]
    return unknown


def test_rules_and_dashboard_ask_for_what_there_is(exposed: Exposed) -> None:
    """Each metric and each label of it; and a wrong one would be noticed."""
    assert len(list(expressions())) > 40
    assert [found for each in expressions() for found in problems(each, exposed)] == []
    wrong = 'max by (sauce) (rate(hookline_received_total{job="x", type="y"}[5m])) / hookline_recieved_total'
    assert problems(wrong, exposed) == [
        "hookline_recieved_total",
        "hookline_received_total{type}",
        "sauce",
    ]


def test_every_metric_is_in_the_docs_and_none_that_there_is_not(exposed: Exposed) -> None:
    """With its labels, in a row of docs/metrics.md."""
    rows = dict(re.findall(r"^\| `(hookline_\w+)` \|([^|]*)\|", PAGE.read_text(encoding="utf-8"), re.M))
    told: dict[str, set[str]] = {}
    for name, labels in exposed.items():
        told.setdefault(re.sub(r"_(bucket|sum|count)$", "", name), set()).update(labels - {"le"})
    assert {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows.items()} == told


def test_each_rule_says_what_is_wrong_and_how_bad_it_is() -> None:
    """Under a name of its own; a label that its text shows is left by its expression."""
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["alert"].startswith("Hookline")
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}
        shown = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        left = {label.strip() for each in _GROUPING.findall(rule["expr"]) for label in each.split(",")}
        assert shown <= left, rule["alert"]


def test_nothing_is_counted_twice_where_two_receivers_tell_the_same() -> None:
    """Nothing is summed but what is the greatest of equals, or the states within one answer."""
    for expression in expressions():
        for summed in re.findall(r"\bsum\b(?! without \(state\))[^(]*(?:\([^()]*\) )?\((\w+)", expression):
            assert summed == "max", expression


def test_the_dashboard_can_be_imported() -> None:
    """It asks for the data source, and its panels have ids and places of their own."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert [each["name"] for each in dashboard["templating"]["list"]] == ["datasource", "job"]
    assert dashboard["templating"]["list"][0]["type"] == "datasource"
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}"
        assert [target["datasource"]["uid"] for target in panel["targets"]] == (
            ["${datasource}"] * len(panel["targets"])
        )


def test_the_example_reads_the_admin_port_under_the_name_that_the_rules_know() -> None:
    """The job, and the file of the rules."""
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    (job,) = config["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["127.0.0.1:8081"]}]
    assert config["rule_files"] == [RULES.name]
    selected = {each for rule in rules() for each in re.findall(r'job="(\w+)"', rule["expr"])}
    assert selected == {job["job_name"]}


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    """A series of one sample a minute, as promtool takes it."""
    written = ", ".join(f'{label}="{value}"' for label, value in {"job": "hookline", **labels}.items())
    return {"series": f"{name}{{{written}}}", "values": values}


def both(name: str, values: str, **labels: str) -> list[dict[str, str]]:
    """What two receivers tell of the same."""
    return [series(f"hookline_{name}", values, instance=instance, **labels) for instance in ("a", "b")]


WELL = {
    "HooklineReceiversGone": [series("up", "1x60", instance="a"), series("up", "0x60", instance="b")],
    "HooklineRedisAway": [
        series("hookline_redis_up", "1x60", instance="a"),
        series("hookline_redis_up", "0x60", instance="b"),
    ],
    "HooklineRefusing": both("receivers", "0x60", state="refusing"),
    "HooklineNotCommitted": both("rejected_total", "7x60", source="m", reason="not_committed"),
    "HooklineSpooling": both("spool_events", "0x60", host="h", folder="/s"),
    "HooklineSpoolFilling": both("spool_bytes", "60x60", host="h", folder="/s")
    + both("spool_max_bytes", "100x60", host="h", folder="/s"),
    "HooklineWorkersGone": both("workers", "0x60", state="idle") + both("workers", "1x60", state="busy"),
    "HooklineBehind": both("oldest_waiting_seconds", "299x60", source="m"),
    "HooklineDeadLetters": both("dead_total", "7x60", source="m"),
    "HooklineActionFailing": both("runs_total", "0+10x60", action="x", outcome="done")
    + both("runs_total", "0+9x60", action="x", outcome="retrying")
    + both("runs_total", "0x60", action="x", outcome="dead"),
    "HooklineSignaturesRefused": both("rejected_total", "0+0.2x60", source="m", reason="signature"),
    "HooklineRedisNotSafe": both("redis_aof_enabled", "1x60") + both("redis_aof_last_write_ok", "1x60"),
    "HooklineRedisFull": both("redis_memory_bytes", "79x60") + both("redis_max_memory_bytes", "100x60"),
    "HooklineCommitsSlow": both("commit_seconds_bucket", "0+9x60", le="0.01")
    + both("commit_seconds_bucket", "0+9x60", le="+Inf"),
}
ILL = {
    "HooklineReceiversGone": [series("up", "0x60", instance="a"), series("up", "0x60", instance="b")],
    "HooklineRedisAway": both("redis_up", "0x60"),
    "HooklineRefusing": both("receivers", "1x60", state="refusing"),
    "HooklineNotCommitted": both("rejected_total", "0x28 1x30", source="m", reason="not_committed"),
    "HooklineSpooling": both("spool_events", "1x60", host="h", folder="/s"),
    "HooklineSpoolFilling": both("spool_bytes", "80x60", host="h", folder="/s")
    + both("spool_max_bytes", "100x60", host="h", folder="/s"),
    "HooklineWorkersGone": both("workers", "0x60", state="idle") + both("workers", "0x60", state="busy"),
    "HooklineBehind": both("oldest_waiting_seconds", "301x60", source="m"),
    "HooklineDeadLetters": both("dead_total", "7x25 8x30", source="m"),
    "HooklineActionFailing": both("runs_total", "0+10x60", action="x", outcome="done")
    + both("runs_total", "0+9x60", action="x", outcome="retrying")
    + both("runs_total", "0+2x60", action="x", outcome="dead"),
    "HooklineSignaturesRefused": both("rejected_total", "0+1x60", source="m", reason="signature"),
    "HooklineRedisNotSafe": both("redis_aof_enabled", "1x60") + both("redis_aof_last_write_ok", "0x60"),
    "HooklineRedisFull": both("redis_memory_bytes", "81x60") + both("redis_max_memory_bytes", "100x60"),
    "HooklineCommitsSlow": both("commit_seconds_bucket", "0+9x60", le="0.01")
    + both("commit_seconds_bucket", "0+10x60", le="5.0")
    + both("commit_seconds_bucket", "0+10x60", le="+Inf"),
}
"""By alert, what it comes of; above, what is so nearly but doesn't make it come."""


def firing(alert: str, inputs: list[dict[str, str]], count: int | None) -> dict[str, Any]:
    """A test for promtool: how many alerts of this name there are after half an hour."""
    expected = [] if count is None else [{"labels": "{}", "value": count}]
    asked = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})'
    return {
        "interval": "1m",
        "input_series": inputs,
        "promql_expr_test": [{"expr": asked, "eval_time": "30m", "exp_samples": expected}],
    }


def promtool(*arguments: str) -> None:
    """Have promtool judge, and fail with what it says."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian's package prometheus has it)")
    told = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr


def test_prometheus_takes_the_rules_the_example_and_the_dashboard_s_expressions(tmp_path: Path) -> None:
    """The last as if they were rules, with what Grafana puts in place of its variables."""
    written = [
        {"record": f"panel:{number}", "expr": each.replace("$__rate_interval", "1m").replace("$job", ".*")}
        for number, each in enumerate(expressions())
    ]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": written}]}), encoding="utf-8")
    promtool("check", "rules", str(RULES), str(file))
    promtool("check", "config", str(CONFIG))


def test_each_alert_comes_when_it_should_and_once(tmp_path: Path) -> None:
    """And not where it is all but so. There is one such pair for each rule."""
    assert WELL.keys() == ILL.keys() == {rule["alert"] for rule in rules()}
    tests = [firing(alert, inputs, None) for alert, inputs in WELL.items()]
    tests += [firing(alert, inputs, 1) for alert, inputs in ILL.items()]
    without_limit = both("redis_memory_bytes", "81x60") + both("redis_max_memory_bytes", "0x60")
    tests.append(firing("HooklineRedisFull", without_limit, None))
    file = tmp_path / "alerts.yml"
    content = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    promtool("test", "rules", str(file))
