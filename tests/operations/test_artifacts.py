"""The files of deploy/: they agree with the code and with each other, and the tools that read them accept them."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types of its own

from tests.cli.configurations import written
from tests.cli.test_configuration import invoke
from tests.cli.test_serve import until
from tests.redis_server import free_port
from tracegraph.http.routes.health import LIVE, READY

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
KUSTOMIZATION = DEPLOY / "kubernetes"
IN_CLUSTER = KUSTOMIZATION / "tracegraph.toml"
SCHEMAS = ROOT / "tests" / "schemas"
KUBERNETES = json.loads((SCHEMAS / "kubernetes-1.37.json").read_text(encoding="utf-8"))
KEYS = {"LANGSMITH_API_KEY": "x", "MEIBEL_API_KEY": "x"}


def resources() -> dict[str, Any]:
    """The manifests that the kustomization names, by kind."""
    names = yaml.safe_load((KUSTOMIZATION / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    found = [yaml.safe_load((KUSTOMIZATION / name).read_text(encoding="utf-8")) for name in names]
    return {manifest["kind"]: manifest for manifest in found}


MANIFESTS = resources()


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


# -- the container ---------------------------------------------------------------------------------------


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)$", CONTAINERFILE, re.MULTILINE)


def test_the_container_is_not_root_installs_by_hash_and_stops_with_sigterm() -> None:
    assert instructions("USER") == ["10001:10001"]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    assert "--require-hashes -r requirements/runtime.lock" in CONTAINERFILE
    assert instructions("ENTRYPOINT") == ['["tracegraph"]']


BUILD_CONTEXT = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()


def copy_build_context(folder: Path) -> None:
    """Copy what .dockerignore lets through."""
    for name in (line.removeprefix("!") for line in BUILD_CONTEXT if line.startswith("!")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)


def run_in_empty_environment(commands: Sequence[str], folder: Path, target: Path) -> None:
    """Run commands that install into /opt/tracegraph, with `target` in its place."""
    env = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(target.parent)}
    env |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    for step in commands:
        command = re.sub("python3? -m venv", f"{sys.executable} -m venv", step)
        command = command.replace("/opt/tracegraph", str(target))
        done = subprocess.run(
            ["sh", "-c", command], cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        if "No matching distribution" in done.stderr or "Temporary failure" in done.stderr:
            pytest.skip("no package index can be reached")
        assert done.returncode == 0, done.stderr


def test_the_build_context_has_no_environment_no_history_and_no_other_file() -> None:
    assert [line for line in BUILD_CONTEXT if not line.startswith(("#", "!"))] == ["*", "**/__pycache__"]


@pytest.mark.slow
def test_the_commands_of_the_page_install_the_wheel_in_an_empty_environment(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    commands = re.findall("^    (.+)$", page.partition("## Installing")[2].partition("\n## ")[0], re.MULTILINE)
    assert len(commands) == 4
    copy_build_context(tmp_path / "source")
    run_in_empty_environment(commands, tmp_path / "source", tmp_path / "opt")
    configuration = written(tmp_path, '[sources.nemo]\nvendor = "nemo"\nbase_url = "http://127.0.0.1:9"\n')
    check = [str(tmp_path / "opt" / "bin" / "tracegraph"), "config", "check", "--config", str(configuration)]
    assert "1 source, no authentication" in accepted(*check)


@pytest.mark.slow
def test_the_steps_of_the_container_install_a_gateway_that_its_health_check_finds(tmp_path: Path) -> None:
    """In place of an image: the same steps in an empty environment. They need a package index."""
    target, source = tmp_path / "opt", tmp_path / "source"
    copy_build_context(source)
    run_in_empty_environment(instructions("RUN"), source, target)
    port = free_port()
    env = {"PATH": f"{target}/bin", "TRACEGRAPH_CONFIG": str(DEPLOY / "compose.toml"), **KEYS}
    check = json.loads(instructions("HEALTHCHECK")[0].partition("CMD ")[2].replace("8000", str(port)))
    gateway = [str(target / "bin" / "tracegraph"), "serve", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(gateway, env=env, cwd=tmp_path)
    try:
        assert until(lambda: subprocess.run(check, env=env, capture_output=True, check=False).returncode == 0)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_the_composed_services_run_read_only_without_capabilities() -> None:
    assert COMPOSE["services"].keys() == {"gateway", "demo", "redis"}
    for service in COMPOSE["services"].values():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


def test_the_configuration_of_the_composed_gateway_is_valid() -> None:
    assert invoke("config", "check", "--config", str(DEPLOY / "compose.toml"), **KEYS).exit_code == 0


def test_the_composed_gateway_can_use_every_source_of_its_configuration_as_it_stands() -> None:
    """Its ports, workspace and keys are those of the simulated vendors. Only the ports are free ones here."""
    gateway, demo = COMPOSE["services"]["gateway"], COMPOSE["services"]["demo"]
    table = tomllib.loads((DEPLOY / "compose.toml").read_text(encoding="utf-8"))["sources"]
    names = ("nemo", "langsmith", "meibel")
    ports = {name: str(free_port()) for name in names}
    variables = {"TRACEGRAPH_CACHE__URL": "memory://", **gateway["environment"]}
    for name, port in zip(names, demo["entrypoint"][-3:], strict=True):
        url = table[name]["base_url"]
        assert f"http://127.0.0.1:{port}" in url
        variables[f"TRACEGRAPH_SOURCES__{name.upper()}__BASE_URL"] = url.replace(port, ports[name])
    process = subprocess.Popen([sys.executable, *demo["entrypoint"][1:4], *ports.values()])
    try:
        assert until(lambda: all(listens(port) for port in ports.values()))
        checked = json.loads(
            invoke("check", "--json", "--config", str(DEPLOY / "compose.toml"), **variables).stdout
        )
        assert {one["name"]: one["trouble"] for one in checked["sources"]} == dict.fromkeys(names)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def listens(port: str) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", int(port))) == 0


def test_the_composition_matches_the_published_schema() -> None:
    schema = json.loads((SCHEMAS / "compose-spec.json").read_text(encoding="utf-8"))
    assert [error.message for error in Draft202012Validator(schema).iter_errors(COMPOSE)] == []


def accepted(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# -- Kubernetes --------------------------------------------------------------------------------------------


def wrong_parts(manifest: dict[str, Any]) -> list[str]:
    """What the schema of its kind finds wrong in a manifest."""
    validator = Draft202012Validator({**KUBERNETES, "$ref": f"#/$defs/{manifest['kind']}"})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(manifest)]


@pytest.mark.parametrize("kind", MANIFESTS)
def test_each_manifest_matches_the_published_schema_of_its_kind(kind: str) -> None:
    assert wrong_parts(MANIFESTS[kind]) == []


def test_the_schemas_find_a_missing_a_wrong_and_an_unknown_part() -> None:
    for part, wrong in (("selector", None), ("replicas", "three"), ("replica", 3)):
        spec = {**MANIFESTS["Deployment"]["spec"], part: wrong}
        if wrong is None:
            del spec[part]
        assert wrong_parts(MANIFESTS["Deployment"] | {"spec": spec}) != []


@needs("kubectl")
def test_kubectl_builds_every_manifest_in_one_namespace_with_the_configuration_and_the_image() -> None:
    built = {one["kind"]: one for one in yaml.safe_load_all(accepted("kubectl", "kustomize", str(KUSTOMIZATION)))}
    assert built.keys() == MANIFESTS.keys() | {"ConfigMap"}
    assert {one["metadata"]["namespace"] for one in built.values()} == {"tracegraph"}
    assert [problem for one in built.values() for problem in wrong_parts(one)] == []
    assert built["ConfigMap"]["data"]["tracegraph.toml"] == IN_CLUSTER.read_text(encoding="utf-8")
    pod = built["Deployment"]["spec"]["template"]["spec"]
    assert pod["volumes"][0]["configMap"]["name"] == built["ConfigMap"]["metadata"]["name"]
    assert pod["containers"][0]["image"].startswith("registry.example.com/tracegraph:")


def test_the_deployment_probes_the_gateway_and_waits_for_its_drain() -> None:
    pod = MANIFESTS["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == container["startupProbe"]["httpGet"]["path"] == LIVE
    assert container["readinessProbe"]["httpGet"]["path"] == READY
    security = container["securityContext"]
    assert (security["readOnlyRootFilesystem"], security["allowPrivilegeEscalation"]) == (True, False)
    assert pod["securityContext"]["runAsNonRoot"] is True
    pause_s = int(re.findall(r"sleep\((\d+)\)", container["lifecycle"]["preStop"]["exec"]["command"][-1])[0])
    assert pod["terminationGracePeriodSeconds"] > pause_s + 5 + 10 + 5  # drain_s, deadline_s and 5 s


def test_prometheus_may_read_the_metrics_that_the_annotations_offer() -> None:
    """It sends no key to a pod that it found by its annotations."""
    annotations = MANIFESTS["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/scrape"] == "true"
    assert tomllib.loads(IN_CLUSTER.read_text(encoding="utf-8"))["auth"]["open_metrics"] is True


def test_selectors_find_the_pods() -> None:
    labels = MANIFESTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert MANIFESTS["Service"]["spec"]["selector"] == labels
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert MANIFESTS[kind]["spec"]["selector"]["matchLabels"] == labels
    assert MANIFESTS["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == "tracegraph"


def test_the_configuration_in_the_cluster_is_valid_and_shares_rates_among_all_copies() -> None:
    assert invoke("config", "check", "--config", str(IN_CLUSTER), **KEYS).exit_code == 0
    copies = tomllib.loads(IN_CLUSTER.read_text(encoding="utf-8"))["cache"]["copies"]
    assert copies == MANIFESTS["HorizontalPodAutoscaler"]["spec"]["maxReplicas"]


# -- systemd -----------------------------------------------------------------------------------------------


@needs("systemd-analyze")
def test_systemd_accepts_the_unit_and_calls_it_well_confined(tmp_path: Path) -> None:
    unit = tmp_path / "tracegraph.service"
    text = (DEPLOY / "systemd" / "tracegraph.service").read_text(encoding="utf-8")
    unit.write_text(text.replace("/opt/tracegraph/bin/tracegraph", "/bin/true"), encoding="utf-8")
    accepted("systemd-analyze", "verify", "--man=no", str(unit))
    accepted("systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit))


def test_the_unit_notifies_reloads_and_waits_as_the_gateway_needs() -> None:
    lines = (DEPLOY / "systemd" / "tracegraph.service").read_text(encoding="utf-8").splitlines()
    assert {"Type=notify", "ExecReload=/bin/kill -HUP $MAINPID", "TimeoutStopSec=30"} <= set(lines)
    assert {"User=tracegraph", "DynamicUser=yes"} <= set(lines), "files of keys need an owner"
