"""gunicorn for Superset: threads in a few workers, the application loaded once before they fork."""

from __future__ import annotations

import os
from typing import Any

_host = os.environ.get("TSUR_SUPERSET_HOST", "127.0.0.1")
bind = f"{_host}:{os.environ.get('TSUR_SUPERSET_PORT', '8088')}"
wsgi_app = "superset.app:create_app()"
worker_class = "gthread"
workers = int(os.environ.get("TSUR_SUPERSET_WORKERS", "2"))
threads = int(os.environ.get("TSUR_SUPERSET_THREADS", "8"))
preload_app = True
timeout = 120
graceful_timeout = 10
keepalive = 5
max_requests = 20_000
max_requests_jitter = 2_000
# Heartbeats in memory: a slow disk must not look like a dead worker.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108
accesslog = None
errorlog = "-"
control_socket_disable = True


def post_fork(server: Any, worker: Any) -> None:
    """A worker opens connections of its own: sharing the master's mixes answers up.

    `close=False` leaves the master's sockets alone; closing them here would break the master."""
    from superset import db

    with worker.app.wsgi().app_context():
        db.engine.dispose(close=False)
