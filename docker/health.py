"""Is a service healthy? `health.py URL`, or `health.py URL COMPONENT` of Airflow's own report.

Exit code 0: it answers, and the component's last heartbeat is recent. Only the standard library:
it runs every few seconds.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request


def is_healthy(url: str, component: str | None = None) -> bool:
    """True when `url` answers 200 and, in its JSON, the component's status is "healthy"."""
    try:
        with urllib.request.urlopen(url, timeout=8) as answer:  # noqa: S310  (given by compose)
            body = answer.read()
        if component is None:
            return True
        return bool(json.loads(body)[component]["status"] == "healthy")
    except (urllib.error.URLError, OSError, ValueError, KeyError, TypeError):
        return False


if __name__ == "__main__":
    sys.exit(0 if is_healthy(*sys.argv[1:3]) else 1)
