"""The alerts, the dashboard and the page on metrics, which name the metrics that there are."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.promtool import promtool

from cfevents import FollowerMetrics
from cfevents.metrics import FAILED, WRITTEN, families

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "prometheus"
RULES = FOLDER / "cfevents-alerts.yml"
TESTED = ROOT / "tests" / "alerts" / "cfevents-alerts-test.yml"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "cfevents-dashboard.json").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def metrics() -> dict[str, tuple[str, str]]:
    """The type of each metric, and what it is, by the name of its samples."""
    made = [*families(FollowerMetrics({})), WRITTEN.metric(), FAILED.metric()]
    return {
        family.name + ("_total" if family.type == "counter" else ""): (family.type, family.documentation)
        for family in made
    }


def test_page_has_a_row_for_each_metric() -> None:
    """Its table says of each what its help says."""
    rows = re.findall(r"^\| `(cfevents_\w+)` \| (\w+) \| (.*?) \|$", PAGE, re.MULTILINE)
    assert {name: (kind, text) for name, kind, text in rows} == metrics()
    assert len(rows) == len(metrics())


@pytest.mark.parametrize("text", [RULES.read_text(encoding="utf-8"), *QUERIES], ids=["rules", *range(len(QUERIES))])
def test_queries_name_metrics_that_exist(text: str) -> None:
    named = {*re.findall(r"\bcfevents_\w+", text)}
    assert named
    assert named - metrics().keys() == set()


def test_dashboard_shows_every_metric() -> None:
    """But for the version; and its panels do not lie on each other."""
    shown = {*re.findall(r"\bcfevents_\w+", json.dumps(DASHBOARD))}
    assert metrics().keys() - shown == {"cfevents_build_info"}
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len({*places}) == len(panels)


GRAFANA = os.environ.get("CFEVENTS_GRAFANA", "")
TYPES = "@grafana/schema/dist/types/raw"
# The values of an enumeration are its texts in JSON, and what may be left out is.
CHECKED = f"""
import type {{ Dashboard }} from "{GRAFANA}/{TYPES}/dashboard/x/types.gen";
import type * as stat from "{GRAFANA}/{TYPES}/composable/stat/panelcfg/x/types.gen";
import type * as timeseries from "{GRAFANA}/{TYPES}/composable/timeseries/panelcfg/x/types.gen";
type Json<T> = T extends string ? `${{T}}` : T extends object ? {{ [K in keyof T]?: Json<T[K]> }} : T;
"""


@pytest.mark.skipif(not GRAFANA, reason="'nox -s sinks' runs it, with npm")
@pytest.mark.parametrize("fault", [None, "gridPos", "reduceOptions", "legend"])
def test_dashboard_is_of_the_schema_of_grafana(tmp_path: Path, fault: str | None) -> None:
    """TypeScript compares it and the options of its panels with the types that Grafana publishes, and sees a typo."""
    panels = (
        f"const panel{panel['id']}: Json<{panel['type']}.Options> = {json.dumps(panel['options'])};"
        for panel in DASHBOARD["panels"]
    )
    text = "\n".join([CHECKED, f"const dashboard: Json<Dashboard> = {json.dumps(DASHBOARD)};", *panels])
    (tmp_path / "dashboard.ts").write_text(text if fault is None else text.replace(f'"{fault}"', f'"{fault}s"'))
    command = [f"{GRAFANA}/.bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "dashboard.ts"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is (fault is None), done.stdout


def test_page_names_every_alert() -> None:
    alerts = re.findall(r"alert: (\w+)", RULES.read_text(encoding="utf-8"))
    assert re.findall(r"^\| `(Cfevents\w+)` \|", PAGE, re.MULTILINE) == alerts
    assert {*re.findall(r"alertname: (\w+)", TESTED.read_text(encoding="utf-8"))} == {*alerts}


def test_alerts_fire_when_they_should() -> None:
    """And none does while all is well."""
    promtool("check", "rules", str(RULES))
    promtool("test", "rules", str(TESTED))


def test_queries_are_valid(tmp_path: Path) -> None:
    """Prometheus parses each of the dashboard's."""
    rules = [
        {"record": f"query:{place}", "expr": query.replace("$__rate_interval", "5m")}
        for place, query in enumerate(QUERIES)
    ]
    path = tmp_path / "queries.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))  # JSON is YAML
    promtool("check", "rules", str(path))
