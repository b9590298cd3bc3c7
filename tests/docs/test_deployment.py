"""The containers of `docker-compose.yml` are those that the code knows, with commands that it takes."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from fastapi.routing import APIRoute
from pydantic import AliasChoices

from api.app import ROUTERS, create_app
from api.services import Service
from cli.gateway.command import render
from cli.stack import programs
from cli.stack.folder import DataFolder
from cli.stack.wiring import Wiring
from settings import Settings
from tests.docs.documents import ROOT
from workers.wiring import WORK

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("everorder:")}
GATEWAY = (ROOT / "deploy/gateway/nginx.conf").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")

PLATFORM = {"/healthz", "/readyz", "/metrics"}
_LOCATION = re.compile(r"location (?P<regex>~ )?(?P<path>\S+) \{\s+set \$upstream (?P<service>[a-z-]+):8000;")


def upstream(path: str) -> str:
    """Choose as nginx does: the first regular expression that matches, else the longest prefix."""
    locations = [match.groupdict() for match in _LOCATION.finditer(GATEWAY)]
    for location in locations:
        if location["regex"] and re.search(location["path"], path):
            return str(location["service"])
    fitting = [location for location in locations if not location["regex"] and path.startswith(location["path"])]
    return str(max(fitting, key=lambda location: len(location["path"]))["service"])


def variables() -> set[str]:
    names = {f"EVERORDER_{name}".upper() for name in Settings.model_fields}
    for field in Settings.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices):
            names |= {str(choice) for choice in field.validation_alias.choices}
    return names


@pytest.mark.parametrize("name", OURS)
def test_command_of_a_container_is_one_that_we_take(name: str) -> None:
    command = [sys.executable, "-m", "cli.main", *OURS[name]["command"], "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr


def test_every_queue_that_has_work_has_a_worker() -> None:
    queues = {name: service["command"][-1] for name, service in OURS.items() if service["command"][0] == "worker"}
    assert queues == {f"worker-{queue}": queue for queue in WORK}


def test_every_service_of_the_api_has_a_container_of_its_own() -> None:
    served = [service["command"] for service in OURS.values() if service["command"][:2] == ["api", "--services"]]
    assert sorted(command[2] for command in served) == sorted(ROUTERS)


def test_gateway_is_what_the_table_of_routes_says() -> None:
    assert render() == GATEWAY, "stale: everorder gateway > deploy/gateway/nginx.conf"


@pytest.mark.parametrize("service", ROUTERS)
def test_gateway_leads_every_route_to_the_service_that_has_it(service: Service) -> None:
    app = create_app(Settings(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none"), services=service)
    own = {route.path for router in ROUTERS[service] for route in router.routes if isinstance(route, APIRoute)}
    routes = [path for path in app.openapi()["paths"] if path not in PLATFORM]
    assert len(routes) == len({path.replace(":path}", "}") for path in own})
    for path in routes:
        example = re.sub(r"\{[^}]+\}", "0198a0e6", path)
        assert upstream(example) == f"api-{service}", path


def test_gateway_leads_everything_else_to_the_process_that_has_all_services() -> None:
    assert {upstream(path) for path in ("/docs", "/openapi.json", "/healthz", "/dev/mailbox", "/v1/none")} == {
        "api-document"
    }
    assert set(re.findall(r"set \$upstream ([a-z-]+):", GATEWAY)) <= set(SERVICES)


def test_what_a_container_waits_for_is_there_and_can_become_healthy() -> None:
    for name, service in SERVICES.items():
        for peer, waiting in service.get("depends_on", {}).items():
            assert peer in SERVICES, name
            if waiting["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[peer], f"{name} waits for {peer}"


def test_containers_that_scale_take_no_port_and_no_name() -> None:
    scaling = [SERVICES[name] for name in SERVICES if name.startswith(("api-", "worker-"))]
    assert len(scaling) > len(ROUTERS)
    assert [service for service in scaling if "ports" in service or "container_name" in service] == []


def test_settings_of_the_containers_are_known_and_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = COMPOSE["x-everorder"]["environment"]
    assert set(environment) - variables() == set()
    for name, value in environment.items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:?-([^}]*)\}", r"\1", value))
    settings = Settings(_env_file=None)
    assert settings.database_url == "postgresql://everorder:everorder@postgres:5432/everorder"
    assert settings.stripe_api_base == "http://sandbox:8010"


def test_what_stands_in_the_env_file_reaches_every_process_of_ours() -> None:
    """Else a setting that somebody puts there would be ignored without a word."""
    wanted = [{"path": ".env", "required": False}]
    assert {name: service.get("env_file") for name, service in OURS.items()} == dict.fromkeys(OURS, wanted)


def test_every_secret_of_the_containers_is_told_to_be_replaced() -> None:
    told = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
    values = [value for service in SERVICES.values() for value in service.get("environment", {}).values()]
    known = {found[1] for value in values if (found := re.search(r"\$\{(\w*(?:PASSWORD|SECRET|TOKEN)):-", value))}
    assert "EVERORDER_SECRET" in known
    assert {name for name in known if f"`{name}`" not in told} == set()


def test_sandbox_in_a_container_sends_the_events_that_the_embedded_one_sends(tmp_path: Path) -> None:
    """Those that the command sends unless it is told otherwise."""
    embedded = programs.sandbox(Wiring(DataFolder(tmp_path), *range(1, 8))).command
    for command in (embedded, SERVICES["sandbox"]["command"]):
        assert "--webhook-url" in command
        assert "--webhook-events" not in command


def test_ports_are_open_on_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_mounted_files_exist() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).exists(), volume


def test_image_has_every_package_but_the_benchmarks() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    copied = set(re.findall(r"^COPY (\w+)/ \1/$", DOCKERFILE, re.MULTILINE))
    assert copied == packages - {"benchmarks"}
    let_in = set(re.findall(r"^!(\w+)/$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE))
    assert let_in == copied


def test_image_installs_locked_packages_by_their_hashes_and_runs_as_nobody_special() -> None:
    assert "--require-hashes -r /requirements.lock" in DOCKERFILE
    assert re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE) == ["everorder"]
    assert Path(ROOT / "requirements.lock").exists()
