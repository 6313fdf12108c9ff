"""Whatever a workbook asks of its reader, the load goes on and the file is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import psutil
import pytest
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P, S

from ingestion.errors import UnreadableAnswer
from ingestion.formats import reader_process
from ingestion.formats.files import read_file
from ingestion.spool import nameless_file
from stack.settings import REPOSITORY
from tests.ingestion.formats.test_sheet_parts import HEADING, entity, inline, many, row, write

FAR = "XFD1048576"
ROWS = row(1, HEADING) + row(2, ["1", "Яма", "", ""])
# A process that reads a page of the workbook it is given, and then waits to be killed.
_READS_A_PAGE = """
import sys, pathlib
from tests.ingestion.formats.test_reader_process import first_page
first_page(pathlib.Path(sys.argv[1]))
print("read", flush=True)
sys.stdin.read()
"""
# One whose reader never comes to an end: nobody writes into the pipe that it opens.
_READS_FOR_EVER = """
import sys, pathlib
from tests.ingestion.formats import test_reader_process as of
reader = of.reader_process._Reader()
print("reads", flush=True)
list(reader.pages(of.read_as(pathlib.Path(sys.argv[1])), of.entity(), 1000))
"""


def first_page(path: Path) -> object:
    pages = read_file(path, entity(), name=path.name, sha256=None, size=path.stat().st_size)
    _READING.append(pages)
    return next(pages)


_READING: list[object] = []


def refusal(path: Path) -> UnreadableAnswer:
    with pytest.raises(UnreadableAnswer) as caught:
        list(read_file(path, entity(), name=path.name, sha256=None, size=path.stat().st_size))
    return caught.value


def numbers(path: Path) -> list[str]:
    pages = read_file(path, entity(), name=path.name, sha256=None, size=path.stat().st_size)
    return [item.fields["Номер"] for page in pages for item in page.records()]


def renamed(path: Path, part: str, name: str) -> Path:
    """The same workbook with a part under another name."""
    with zipfile.ZipFile(path) as archive:
        entries = {one: archive.read(one) for one in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for one, content in entries.items():
            content = content.replace(part.encode(), name.encode())
            archive.writestr(one.replace(part, name), content)
    return path


def shared(address: str, value: str) -> str:
    """A cell; `x` stands for the first of the shared texts."""
    return f'<c{address} t="s"><v>0</v></c>' if value == "x" else inline(address, value)


def far_out(path: Path, address: str) -> Path:
    return write(path, ROWS + f'<row r="3"><c r={address}><v>1</v></c></row>')


@pytest.mark.parametrize(
    "address",
    [f'"{FAR}"', f"'{FAR.lower()}'", '"XFD0001048576"', f'"A3"r="{FAR}"', f'"A3" r="{FAR}"'],
)
def test_a_cell_that_is_far_out_however_it_is_written_is_refused(
    tmp_path: Path, address: str
) -> None:
    refused = refusal(far_out(tmp_path / "a.xlsx", address))
    assert refused.code == "workbook_too_large"
    assert "more than 1000 MB of memory" in str(refused)
    assert "ask for it as CSV" in str(refused)
    assert refused.content.read() == (tmp_path / "a.xlsx").read_bytes()


@pytest.mark.parametrize("name", ["sheet1.dat", "sheet1.XML", "content.xml"])
def test_a_sheet_under_any_name_is_refused_as_well(tmp_path: Path, name: str) -> None:
    path = far_out(tmp_path / "a.xlsx", f'"{FAR}"')
    assert refusal(renamed(path, "sheet1.xml", name)).code == "workbook_too_large"


def test_a_row_far_down_in_a_late_part_ends_the_load_after_the_rows_before_it(
    tmp_path: Path,
) -> None:
    sheet = [row(n, cells) for n, cells in enumerate([HEADING, *many(9_000)], start=1)]
    sheet[8_000] = sheet[8_000].replace('r="B8001"', f'r="{FAR}"')
    path = write(tmp_path / "a.xlsx", "".join(sheet))
    pages = read_file(path, entity(), name=path.name, sha256=None, size=1)
    found: list[str] = []

    def read() -> None:
        for page in pages:
            found.extend(item.fields["Номер"] for item in page.records())

    with pytest.raises(UnreadableAnswer) as caught:
        read()
    assert caught.value.code == "workbook_too_large"
    assert len(found) > 1_000
    assert found == [str(n) for n in range(len(found))]


def test_a_text_that_ten_thousand_cells_share_is_refused(tmp_path: Path) -> None:
    sheet = "".join(row(n, ["1", "x", "x", "x"], shared) for n in range(2, 3_500))
    path = write(tmp_path / "a.xlsx", row(1, HEADING) + sheet, ["я" * 200_000])
    assert path.stat().st_size < 50_000
    assert refusal(path).code == "workbook_too_large"


def test_a_count_of_shared_texts_that_is_not_true_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xlsx", ROWS, ["x"])
    path = renamed(path, "<sst xmlns", '<sst uniqueCount="4294967295" xmlns')
    assert refusal(path).code == "workbook_too_large"


def test_spaces_that_an_ods_counts_are_refused(tmp_path: Path) -> None:
    book = OpenDocumentSpreadsheet()
    table, line, cell = Table(name="a"), TableRow(), TableCell(valuetype="string")
    text = P()
    text.addElement(S(c=2_000_000_000))
    cell.addElement(text)
    line.addElement(cell)
    table.addElement(line)
    book.spreadsheet.addElement(table)
    path = tmp_path / "a.ods"
    book.save(str(path))
    assert refusal(path).code == "workbook_too_large"


def test_an_archive_that_is_packed_by_lzma_and_damaged_is_refused(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.xlsx", ROWS + "".join(row(n, ["1", "Яма"]) for n in range(3, 500)))
    path = tmp_path / "b.xlsx"
    with zipfile.ZipFile(plain) as one, zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as other:
        for name in one.namelist():
            other.writestr(name, one.read(name))
        sheet = other.getinfo("xl/worksheets/sheet1.xml")
    content = bytearray(path.read_bytes())
    middle = sheet.header_offset + 30 + len(sheet.filename) + sheet.compress_size // 2
    content[middle : middle + 40] = bytes(40)
    path.write_bytes(content)
    assert refusal(path).code == "broken_workbook"


def test_a_reader_that_is_ended_in_the_midst_of_a_page_refuses_the_file(tmp_path: Path) -> None:
    """As the machine ends a process when memory runs out."""
    sheet = (row(n, cells) for n, cells in enumerate([HEADING, *many(60_000)], start=1))
    path = write(tmp_path / "a.xlsx", "".join(sheet))
    reader = reader_process._Reader()
    pages = reader.pages(read_as(path), entity(), 1000)
    next(pages)
    process = psutil.Process(reader._process.pid)
    # More than a pipe holds is left: the reader waits with a page half handed over.
    while process.status() != psutil.STATUS_SLEEPING:
        os.sched_yield()
    process.kill()
    with pytest.raises(UnreadableAnswer) as caught:
        list(pages)
    assert caught.value.code == "workbook_too_large"
    assert "signal 9" in str(caught.value)
    reader.end()


def test_files_after_a_refused_one_are_read(tmp_path: Path) -> None:
    good = write(tmp_path / "good.xlsx", ROWS)
    assert numbers(good) == ["1"]
    assert refusal(far_out(tmp_path / "a.xlsx", f'"{FAR}"')).code == "workbook_too_large"
    assert numbers(good) == ["1"]


def test_a_file_without_a_name_is_read_too(tmp_path: Path) -> None:
    content = write(tmp_path / "a.xlsx", ROWS).read_bytes()
    with nameless_file(content) as path:
        assert numbers(path) == ["1"]


def test_small_files_share_a_reader_and_a_page_that_nobody_takes_ends_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xlsx", ROWS)
    numbers(path)
    reader = reader_process._Reader.idle()
    assert reader is not None
    reader.rest()
    numbers(path)
    assert reader_process._Reader.idle() is reader
    pages = reader.pages(read_as(path), entity(), 1000)
    next(pages)
    reader.end()
    assert reader._process.returncode is not None


def test_a_page_that_takes_too_much_memory_to_be_handed_over_is_refused(tmp_path: Path) -> None:
    sheet = "".join(row(n, [str(n), "x", "x", "x"], shared) for n in range(2, 1_500))
    path = write(tmp_path / "a.xlsx", row(1, HEADING) + sheet, ["я" * 180_000])
    assert refusal(path).code == "workbook_too_large"


def test_a_row_longer_than_any_record_is_refused_before_it_reaches_the_load(tmp_path: Path) -> None:
    cells = row(2, ["1", *["x"] * 120], shared)
    path = write(tmp_path / "a.xlsx", row(1, HEADING) + cells, ["y" * 300_000])
    refused = refusal(path)
    assert refused.code == "record_too_large"
    assert "row 2 has 36,000,001 characters" in str(refused)


@pytest.mark.parametrize(
    "cell",
    [
        '<c r="B2" t="b"><v>Иванов Пётр 79161234567</v></c>',
        '<c r="B2" t="e"><v>Иванов Пётр 79161234567</v></c>',
        '<c r="B2" t="inlineStr"><is><t>&Иванов;</t></is></c>',
        '<c r="B2" t="Иванов Пётр"><v>1</v></c>',
    ],
)
def test_what_the_parser_quotes_of_a_cell_is_not_told(tmp_path: Path, cell: str) -> None:
    refused = refusal(write(tmp_path / "a.xlsx", row(1, HEADING) + f'<row r="2">{cell}</row>'))
    assert refused.code == "broken_workbook"
    assert "Иванов" not in str(refused)
    assert "7916" not in str(refused)


def test_a_name_that_is_no_text_is_no_fault_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xlsx", ROWS)
    assert numbers(path.rename(tmp_path / os.fsdecode(b"bad\xff.xlsx"))) == ["1"]


def test_a_reader_takes_no_more_than_the_account_may(tmp_path: Path) -> None:
    reads = (
        "import resource; resource.setrlimit(resource.RLIMIT_DATA, (800 << 20, 800 << 20));"
        "from tests.ingestion.formats.test_reader_process import numbers; import pathlib, sys;"
        "print(numbers(pathlib.Path(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", reads, str(write(tmp_path / "a.xlsx", ROWS))],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "['1']\n"


def test_sixty_thousand_columns_are_compared_in_no_time(tmp_path: Path) -> None:
    """Each with each they would take minutes, and the test its time limit."""
    names = [*HEADING, *(f"Графа {n}" for n in range(60_000))]
    path = tmp_path / "a.csv"
    path.write_text(";".join(names) + "\n1;Яма\n", encoding="utf-8")
    pages = read_file(path, entity(separator=";"), name="a.csv", sha256=None, size=1)
    assert [item.row_number for page in pages for item in page.records()] == [2]


def test_a_reader_that_was_ended_while_it_rested_is_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xlsx", ROWS)
    numbers(path)
    reader = reader_process._Reader.idle()
    assert reader is not None
    reader.rest()
    reader._process.kill()
    reader._process.wait()
    assert numbers(path) == ["1"]


def read_as(path: Path) -> reader_process.DeliveredFile:
    return reader_process.DeliveredFile(path, path.name, None, 1)


def test_a_reader_has_none_of_the_load_s_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSUR_DATABASE_URL", "postgresql://loader:secret@127.0.0.1/warehouse")
    reader = reader_process._Reader()
    try:
        told = Path(f"/proc/{reader._process.pid}/environ").read_bytes()
    finally:
        reader.end()
    assert b"PYTHONPATH" in told
    assert b"secret" not in told


@pytest.mark.parametrize(("program", "says"), [(_READS_A_PAGE, "read"), (_READS_FOR_EVER, "reads")])
def test_a_killed_load_leaves_no_reader(tmp_path: Path, program: str, says: str) -> None:
    if program == _READS_FOR_EVER:
        path = tmp_path / "pipe.xlsx"
        os.mkfifo(path)
    else:
        sheet = (row(n, cells) for n, cells in enumerate([HEADING, *many(20_000)], start=1))
        path = write(tmp_path / "a.xlsx", "".join(sheet))
    load = subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert load.stdout is not None
    assert load.stdout.readline() == f"{says}\n"
    readers = psutil.Process(load.pid).children()
    assert len(readers) == 1
    load.kill()
    load.communicate()
    gone, alive = psutil.wait_procs(readers, timeout=30)
    assert (len(gone), alive) == (1, [])


def test_what_is_wrong_with_the_reader_itself_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_process.sys, "path", [str(tmp_path)])
    reader = reader_process._Reader()
    with pytest.raises(RuntimeError, match=r"a\.xlsx: its reader failed"):
        list(reader.pages(read_as(write(tmp_path / "a.xlsx", ROWS)), entity(), 1000))
    reader.end()
