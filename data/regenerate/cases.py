"""Shared by the scripts of this folder: writes a suite's cases as one JSON file, and its row of the manifest."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[1] / "vectors"
SCHEMA = 1


def source(package: str) -> dict[str, str]:
    return {"package": package, "version": version(package)}


def write(suite: str, script: str, cases: list[dict[str, Any]], **more: Any) -> None:
    """Write `cases` as SUITE/cases.json, and its sha256 and command under `suites` in the manifest."""
    command = f"make peers && .venv/bin/python data/regenerate/{script}"
    file = VECTORS / suite / "cases.json"
    file.parent.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(case, ensure_ascii=False, allow_nan=False) for case in cases)
    head = json.dumps({"schema": SCHEMA, "suite": suite, "command": command, **more}, ensure_ascii=False)
    file.write_text(f'{head[:-1]}, "cases": [\n{lines}\n]}}\n', encoding="utf-8")
    json.loads(file.read_text(encoding="utf-8"))
    manifest = json.loads((VECTORS / "manifest.json").read_text(encoding="utf-8"))
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    suites = manifest.setdefault("suites", {})
    suites[suite] = {"file": f"{suite}/cases.json", "sha256": sha256, "cases": len(cases), "command": command}
    (VECTORS / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    print(f"{file.relative_to(VECTORS)}: {len(cases)} cases, {file.stat().st_size} bytes")
