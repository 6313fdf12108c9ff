"""A workbook read by calamine alone: `python -m stack.bench.calamine FILE`."""

from __future__ import annotations

import json
import sys
import time

from python_calamine import CalamineWorkbook


def main() -> None:
    # As its documentation reads a sheet, and pandas does.
    begun = time.perf_counter()
    rows = CalamineWorkbook.from_path(sys.argv[1]).get_sheet_by_index(0).to_python()
    seconds = time.perf_counter() - begun
    sys.stdout.write(json.dumps({"rows": len(rows), "seconds": seconds}))


if __name__ == "__main__":
    main()
