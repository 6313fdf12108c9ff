"""The fixtures of `tests/dbt`: a warehouse that dbt can build."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "dbt"))

from tests.dbt.conftest import dbt, first_reading, query, warehouse

__all__ = ["dbt", "first_reading", "query", "warehouse"]
