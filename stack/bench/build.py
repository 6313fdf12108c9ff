"""One build in a process of its own: `python -m stack.bench.build ARGUMENT…`.

The environment is what dbt reads; `TSUR_BENCH_URL` is the transformer's warehouse.
"""

from __future__ import annotations

import os
import sys

from stack.dbt_build import build


def main() -> None:
    build(sys.argv[1:], environment=os.environ, database_url=os.environ["TSUR_BENCH_URL"])


if __name__ == "__main__":
    main()
