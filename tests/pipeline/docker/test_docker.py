"""The compose file for real: sent to, looked into, broken, stopped. Skips without an engine."""

from __future__ import annotations

import contextlib
import http.client
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Stack
    from hookline.senders import Outgoing

pytestmark = pytest.mark.docker

OURS = ("receiver", "worker")


def post(connection: http.client.HTTPConnection, path: str, delivery: Outgoing) -> http.client.HTTPResponse:
    """Send the delivery there; the answer, its body still to be read."""
    headers = {name.decode(): value.decode("latin-1") for name, value in delivery.headers}
    connection.request("POST", path, delivery.body, headers)
    return connection.getresponse()


def deliver(
    connection: http.client.HTTPConnection, path: str, delivery: Outgoing
) -> tuple[int, dict[str, Any]]:
    """Send it; the answer's status and JSON, which is empty where the answer is not Hookline's."""
    with contextlib.closing(connection):
        answer = post(connection, path, delivery)
        content = answer.read()
        return answer.status, json.loads(content) if content.startswith(b"{") else {}


def test_a_delivery_to_the_published_port_is_done(stack: Stack) -> None:
    """A signed delivery is answered 202, and the plugin runs on it, with the package that it requires."""
    delivery = stack.delivery("esa", "post_create", 1)
    status, answer = deliver(stack.through_receiver(), "/hooks/esa", delivery)
    assert (status, answer.get("status")) == (202, "queued")
    stack.wait_for(lambda: stack.is_done(answer["id"]), "the event to be done")
    assert stack.inside("worker", "cat", "data/esa.post_create") == "hello"


def test_the_edge_spreads_deliveries_over_the_receivers(stack: Stack) -> None:
    """Through TLS, any replica takes a delivery, and any replica knows a repeat."""
    deliveries = [stack.delivery("esa", "post_create", number) for number in range(100, 110)]
    for said in ("queued", "duplicate"):
        answers = [deliver(stack.through_edge(), "/hooks/esa", delivery) for delivery in deliveries]
        assert {(status, answer.get("status")) for status, answer in answers} == {(202, said)}
    for event_id in [answer["id"] for _, answer in answers]:
        stack.wait_for(lambda event_id=event_id: stack.is_done(event_id), "the deliveries to be done")


def test_plain_http_at_the_edge_is_redirected_without_losing_the_method(stack: Stack) -> None:
    """308, since Misskey follows a 301 or 302 with a GET."""
    plain = http.client.HTTPConnection("localhost", stack.port("edge", 80), timeout=10)
    with contextlib.closing(plain):
        answer = post(plain, "/hooks/misskey", stack.delivery("misskey", "note", 1))
        assert (answer.status, answer.headers["Location"]) == (308, "https://localhost/hooks/misskey")


def test_the_edge_leads_to_the_hooks_alone(stack: Stack) -> None:
    """Health and whatever else a receiver may answer one day are not for the world."""
    for path in ("/", "/readyz", "/healthz", "/hooks"):
        assert deliver(stack.through_edge(), path, stack.delivery("misskey", "note", 1)) == (404, {})


def test_our_containers_run_without_rights(stack: Stack) -> None:
    """Not root, nothing to write to but /tmp and the volumes, no capability, and no way to get one."""
    for container in stack.containers(*OURS):
        host = container["HostConfig"]
        assert (host["ReadonlyRootfs"], host["CapDrop"], host["Init"]) == (True, ["ALL"], True)
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
    for service in OURS:
        assert stack.inside(service, "id", "-u") == "10001"
        assert stack.inside(service, "sh", "-c", "touch /hookline/x 2>/dev/null || echo refused") == "refused"


def test_the_others_run_without_rights_too(stack: Stack) -> None:
    """Redis as its own user; the edge may bind low ports, and no more."""
    for container in stack.containers("redis", "edge"):
        host = container["HostConfig"]
        assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])
    assert stack.inside("redis", "id", "-un") == "redis"
    (edge,) = stack.containers("edge")
    assert edge["HostConfig"]["CapAdd"] == ["NET_BIND_SERVICE"]


def test_redis_is_out_of_reach_without_its_network_and_password(stack: Stack) -> None:
    """Its port is not published, its network leads nowhere, and it answers nobody without the password."""
    (container,) = stack.containers("redis")
    assert not any(container["NetworkSettings"]["Ports"].values())
    (network,) = container["NetworkSettings"]["Networks"]
    assert stack.is_internal(network)
    assert stack.inside("redis", "redis-cli", "PING").startswith("NOAUTH")


def test_redis_keeps_what_it_is_told_to(stack: Stack) -> None:
    """Every commit on the disk before it is answered, and nothing dropped to make room."""
    said = stack.redis("CONFIG", "GET", "append*", "maxmemory*").split()
    settings = dict(zip(said[::2], said[1::2], strict=True))
    expected = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
    assert expected.items() <= settings.items()
    assert settings["maxmemory"] == str(512 * 1024 * 1024)


def test_the_command_line_sees_it_all(stack: Stack) -> None:
    """Settings, secrets, Redis and plugins are right for `check`, and `send` finds the receivers."""
    assert "0 wrong" in stack.compose("run", "--rm", "-T", "cli", "check")
    assert "202" in stack.compose("run", "--rm", "-T", "cli", "send", "misskey", "followed")


def test_secrets_are_where_they_are_needed_and_nowhere_else(stack: Stack) -> None:
    """No sender's secret in the worker or in Redis; that and the password in no log and no process list."""
    for path in ("/hooks/misskey", "/hooks/nowhere"):
        deliver(stack.through_edge(), path, stack.delivery("misskey", "note", 2))
    (worker, *_) = stack.containers("worker")
    environment = "\n".join(worker["Config"]["Env"])
    kept = stack.inside("redis", "sh", "-c", "cat /data/appendonlydir/*")
    for secret in stack.senders.values():
        assert secret not in environment
        assert secret not in kept
    said = stack.logs()
    processes = [stack.inside(service, "sh", "-c", "cat /proc/*/cmdline") for service in ("redis", *OURS)]
    for secret in (*stack.senders.values(), stack.password):
        assert secret not in said
        assert secret not in "".join(processes)


def test_a_change_of_scale_keeps_what_runs(stack: Stack) -> None:
    """More workers come up beside the others, with the requirements that are already there."""
    before = {container["Id"] for container in stack.containers("worker")}
    stack.compose(
        "up", "--detach", "--no-recreate", "--scale", "worker=3", "--scale", "receiver=2", seconds=90
    )
    stack.wait_for(lambda: stack.is_healthy("worker"), "three healthy workers")
    after = {container["Id"] for container in stack.containers("worker")}
    assert (len(after), before < after) == (3, True)
    assert stack.logs().count("installing plugins/requirements.txt") == 1


def test_a_killed_redis_has_everything_that_was_answered(stack: Stack) -> None:
    """kill -9 right after a 202; started again, the event is done, and so is what was spooled meanwhile."""
    delivery = stack.delivery("esa", "post_create", 2)
    status, answer = deliver(stack.through_edge(), "/hooks/esa", delivery)
    stack.compose("kill", "redis")
    assert status == 202
    spooled = deliver(stack.through_edge(), "/hooks/esa", stack.delivery("esa", "post_create", 3))
    assert (spooled[0], spooled[1].get("status")) == (202, "queued")
    stack.compose("start", "redis")
    stack.wait_for(lambda: stack.is_healthy("redis"), "Redis to answer again")
    for event_id in (answer["id"], spooled[1]["id"]):
        stack.wait_for(lambda event_id=event_id: stack.is_done(event_id), "the event to be done")
    stack.wait_for(lambda: stack.is_healthy("receiver"), "the receivers to be ready again")
    assert deliver(stack.through_edge(), "/hooks/esa", delivery) == (202, {**answer, "status": "duplicate"})


def test_stopping_is_graceful(stack: Stack) -> None:
    """Everything ends by itself, with status 0, before the engine would kill it."""
    stack.compose("stop", seconds=90)
    states = [container["State"] for container in stack.containers("redis", "edge", *OURS)]
    assert {(state["Status"], state["ExitCode"]) for state in states} == {("exited", 0)}
