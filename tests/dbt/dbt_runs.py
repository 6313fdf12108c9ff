"""What the fixtures of this folder hand out."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

Dbt = Callable[..., subprocess.CompletedProcess[str]]
Query = Callable[[str], list[tuple[Any, ...]]]
