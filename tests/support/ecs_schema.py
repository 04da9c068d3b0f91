"""The fields of the Elastic Common Schema that an event may have, as Elastic's package of npm has them.

``python tests/support/ecs_schema.py VERSION`` renews the file with npm and Node.js.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PATH = Path(__file__).parent.parent / "sinks" / "ecs_fields.json"
PACKAGE = "@elastic/ecs"
_SETS = ("@timestamp", "message", "ecs", "event", "host", "log", "observer", "related")
_SCRIPT = "process.stdout.write(JSON.stringify(require(process.argv[1]).EcsFlat))"


def published(version: str) -> dict[str, Any]:
    """Return the facts of a version: of each field its type, whether it is an array, and the values it may have."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", f"{PACKAGE}@{version}"], cwd=folder, check=True, capture_output=True)
        (archive,) = Path(folder).glob("*.tgz")
        subprocess.run(["tar", "xzf", archive.name], cwd=folder, check=True)
        module = Path(folder) / "package" / "generated" / "ecs_flat.js"
        fields = json.loads(subprocess.run(["node", "-e", _SCRIPT, module], check=True, capture_output=True).stdout)
    known = {name: _facts(field) for name, field in sorted(fields.items()) if name.partition(".")[0] in _SETS}
    return {"source": f"{PACKAGE}@{version} of npm, generated/ecs_flat.js", "version": version, "fields": known}


def _facts(field: dict[str, Any]) -> dict[str, Any]:
    values = {value["name"]: value.get("expected_event_types", []) for value in field.get("allowed_values", ())}
    facts = {"type": field["type"], "required": field.get("required") or None}
    facts |= {"array": "array" in field.get("normalize", ()) or None, "values": values or None}
    return {name: fact for name, fact in facts.items() if fact}


def stored() -> dict[str, Any]:
    """Return the facts of the file."""
    facts: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return facts


if __name__ == "__main__":
    renewed = published(sys.argv[1])
    lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(facts)}" for name, facts in renewed.pop("fields").items())
    head = "".join(f"  {json.dumps(name)}: {json.dumps(value)},\n" for name, value in renewed.items())
    PATH.write_text(f'{{\n{head}  "fields": {{\n{lines}\n  }}\n}}\n', encoding="utf-8")
