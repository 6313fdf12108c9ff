"""The shipped declarations of exports that people bring: each layout lands, nobody's name does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from ingestion.source import SOURCES_FOLDER, Source, load_source
from tests.ingestion.conftest import Platform

FULL = {
    "Номер инцидента": "77001",
    "Дата создания": "03.11.2026 09:15:00",
    "Дата окончания": "05.11.2026 12:00:00",
    "Отдел": "Сектор ЖКХ",
    "Исполнитель": "Администрация района",
    "Время с начала создания инцидента до окончания": "50:45:00",
    "Текущий шаг инцидента": "Готово",
    "Группа тем": "ЖКХ",
    "Тема": "★ Уборка снега",
    "Регион": "Псковская область",
    "Муниципалитет": "Псков",
    "Населённый пункт": "Псков",
    "Улица": "Лесная",
    "Дом": "5",
    "Тип инцидента": "Решаемый",
    "Итог": "Решено",
    "Теги": "снег",
    "Текст инцидента": "Не чистят тротуар",
    "1ый ответ ПИ": "Здравствуйте! Передали в работу.",
}
LAYOUTS = {
    "full": list(FULL),
    "without_reply": [name for name in FULL if name != "1ый ответ ПИ"],
    "without_address": [n for n in FULL if n not in ("Населённый пункт", "Улица", "Дом")],
    "short": ["Номер инцидента", "Дата создания", "Тема", "Текст инцидента"],
}
EDMS = [
    "Вид",
    "№ РК",
    "Дата рег.",
    "Содержание",
    "Корр./Подписал",
    "План (РК)",
    "Факт (РК)",
    "Группа документов – индекс",
    "Сопровод. документ",
    "Кому",
    "Рубрика",
    "Вид доставки РК",
    "Сообщение ПОС №",
]


def shipped(code: str, **environment: str) -> Source:
    return load_source(SOURCES_FOLDER / f"{code}.yml", environment)


def workbook(path: Path, rows: list[list[Any]]) -> Path:
    book = Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(row)
    book.save(path)
    return path


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_each_layout_of_incident_management_is_told_by_its_heading(
    platform: Platform, tmp_path: Path, layout: str
) -> None:
    names = LAYOUTS[layout]
    path = workbook(tmp_path / f"{layout}.xlsx", [names, [FULL[name] for name in names]])
    source = shipped("incident_management")
    (load,) = platform.ingest(source, region="pskov", files=path, run_id=layout)
    assert (load.rows_read, load.rows_quarantined) == (1, 0)
    ((found,),) = platform.rows(
        "select found ->> 'layout' from ops.loads where run_id = %s", layout
    )
    assert found == layout
    record = platform.records("incident_management")[-1]
    assert record["native_id"] == "77001"
    assert record["received_at"] == "2026-11-03T09:15:00+03:00"
    assert record["text"] == "Не чистят тротуар"
    assert record.get("address") == ("Псков, Лесная, 5" if "Улица" in names else None)
    assert ("reply_text" in record) is ("1ый ответ ПИ" in names)
    assert record.get("is_closed", False) is ("Текущий шаг инцидента" in names)


def test_a_table_that_is_no_incident_export_is_kept_whole(
    platform: Platform, tmp_path: Path
) -> None:
    path = workbook(tmp_path / "b.xlsx", [["Номер", "Текст"], ["1", "Яма"]])
    (load,) = platform.ingest(shipped("incident_management"), region="samara", files=path)
    assert (load.error_class, load.rows_quarantined) == ("missing_column", 1)


def edms_row(number: str, done: str = "") -> list[str]:
    return [
        *("Обращение", number, "12.01.2026", f"О ремонте дороги {number}", "Секретов П.А."),
        *("10.02.2026", done, "ОГ", "", "Тайный И.И.", "0002.0014.0143.0416", "Почта", "5500"),
    ]


def test_the_register_of_an_edms_lands_with_its_titles_pages_and_empty_numbers(
    platform: Platform, tmp_path: Path
) -> None:
    rows: list[list[Any]] = [
        ["Реестр обращений граждан"],
        [],
        EDMS,
        edms_row("А-26-1"),
        edms_row(""),
        EDMS,
        edms_row("А-26-2", "20.01.2026"),
        ["Итого: 3"],
    ]
    path = workbook(tmp_path / "edms.xlsx", rows)
    source = shipped("edms_59fz")
    (load,) = platform.ingest(source, region="tambov", files=path)
    assert (load.rows_read, load.rows_landed, load.rows_quarantined) == (3, 3, 0)
    records = platform.records("edms_59fz")
    assert records[0]["source_due_at"] == "2026-02-10T23:59:59+03:00"
    assert records[0]["external_number"] == "5500"
    assert records[0]["topic"] == "0002.0014.0143.0416"
    assert (records[0]["is_59fz"], records[0]["is_closed"]) == (True, False)
    assert records[2]["is_closed"] is True
    stored = platform.stored_text("edms_59fz")
    assert "Секретов" not in stored
    assert "Тайный" not in stored
    # The next print has its pages elsewhere and one more answer: one version, nothing doubled.
    again = [EDMS, edms_row("А-26-2", "20.01.2026"), edms_row(""), edms_row("А-26-1", "01.02.2026")]
    (load,) = platform.ingest(
        source, region="tambov", files=workbook(tmp_path / "next.xlsx", again)
    )
    assert (load.rows_landed, load.rows_unchanged) == (1, 2)


def test_a_saved_search_lands_without_its_authors(platform: Platform, tmp_path: Path) -> None:
    heading = "ССЫЛКА;ССЫЛКА С УЧЁТОМ ВЛАДЕЛЬЦА;АВТОР;ССЫЛКА НА АВТОРА;ДАТА И ВРЕМЯ;ТЕКСТ;ЛАЙКОВ"
    link = "https://vk.example/wall-1_2"
    row = f"{link};{link};Секретов Пётр;https://vk.example/id987654321;4 мар в 18:34;Дым во дворе;3"
    path = tmp_path / "found.csv"
    path.write_text(f"\ufeff{heading}\n{row}\n", encoding="utf-8")
    source = shipped("vk_exports", TSUR_VK_EXPORTS=str(path))
    (load,) = platform.ingest(source)
    assert (load.rows_landed, load.rows_quarantined) == (1, 0)
    (record,) = platform.records("vk_exports")
    assert record["incomplete_dates"] == ["received_at"]
    stored = platform.stored_text("vk_exports")
    assert "Секретов" not in stored
    assert "987654321" not in stored
