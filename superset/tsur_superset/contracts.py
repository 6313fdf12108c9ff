"""Columns of the marts, from dbt's manifest or from the model YAML."""

from __future__ import annotations

import json
from pathlib import Path

import yaml


def from_manifest(path: Path) -> dict[str, set[str]]:
    """Model name to documented columns, from `target/manifest.json`."""
    nodes = json.loads(path.read_text("utf-8"))["nodes"].values()
    return {
        node["name"]: set(node["columns"])
        for node in nodes
        if node["resource_type"] == "model" and node["columns"]
    }


def from_model_files(folder: Path) -> dict[str, set[str]]:
    """Model name to columns, from every `*.yml` under a folder of dbt models."""
    found: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*.y*ml")):
        for model in (yaml.safe_load(path.read_text("utf-8")) or {}).get("models") or []:
            found[model["name"]] = {column["name"] for column in model.get("columns") or []}
    return found
