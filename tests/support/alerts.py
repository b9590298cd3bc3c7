"""What the alert rules of the deployment ask for."""

import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

_RULES = Path(__file__).parents[2] / "deploy/prometheus/alerts.yml"
_METRIC = re.compile(r"\b(?:everorder|temporal)_[a-z_]+\b(?:\{(?P<matchers>[^}]*)\})?")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(_RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]


def asked() -> dict[str, set[str]]:
    """Name every series that is asked for, with the labels that it is chosen by."""
    found: dict[str, set[str]] = {}
    for rule in rules():
        for match in _METRIC.finditer(rule["expr"]):
            name = match[0].partition("{")[0]
            found.setdefault(name, set()).update(_LABEL.findall(match["matchers"] or ""))
    return found


def of_workers() -> dict[str, set[str]]:
    """Name those that workers tell."""
    return {name: labels for name, labels in asked().items() if name.startswith(("temporal_", "everorder_activity_"))}


def of_the_api() -> dict[str, set[str]]:
    """Name those that the API tells."""
    return {name: labels for name, labels in asked().items() if name not in of_workers()}
