"""The alert rules ask for metrics that Stoker has."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from certs import metrics
from manifests.loader import ROOT

RULES: list[dict[str, Any]] = [
    rule
    for path in (ROOT / "alerts").glob("*.yaml")
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_metric_of_an_alert_is_one_of_ours(rule: dict[str, Any]) -> None:
    assert metrics.EXPIRY in REGISTRY._collector_to_names  # noqa: SLF001 - the registry has no public list of names
    known = set(REGISTRY._names_to_collectors)  # noqa: SLF001
    asked = set(re.findall(r"\bstoker_\w+", rule["expr"]))
    assert asked
    assert asked <= known


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["annotations"].keys() == {"summary", "description"}
