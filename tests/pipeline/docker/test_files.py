"""What matters most of the Docker files, read as text: these hold where there is no Docker to try them."""

from __future__ import annotations

import re
from pathlib import Path

from hookline.settings import load_settings

ROOT = Path(__file__).parents[3]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
_SERVICES = COMPOSE[COMPOSE.index("\nservices:\n") : COMPOSE.index("\nnetworks:\n")]
SERVICES = dict(re.findall(r"^  (\w+):\n((?:    .*\n|  #.*\n|\n)+)", _SERVICES, re.MULTILINE))


def grace_seconds(service: str) -> int:
    """How long the engine waits for a service that it has asked to stop."""
    return int(re.findall(r"stop_grace_period: (\d+)s", SERVICES[service])[0])


def test_only_receiver_console_and_edge_publish_ports() -> None:
    """And two of them to this machine alone."""
    assert [name for name, text in SERVICES.items() if "ports:" in text] == ["receiver", "console", "edge"]
    assert 'ports: ["127.0.0.1:${CONSOLE_PORT:-8090}:8090"]' in SERVICES["console"]
    assert 'ports: ["127.0.0.1:${HOOKLINE_PORT:-8080}:8080"]' in SERVICES["receiver"]


def test_redis_never_forgets_what_was_answered() -> None:
    """Every write on the disk before it is answered; none dropped to make room; kept in a volume."""
    conf = (ROOT / "deploy/redis.conf").read_text(encoding="utf-8")
    settings = dict(re.findall(r"^(\S+) (.+)$", conf, re.MULTILINE))
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "always"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["dir"] == "/data"
    assert "redis-data:/data" in SERVICES["redis"]


def test_redis_is_within_reach_of_ours_alone() -> None:
    """No port, a network of its own without a way out, a password, and its own guards left on."""
    networks = COMPOSE[COMPOSE.index("\nnetworks:\n") : COMPOSE.index("\nvolumes:\n")]
    assert re.search(r"^  store:\n    internal: true$", networks, re.MULTILINE)
    assert "ports:" not in SERVICES["redis"]
    assert "networks: [store]" in SERVICES["redis"]
    assert [name for name, text in SERVICES.items() if "<<: *hookline" in text] == [
        "receiver",
        "worker",
        "console",
        "cli",
    ]
    assert "store" not in SERVICES["edge"]
    assert 'requirepass "$$REDIS_PASSWORD"' in SERVICES["redis"]
    assert "REDIS_PASSWORD: ${REDIS_PASSWORD:?" in SERVICES["redis"]
    conf = (ROOT / "deploy/redis.conf").read_text(encoding="utf-8")
    for guard in ("protected-mode", "enable-debug-command", "enable-module-command", "bind", "user "):
        assert not re.search(rf"^{guard}", conf, re.MULTILINE), guard


def test_every_service_runs_restricted() -> None:
    """Directly, or as Hookline's own do."""
    restrictions = COMPOSE[COMPOSE.index("x-restrictions:") : COMPOSE.index("x-hookline:")]
    for line in ("read_only: true", "cap_drop: [ALL]", '"no-new-privileges:true"', "init: true"):
        assert line in restrictions
    assert "<<: *restrictions" in COMPOSE[COMPOSE.index("x-hookline:") : COMPOSE.index("x-settings:")]
    for name, text in SERVICES.items():
        assert "<<: *restrictions" in text or "<<: *hookline" in text, name
        assert "read_only: false" not in text, name


def test_the_worker_is_not_given_the_senders_secrets() -> None:
    """It verifies nothing."""
    assert [name for name, text in SERVICES.items() if "*senders" in text] == ["receiver", "cli"]
    assert "_SECRET" not in SERVICES["worker"]
    assert "_SECRET" not in SERVICES["console"]


def test_the_console_does_not_start_without_a_password() -> None:
    """Compose says so before anything runs; and nobody else is given it, but what checks it."""
    assert "CONSOLE_PASSWORD: ${CONSOLE_PASSWORD:?" in COMPOSE
    assert [name for name, text in SERVICES.items() if "*console" in text] == ["console", "cli"]


def test_a_stop_waits_for_longer_than_the_processes_take() -> None:
    """Or the engine would kill what is about to be handed over."""
    settings = load_settings(environ={})
    assert grace_seconds("receiver") > settings.receiver.shutdown_seconds
    assert grace_seconds("worker") > settings.worker.shutdown_seconds + settings.worker.slice_seconds


def test_what_the_receiver_spools_is_in_a_volume_that_its_user_can_write() -> None:
    """Its root file system is read-only, and gone with the container; `check` looks into the same one."""
    for service in ("receiver", "cli"):
        folder = environment(service)["HOOKLINE_SPOOL__FOLDER"]
        assert f"- spool:{folder}\n" in SERVICES[service]
        assert re.search(rf"--owner=hookline .*{folder}$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert re.search(r"^volumes:\n(  .*\n)*  spool:\n", COMPOSE, re.MULTILINE)


def test_what_compose_sets_are_settings() -> None:
    """Beside those of the file that one copies to begin with."""
    settings = load_settings(ROOT / "deploy/hookline.toml", environ=environment("receiver"))
    assert list(settings.sources) == ["misskey"]
    assert settings.redis.url == "redis://redis:6379/0"
    assert settings.redis.password == "env:REDIS_PASSWORD"
    assert (settings.receiver.host, settings.receiver.port) == ("0.0.0.0", 8080)


def environment(service: str) -> dict[str, str]:
    """The settings that compose passes to a service."""
    shared = COMPOSE[COMPOSE.index("x-settings:") : COMPOSE.index("x-senders:")]
    given = re.findall(r"^\s+(HOOKLINE_\w+): (\S+)$", shared + SERVICES[service], re.MULTILINE)
    return {name: value.strip('"') for name, value in given}


def test_every_variable_that_compose_reads_is_in_the_example() -> None:
    """Or is one for trying things out."""
    read = set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE))
    told = set(re.findall(r"^#?(\w+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert read - told == {"EDGE_HTTP_PORT", "EDGE_HTTPS_PORT", "HOOKLINE_IMAGE"}
    assert told - read == {"COMPOSE_PROFILES"}
