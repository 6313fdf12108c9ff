"""The entry point of Superset's container: gunicorn with the secrets that `init` handed over."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "superset"


def main() -> None:
    """Become gunicorn. The platform's code is not in this image, its secrets neither."""
    home = Path(os.environ["TSUR_HOME"]) / "superset"
    handed_over = home / "environment.json"
    if not handed_over.exists():
        raise SystemExit(f"{handed_over} is missing: the service 'init' has not run.")
    environment = {
        **os.environ,
        **json.loads(handed_over.read_text(encoding="utf-8")),
        "PYTHONPATH": str(FOLDER),
        "SUPERSET_CONFIG_PATH": str(FOLDER / "superset_config.py"),
        "SUPERSET_HOME": str(home),
        "TSUR_SUPERSET_HOST": "0.0.0.0",  # noqa: S104  (the container's own network)
        "TSUR_SUPERSET_PORT": "8088",
        "TSUR_SUPERSET_CACHE_DIR": str(home / "cache"),
    }
    command = [
        *(sys.executable, "-m", "gunicorn"),
        *("--config", str(FOLDER / "gunicorn.conf.py")),
    ]
    os.execve(command[0], command, environment)  # noqa: S606


if __name__ == "__main__":
    main()
