"""deploy/kubernetes: the manifests fit each other, the image, and the settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hookline.cli.plugin_report import read_plugins
from hookline.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
OURS = ("receiver", "worker", "console")
SECRETS = "/run/secrets/hookline"

Object = dict[str, Any]


def read(name: str) -> list[Object]:
    """The objects of a file."""
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


KUSTOMIZATION = read("kustomization.yaml")[0]
OPTIONAL = ("ingress.yaml", "keda.yaml", "secret.example.yaml")
OBJECTS = [each for name in (*KUSTOMIZATION["resources"], *OPTIONAL) for each in read(name)]


def kind(*kinds: str) -> list[Object]:
    """Every object of these kinds."""
    return [each for each in OBJECTS if each["kind"] in kinds]


def named(kind_: str, name: str) -> Object:
    """The one object of this kind and name."""
    (found,) = (each for each in kind(kind_) if each["metadata"]["name"] == name)
    return found


def labels(role: str) -> dict[str, str]:
    """What its pods are known by."""
    return {"app.kubernetes.io/name": "hookline", "app.kubernetes.io/component": role}


WORKLOADS = {
    each["metadata"]["labels"]["app.kubernetes.io/component"]: each
    for each in kind("Deployment", "StatefulSet")
}


def pod(role: str) -> Object:
    """The pod of a role."""
    spec: Object = WORKLOADS[role]["spec"]["template"]["spec"]
    return spec


def container(role: str) -> Object:
    """Its one container."""
    (only,) = pod(role)["containers"]
    found: Object = only
    return found


def ports(role: str) -> dict[str, int]:
    """The container's ports by their names."""
    return {port["name"]: port["containerPort"] for port in container(role).get("ports", ())}


def environment(role: str) -> dict[str, str]:
    """The variables that the container is given as they are."""
    return {each["name"]: each["value"] for each in container(role)["env"] if "value" in each}


def settings(role: str) -> Settings:
    """The settings as that container reads them."""
    return load_settings(FOLDER / "hookline.toml", environ=environment(role))


def mounts(role: str) -> dict[str, Object]:
    """What is mounted, by the path: the volume, or the claim of it."""
    volumes = {each["name"]: each for each in pod(role)["volumes"]}
    claims = {
        each["metadata"]["name"]: each for each in WORKLOADS[role]["spec"].get("volumeClaimTemplates", ())
    }
    assert not volumes.keys() & claims.keys()
    return {each["mountPath"]: (volumes | claims)[each["name"]] for each in container(role)["volumeMounts"]}


def secret_files(role: str) -> dict[str, str]:
    """The secrets that the container can read: the reference to each, and its key."""
    source = mounts(role)[SECRETS]["secret"]
    assert source["secretName"] == named("Secret", "hookline")["metadata"]["name"]
    return {f"file:{SECRETS}/{item['path']}": item["key"] for item in source["items"]}


def test_every_file_is_in_the_kustomization_or_left_to_choose() -> None:
    """And every file that it names is there."""
    generated = [file for each in KUSTOMIZATION["configMapGenerator"] for file in each["files"]]
    named_ = {*KUSTOMIZATION["resources"], *generated, *OPTIONAL, "kustomization.yaml"}
    there = {str(file.relative_to(FOLDER)) for file in FOLDER.rglob("*") if file.suffix != ".pyc"}
    assert named_ == there - {"plugins", "plugins/__pycache__", "secret.yaml"}
    text = (FOLDER / "kustomization.yaml").read_text()
    assert [name for name in OPTIONAL[:2] if f"#- {name} #" not in text] == []


def test_nothing_says_a_namespace() -> None:
    """It is the one that kubectl is told of."""
    assert [each["metadata"]["name"] for each in OBJECTS if "namespace" in each["metadata"]] == []


def test_no_secret_is_in_it() -> None:
    """The example has the keys and no values."""
    assert set(named("Secret", "hookline")["stringData"].values()) == {""}
    assert [each for each in KUSTOMIZATION["resources"] if "secret" in each] == []


@pytest.mark.parametrize("role", ["redis", *OURS])
def test_a_workload_selects_its_own_pods(role: str) -> None:
    """As does everything else that names them."""
    workload = WORKLOADS[role]
    assert workload["spec"]["selector"]["matchLabels"] == labels(role)
    assert workload["spec"]["template"]["metadata"]["labels"] == labels(role)
    assert workload["metadata"]["labels"] == labels(role)


def test_every_selector_finds_pods() -> None:
    """Of services, budgets, policies and spreading."""
    wanted = [service["spec"]["selector"] for service in kind("Service")]
    wanted += [each["spec"]["selector"]["matchLabels"] for each in kind("PodDisruptionBudget")]
    wanted += [each["labelSelector"]["matchLabels"] for each in pod("receiver")["topologySpreadConstraints"]]
    assert wanted
    assert [each for each in wanted if each not in [labels(role) for role in WORKLOADS]] == []


def test_every_port_that_is_named_is_a_containers() -> None:
    """Those of services, of probes and of the policies."""
    for service in kind("Service"):
        role = service["spec"]["selector"]["app.kubernetes.io/component"]
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports(role).keys()
    for role in WORKLOADS:
        probes = [container(role).get(name) for name in ("readinessProbe", "livenessProbe")]
        asked = {probe["httpGet"]["port"] for probe in probes if probe and "httpGet" in probe}
        assert asked <= ports(role).keys()
    assert named("NetworkPolicy", "hookline-redis")["spec"]["ingress"][0]["ports"] == [
        {"port": ports("redis")["redis"]}
    ]


@pytest.mark.parametrize("role", OURS)
def test_the_variables_are_settings_and_the_file_can_be_read(role: str) -> None:
    """Where it is mounted, with the Redis of these manifests, and a source."""
    read_ = settings(role)
    folder, _, file = environment(role)["HOOKLINE_CONFIG"].rpartition("/")
    generator = {each["name"]: each["files"] for each in KUSTOMIZATION["configMapGenerator"]}
    assert file in generator[mounts(role)[folder]["configMap"]["name"]]
    assert read_.redis.url == f"redis://hookline-redis:{ports('redis')['redis']}/0"
    assert list(read_.sources) == ["misskey"]


def test_the_settings_have_the_ports_of_the_containers() -> None:
    """At every address, since what comes to a container comes to its own."""
    receiver, console = settings("receiver").receiver, settings("console").console
    assert {"http": receiver.port, "admin": receiver.admin_port} == ports("receiver")
    assert {"console": console.port} == ports("console")
    assert {receiver.host, receiver.admin_host, console.host} == {"0.0.0.0"}


def test_every_secret_that_is_referred_to_is_mounted_where_it_is_needed() -> None:
    """And nowhere else: the worker verifies nothing, so it isn't given the senders' secrets."""
    read_ = settings("receiver")
    redis, console = read_.redis.password, read_.console.password
    senders = {secret for source in read_.sources.values() for secret in source.secrets}
    assert {"worker": {redis}, "console": {redis, console}, "receiver": {redis, *senders}} == {
        role: set(secret_files(role)) for role in OURS
    }
    keys = {key for role in OURS for key in secret_files(role).values()}
    assert keys == set(named("Secret", "hookline")["stringData"])
    (from_secret,) = (
        each["valueFrom"]["secretKeyRef"] for each in container("redis")["env"] if "valueFrom" in each
    )
    assert from_secret == {"name": "hookline", "key": secret_files("worker")[str(redis)]}


def test_what_is_mounted_from_a_config_map_is_generated() -> None:
    """Under that name; kustomize puts the hash to it, in both places."""
    generated = {each["name"] for each in KUSTOMIZATION["configMapGenerator"]}
    used = {
        each["configMap"]["name"]
        for role in WORKLOADS
        for each in pod(role)["volumes"]
        if "configMap" in each
    }
    assert used == generated


def test_the_redis_is_that_of_compose() -> None:
    """The same settings, the password through standard input, and more memory than it fills."""

    def directives(file: Path) -> list[str]:
        return [line for line in file.read_text().splitlines() if line and not line.startswith("#")]

    assert directives(FOLDER / "redis.conf") == directives(ROOT / "deploy" / "redis.conf")
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["redis"]
    assert container("redis")["image"] == compose["image"]
    assert [part.replace("$$", "$") for part in compose["command"]] == container("redis")["command"]
    assert environment("redis")["REDIS_MAXMEMORY"] in compose["environment"]["REDIS_MAXMEMORY"]
    assert mounts("redis")["/data"]["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_what_the_receiver_spools_is_on_a_volume_that_stays() -> None:
    """A pod that is deleted while Redis is away must not take with it what was answered 202."""
    folder = settings("receiver").spool.folder
    assert WORKLOADS["receiver"]["kind"] == "StatefulSet"
    claim = mounts("receiver")[str(folder)]["spec"]
    size = re.fullmatch(r"(\d+)Gi", claim["resources"]["requests"]["storage"])
    assert size
    assert int(size[1]) * 2**30 > settings("receiver").spool.max_bytes * 1.1


def test_a_stop_waits_for_longer_than_the_processes_take() -> None:
    """Or the kubelet would kill what is about to be handed over."""
    receiver, worker = settings("receiver").receiver, settings("worker").worker
    pause = int(container("receiver")["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod("receiver")["terminationGracePeriodSeconds"] > pause + receiver.shutdown_seconds + 5
    assert pod("worker")["terminationGracePeriodSeconds"] > worker.shutdown_seconds + worker.slice_seconds


@pytest.mark.parametrize("role", ["redis", *OURS])
def test_every_container_runs_restricted(role: str) -> None:
    """As Kubernetes' own profile `restricted` asks for, on a root file system that nobody writes to."""
    context = container(role)["securityContext"]
    assert context == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    of_pod = pod(role)["securityContext"]
    assert of_pod["runAsNonRoot"] is True
    assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert of_pod["runAsUser"] == of_pod["fsGroup"] == (999 if role == "redis" else 10001)
    assert pod(role)["automountServiceAccountToken"] is False
    assert pod(role)["enableServiceLinks"] is False, "Kubernetes would set HOOKLINE_… variables"
    assert "limits" in container(role)["resources"]


@pytest.mark.parametrize("role", OURS)
def test_ours_are_the_image_and_its_user(role: str) -> None:
    """That of the Dockerfile, and the folders that are writable in it."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"USER {pod(role)['securityContext']['runAsUser']}:" in dockerfile
    assert container(role)["image"] in [image["name"] for image in KUSTOMIZATION["images"]]
    assert container(role)["args"] == [role]
    assert "command" not in container(role), "the image's entry point installs what plugins require"
    assert pod(role)["shareProcessNamespace"] is True, "what an action leaves behind is waited for by nobody"


def test_the_worker_finds_its_plugins_where_it_looks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Laid out as the kubelet mounts a ConfigMap: links to a folder that has another name each time."""
    (place,) = settings("worker").worker.plugins
    assert "WORKDIR /hookline\n" in (ROOT / "Dockerfile").read_text()
    assert mounts("worker")[f"/hookline/{place}"]["configMap"]["name"] == "hookline-plugins"
    mounted, data = tmp_path / "plugins", tmp_path / "plugins" / "..2026_01_02"
    data.mkdir(parents=True)
    (mounted / "..data").symlink_to(data.name)
    (files,) = (
        each["files"] for each in KUSTOMIZATION["configMapGenerator"] if each["name"] == "hookline-plugins"
    )
    for file in files:
        name = Path(file).name
        (data / name).write_text((FOLDER / file).read_text())
        (mounted / name).symlink_to(f"..data/{name}")
    monkeypatch.chdir(tmp_path)
    report = read_plugins()
    assert report.problems == ()
    assert {action.name for action in report.actions} == {"hello.greet", "hello.welcome"}


def test_nothing_that_a_worker_is_scaled_by_fixes_its_number() -> None:
    """Else each `kubectl apply` would bring it back to that."""
    assert "replicas" not in WORKLOADS["worker"]["spec"]


def test_the_world_reaches_the_hooks_and_nothing_else() -> None:
    """No service is published but by the Ingress, and Redis, workers and console are closed to other pods."""
    assert {service["spec"].get("type", "ClusterIP") for service in kind("Service")} == {"ClusterIP"}
    (rule,) = named("Ingress", "hookline-receiver")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["path"] == "/hooks/"
    service = named("Service", path["backend"]["service"]["name"])
    (port,) = service["spec"]["ports"]
    assert port["name"] == path["backend"]["service"]["port"]["name"]
    assert (service["spec"]["selector"], port["targetPort"]) == (labels("receiver"), "http")
    open_to_all = [
        (role, rule["ports"])
        for policy in kind("NetworkPolicy")
        for rule in policy["spec"].get("ingress", ())
        if "from" not in rule
        for role in _roles(policy["spec"]["podSelector"])
    ]
    assert open_to_all == [("receiver", [{"port": ports("receiver")["http"]}])]


def test_every_pod_has_a_policy_that_closes_what_it_does_not_open() -> None:
    """A pod that no policy selects is open to the whole cluster."""
    selected = [
        role
        for policy in kind("NetworkPolicy")
        if "Ingress" in policy["spec"]["policyTypes"]
        for role in _roles(policy["spec"]["podSelector"])
    ]
    assert sorted(selected) == sorted(WORKLOADS)


def test_keda_asks_for_the_backlog_and_scales_the_workers() -> None:
    """From its own namespace, so by a name that has Hookline's; never to none, and down with patience."""
    (scaled,) = kind("ScaledObject")
    spec = scaled["spec"]
    assert spec["scaleTargetRef"]["name"] == WORKLOADS["worker"]["metadata"]["name"]
    assert 1 <= spec["minReplicaCount"] < spec["maxReplicaCount"]
    (trigger,) = spec["triggers"]
    url = re.fullmatch(r"http://([\w-]+)\.default\.svc:(\d+)/backlog", trigger["metadata"]["url"])
    assert url
    assert int(url[2]) in [port["port"] for port in named("Service", url[1])["spec"]["ports"]]
    assert int(url[2]) == ports("receiver")["admin"], "the service is headless, so its port is the pod's"
    assert {"keda"} <= set(_namespaces(named("NetworkPolicy", "hookline-receiver")))


def test_the_alarms_watch_every_receiver() -> None:
    """By the names that the StatefulSet gives them."""
    workload = WORKLOADS["receiver"]
    name, service = workload["metadata"]["name"], workload["spec"]["serviceName"]
    port = ports("receiver")["admin"]
    expected = [f"http://{name}-{n}.{service}:{port}" for n in range(workload["spec"]["replicas"])]
    assert list(settings("console").alarms.receivers) == expected
    assert named("Service", service)["spec"]["clusterIP"] == "None"


def _roles(selector: Object) -> list[str]:
    """The components that a policy's selector names."""
    if "app.kubernetes.io/component" in selector["matchLabels"]:
        return [selector["matchLabels"]["app.kubernetes.io/component"]]
    (expression,) = selector["matchExpressions"]
    values: list[str] = expression["values"]
    return values


def _namespaces(policy: Object) -> Iterator[str]:
    for rule in policy["spec"]["ingress"]:
        for peer in rule.get("from", ()):
            for expression in peer.get("namespaceSelector", {}).get("matchExpressions", ()):
                yield from expression["values"]
