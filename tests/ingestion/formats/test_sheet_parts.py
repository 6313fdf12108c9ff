"""A large sheet is read in parts, and nobody can tell from its rows."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.utils import get_column_letter

from ingestion.clients.base import Item, Page
from ingestion.errors import UnreadableAnswer
from ingestion.formats import sheet_parts
from ingestion.formats.delivered import DeliveredFile
from ingestion.formats.header import Rows
from ingestion.formats.workbooks import read_workbook
from ingestion.source import Entity

HEADING = ["Номер", "Текст", "Сумма", "Дата"]
_TYPES = """<?xml version="1.0"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/></Types>"""
_RELATED = """<?xml version="1.0"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>"""
_KIND = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_BOOK = f"""<?xml version="1.0"?>
<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="{_KIND}">
<sheets>{{}}</sheets></workbook>"""
# The second format of a cell is that of a date.
_STYLES = """<?xml version="1.0"?>
<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cellXfs>
<xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>"""
_SHEET = """<?xml version="1.0"?>
<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
<sheetData>{}</sheetData></worksheet>"""


def inline(address: str, value: str) -> str:
    return f'<c{address} t="inlineStr"><is><t>{escape(value)}</t></is></c>'


def row(number: int, values: list[str], cell: Callable[[str, str], str] = inline) -> str:
    """A row; what is empty is not written at all."""
    cells = "".join(
        cell(f' r="{get_column_letter(column)}{number}"', value)
        for column, value in enumerate(values, start=1)
        if value
    )
    return f'<row r="{number}">{cells}</row>'


def write(
    path: Path,
    rows: str,
    shared: list[str] | None = None,
    folder: str = "xl/worksheets",
    second: str | None = None,
) -> Path:
    """A workbook of one sheet; of a `second` one too, which is in a folder of its own."""
    related = f'<Relationship Id="r1" Type="{_KIND}/worksheet" Target="/{folder}/sheet1.xml"/>'
    sheets = '<sheet name="Реестр" sheetId="1" r:id="r1"/>'
    if second is not None:
        related += f'<Relationship Id="r4" Type="{_KIND}/worksheet" Target="/xl/other/second.xml"/>'
        sheets += '<sheet name="Второй" sheetId="2" r:id="r4"/>'
    related += f'<Relationship Id="r2" Type="{_KIND}/styles" Target="styles.xml"/>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _TYPES)
        archive.writestr(
            "_rels/.rels",
            _RELATED.format(
                f'<Relationship Id="r1" Type="{_KIND}/officeDocument" Target="xl/workbook.xml"/>'
            ),
        )
        if shared is not None:
            related += (
                f'<Relationship Id="r3" Type="{_KIND}/sharedStrings" Target="sharedStrings.xml"/>'
            )
            texts = "".join(f"<si><t>{escape(one)}</t></si>" for one in shared)
            archive.writestr(
                "xl/sharedStrings.xml",
                '<?xml version="1.0"?><sst xmlns='
                f'"http://schemas.openxmlformats.org/spreadsheetml/2006/main">{texts}</sst>',
            )
        archive.writestr("xl/_rels/workbook.xml.rels", _RELATED.format(related))
        archive.writestr("xl/workbook.xml", _BOOK.format(sheets))
        archive.writestr("xl/styles.xml", _STYLES)
        archive.writestr(f"{folder}/sheet1.xml", _SHEET.format(rows))
        if second is not None:
            archive.writestr("xl/other/second.xml", _SHEET.format(second))
    return path


def entity(**form: Any) -> Entity:
    return Entity.model_validate(
        {
            "name": "rows",
            "table": "rows",
            "role": "case",
            "kind": "appeal",
            "key": "Номер",
            "record": {"text": {"from": "Текст", "optional": True}},
            "format": form,
        }
    )


def pages_of(path: Path, **form: Any) -> Iterator[Page]:
    """Read in this process, where a test can see the parts."""
    return read_workbook(DeliveredFile(path, path.name, None, 1), entity(**form))


def read(path: Path, **form: Any) -> list[Item]:
    return [item for page in pages_of(path, **form) for item in page.records()]


def numbered(found: list[Item]) -> list[tuple[int | None, dict[str, Any]]]:
    return [(item.row_number, item.fields) for item in found]


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Parts of a few rows; how large each was that has been read."""
    sizes: list[int] = []
    cut = sheet_parts._cut

    def counted(*arguments: Any) -> Any:
        for text in cut(*arguments):
            sizes.append(len(text))
            yield text

    monkeypatch.setattr(sheet_parts, "_cut", counted)
    monkeypatch.setattr(sheet_parts, "_PART", 4_000)
    monkeypatch.setattr(sheet_parts, "_TIMES_THE_REST", 0)
    return sizes


def many(count: int) -> list[list[str]]:
    return [[str(n), f"Яма у дома {n}, не убрана & <не> «засыпана»", "", ""] for n in range(count)]


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30).map(
    str.strip
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(st.integers(1, 400), st.lists(texts, max_size=4)), max_size=60),
    st.integers(1_000, 5_000),
    st.booleans(),
)
def test_rows_with_gaps_come_with_their_numbers_wherever_the_sheet_is_cut(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: list[tuple[int, list[str]]],
    size: int,
    is_shared: bool,
) -> None:
    monkeypatch.setattr(sheet_parts, "_PART", size)
    monkeypatch.setattr(sheet_parts, "_TIMES_THE_REST", 0)
    shared: list[str] = []

    def reference(address: str, value: str) -> str:
        shared.append(value)
        return f'<c{address} t="s"><v>{len(shared) - 1}</v></c>'

    cell = reference if is_shared else inline
    written, expected, number = [row(1, HEADING, cell)], [], 1
    for gap, values in rows:
        number += gap
        written.append(row(number, values, cell))
        if any(values):
            filled = [*values, *[""] * (len(HEADING) - len(values))]
            expected.append((number, dict(zip(HEADING, filled, strict=True))))
    path = write(tmp_path / "a.xlsx", "".join(written), shared if is_shared else None)
    assert numbered(read(path)) == expected


def test_a_large_sheet_is_read_in_parts(tmp_path: Path, parts: list[int]) -> None:
    rows = many(300)
    written = (row(n, cells) for n, cells in enumerate([HEADING, *rows], start=1))
    path = write(tmp_path / "a.xlsx", "".join(written))
    assert [item.fields["Номер"] for item in read(path)] == [cells[0] for cells in rows]
    assert len(parts) > 10
    assert max(parts) < 10_000


def test_dates_numbers_and_flags_are_the_same_in_every_part(
    tmp_path: Path, parts: list[int]
) -> None:
    written = [row(1, HEADING)]
    for n in range(2, 202):
        cells = f'<c r="A{n}"><v>{n}</v></c><c r="B{n}" t="b"><v>1</v></c>'
        cells += f'<c r="C{n}"><v>0.5</v></c><c r="D{n}" s="1"><v>46000</v></c>'
        written.append(f'<row r="{n}">{cells}</row>')
    found = read(write(tmp_path / "a.xlsx", "".join(written)))
    assert len(parts) > 3
    # 46000 days after 1899-12-30.
    expected = {"Текст": "да", "Сумма": "0.5", "Дата": "2025-12-09"}
    assert [item.fields for item in found] == [{"Номер": str(n), **expected} for n in range(2, 202)]


def test_a_heading_in_mid_sheet_and_a_footer_are_seen_in_any_part(
    tmp_path: Path, parts: list[int]
) -> None:
    rows = many(300)
    other = ["Текст", "Номер", "Сумма", "Дата"]
    turned = [[text, number, "", ""] for number, text, _, _ in rows[150:]]
    sheet = [HEADING, *rows[:150], other, *turned, ["Итого", "300", "", ""]]
    path = write(
        tmp_path / "a.xlsx", "".join(row(n, cells) for n, cells in enumerate(sheet, start=1))
    )
    found = read(path, footer=["итого"])
    assert len(parts) > 3
    assert [(i.fields["Номер"], i.fields["Текст"]) for i in found] == [
        (n, t) for n, t, _, _ in rows
    ]


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param(lambda xml: xml.replace(' r="', ' n="'), id="rows without numbers"),
        pytest.param(lambda xml: xml.replace('"A', '"B').replace('"D', '"E'), id="not at column A"),
    ],
)
def test_what_cannot_be_cut_with_certainty_is_read_whole(
    tmp_path: Path, parts: list[int], spoilt: Callable[[str], str]
) -> None:
    # Only in columns A and D, so that the last case leaves a valid sheet.
    rows = [[n, "", "", text] for n, text, _, _ in many(200)]
    heading = ["Номер", "", "", "Текст"]
    xml = "".join(row(n, cells) for n, cells in enumerate([heading, *rows], start=1))
    found = read(write(tmp_path / "a.xlsx", spoilt(xml)))
    assert [item.fields["Номер"] for item in found] == [cells[0] for cells in rows]
    assert len(parts) <= 1


@pytest.mark.parametrize("hidden", ["<!-- </row><row r='9'> -->", "<![CDATA[</row><row r='9'>]]>"])
def test_rows_within_comments_and_plain_characters_are_none_wherever_they_stand(
    tmp_path: Path, parts: list[int], hidden: str
) -> None:
    rows = many(300)
    written = [row(n, cells) for n, cells in enumerate([HEADING, *rows], start=1)]
    written = [one + hidden if n % 5 == 0 else one for n, one in enumerate(written)]
    found = read(write(tmp_path / "a.xlsx", "".join(written)))
    assert [item.fields["Номер"] for item in found] == [cells[0] for cells in rows]
    assert len(parts) > 10


def test_a_comment_as_long_as_many_parts_holds_no_row(tmp_path: Path, parts: list[int]) -> None:
    rows = many(300)
    written = [row(n, cells) for n, cells in enumerate([HEADING, *rows], start=1)]
    written.insert(150, "<!-- " + "</row><row r='9'>" * 3_000 + " -->")
    found = read(write(tmp_path / "a.xlsx", "".join(written)))
    assert [item.fields["Номер"] for item in found] == [cells[0] for cells in rows]
    assert max(parts) > 50_000
    assert len(parts) > 10


def test_a_wide_row_of_one_part_makes_no_other_row_wide(tmp_path: Path, parts: list[int]) -> None:
    sheet = [row(n, cells) for n, cells in enumerate([HEADING, *many(300)], start=1)]
    sheet[150] = sheet[150].replace('r="B151"', 'r="ZZ151"')
    pages = pages_of(write(tmp_path / "a.xlsx", "".join(sheet)))
    wide = [
        max(len(cells) for _, cells in page.block.rows)
        for page in pages
        if isinstance(page.block, Rows)
    ]
    found = read(tmp_path / "a.xlsx")
    assert len(parts) > 3
    assert sum(width > len(HEADING) for width in wide) <= 1
    assert [item.row_number for item in found if item.error is not None] == [151]
    assert len(found) == 300


def test_sheets_in_other_folders_are_no_part_of_the_large_one(
    tmp_path: Path, parts: list[int]
) -> None:
    rows = many(300)
    sheet = "".join(row(n, cells) for n, cells in enumerate([HEADING, *rows], start=1))
    path = write(tmp_path / "a.xlsx", sheet, second=row(1, HEADING) + row(2, rows[7]))
    found = read(path, sheet="*")
    assert [item.fields["Номер"] for item in found] == [*(cells[0] for cells in rows), "7"]


def test_an_archive_that_breaks_off_gives_its_first_rows_and_the_reason(
    tmp_path: Path, parts: list[int]
) -> None:
    sheet = "".join(row(n, cells) for n, cells in enumerate([HEADING, *many(300)], start=1))
    path = write(tmp_path / "a.xlsx", sheet)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo("xl/worksheets/sheet1.xml")
    content[entry.header_offset + entry.compress_size - 200] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UnreadableAnswer) as caught:
        read(path)
    assert caught.value.code == "broken_workbook"
