"""Every cell of a workbook read by calamine alone: `python -m stack.bench.calamine FILE`."""

from __future__ import annotations

import sys

from python_calamine import CalamineWorkbook


def main() -> None:
    sheet = CalamineWorkbook.from_path(sys.argv[1]).get_sheet_by_index(0)
    rows = sum(1 for _ in sheet.iter_rows())
    sys.stdout.write(f"{rows}\n")


if __name__ == "__main__":
    main()
