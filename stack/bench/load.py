"""One load in a process of its own: `python -m stack.bench.load SOURCE.yml`."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main() -> None:
    # Worker processes import this module again, and need none of it.
    from ingestion.ingest import ingest
    from ingestion.source import load_source

    source = load_source(Path(sys.argv[1]), {})
    begun = time.perf_counter()
    (load,) = ingest(
        source,
        database_url=os.environ["TSUR_BENCH_URL"],
        vault_key=os.environ["TSUR_BENCH_VAULT_KEY"],
        run_id="bench",
    )
    counts = {**load.as_dict(), "seconds": time.perf_counter() - begun}
    sys.stdout.write(json.dumps(counts))


if __name__ == "__main__":
    main()
