"""Exports of the feedback platform: columns by name, XLSX and CSV alike, HTTP or dropped."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import responses

from ingestion.source import SOURCES_FOLDER, Source, Window, load_sources
from tests.ingestion.conftest import Platform

COLUMNS = [
    "Номер",
    "Номер ЕПГУ",
    "Источник",
    "Верхнеуровневый ЛКО",
    "Категория",
    "Подкатегория",
    "Факт",
    "Организация, в которую поступило сообщение",
    "Организация, в которой находится сообщение",
    "Дата поступления",
    "Дата планируемого завершения работ",
    "Дата фактического завершения работ",
    "Стадия",
    "Статус",
    "Просрочено",
    "Фаст-трек",
    "ФЗ",
    "Заявитель выбрал подачу по 59-ФЗ",
    "Тип решения",
    "Направлено по email в ФОИВ, не подключенный к ПОС",
    "Оценка ответа заявителем",
    "Повторное рассмотрение",
    "ФИО координатора",
    "ФИО исполнителя",
    "ФИО руководителя",
]
ROW = dict(
    zip(
        COLUMNS,
        [
            "68001",
            "1018",
            "ЕПГУ",
            "Тамбовская область",
            "ЖКХ",
            "Отопление",
            "Нет отопления",
            "Правительство",
            "Министерство ЖКХ",
            "05.01.2026",
            "04.02.2026",
            "-",
            "Исполнение",
            "Находится на рассмотрении",
            "Нет",
            "Да",
            "Обычное сообщение",
            "Нет",
            "-",
            "Нет",
            "5",
            "Нет",
            "Координаторов К. К.",
            "Исполнителев И. И.",
            "Руководителев Р. Р.",
        ],
        strict=True,
    )
)
CARD = {
    "Номер": "68001",
    "Текст сообщения": "Холодно",
    "Ответ заявителю": "",
    "Адрес": "ул. Мира, 5",
    "Муниципалитет": "город Тамбов",
    "Широта": "52,73",
    "Долгота": "41.45",
    "Поставлено вопросов": "2",
    "Отвечено по существу": "1",
    "ФИО заявителя": "Заявителев З. З.",
    "Телефон": "8 912 345-67-89",
    "Электронная почта": "zayavitelev@mail.ru",
}
HISTORY = {
    "Номер": "68001",
    "№ п/п": "2",
    "Цикл": "1",
    "Событие": "Назначен исполнитель",
    "Дата и время": "05.01.2026 11:30",
    "Организация": "Министерство ЖКХ",
    "Новый срок": "",
    "Оценка": "",
}
SECRETS = (
    "Координаторов",
    "Исполнителев",
    "Руководителев",
    "Заявителев",
    "345-67-89",
    "zayavitelev@mail.ru",
)
WINDOW = Window(
    datetime.fromisoformat("2026-01-01T00:00:00+03:00"),
    datetime.fromisoformat("2026-01-08T12:00:00+03:00"),
)


def csv_export(row: dict[str, str]) -> bytes:
    return (";".join(row) + "\r\n" + ";".join(row.values()) + "\r\n").encode("utf-8-sig")


def xlsx_export(row: dict[str, Any]) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(list(row))
    book.active.append(list(row.values()))
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


@pytest.fixture
def pos() -> Source:
    """The platform's own YAML, for one region."""
    source = load_sources(
        SOURCES_FOLDER, {"TSUR_SANDBOX_URL": "https://pos.example", "TSUR_POS_TOKEN": "t0ken"}
    )["pos"]
    return source.model_copy(update={"regions": source.regions[:1]})


def dropped(pos: Source, folder: Path) -> Source:
    """The same source, reading CSV files that somebody put into a folder."""
    region = pos.regions[0].model_copy(update={"endpoint": str(folder)})
    return pos.model_copy(update={"regions": (region,)})


def test_the_export_of_a_window_lands_with_its_canonical_fields(
    platform: Platform, pos: Source
) -> None:
    with responses.RequestsMock() as mock:
        for entity, row in (("messages", ROW), ("cards", CARD), ("history", HISTORY)):
            mock.get(
                "https://pos.example/pos/tambov/export",
                body=xlsx_export(row),
                match=[
                    responses.matchers.query_param_matcher(
                        {
                            "entity": entity,
                            "from": "2026-01-01",
                            "to": "2026-01-09",
                            "format": "xlsx",
                        }
                    ),
                    responses.matchers.header_matcher({"Authorization": "Bearer t0ken"}),
                ],
            )
        loads = platform.ingest(pos, window=WINDOW)
    assert [(one.outcome, one.rows_landed) for one in loads] == [("success", 1)] * 3
    (message,) = platform.records("pos_messages")
    assert message == {
        "native_id": "68001",
        "kind": "appeal",
        "received_at": "2026-01-05T00:00:00+03:00",
        "received_has_time": False,
        "source_due_at": "2026-02-04T23:59:59+03:00",
        "is_closed": False,
        "status": "Находится на рассмотрении",
        "stage": "Исполнение",
        "source_verdict": "Нет",
        "topic": "Нет отопления",
        "category": "ЖКХ",
        "subcategory": "Отопление",
        "fact": "Нет отопления",
        "received_body": "Правительство",
        "body": "Министерство ЖКХ",
        "channel": "ЕПГУ",
        "regime": "Обычное сообщение",
        "is_59fz": False,
        "is_fast_track": True,
        "rating": 5,
        "is_reopened": False,
    }
    (card,) = platform.records("pos_cards")
    assert (card["latitude"], card["longitude"]) == (52.73, 41.45)
    assert (card["questions_raised"], card["questions_answered"]) == (2, 1)
    (event,) = platform.records("pos_history")
    assert event == {
        "native_id": "68001/2",
        "case_native_id": "68001",
        "cycle_no": 1,
        "event": "assigned",
        "occurred_at": "2026-01-05T11:30:00+03:00",
        "body": "Министерство ЖКХ",
    }
    for table in ("pos_messages", "pos_cards", "pos_history"):
        stored = platform.stored_text(table)
        assert not [secret for secret in SECRETS if secret in stored]


def test_the_same_export_as_csv_dropped_into_a_folder_is_the_same_records(
    platform: Platform, pos: Source, tmp_path: Path
) -> None:
    (tmp_path / "messages_2026-01.csv").write_bytes(csv_export(ROW))
    (tmp_path / "cards.csv").write_bytes(csv_export(CARD))
    (tmp_path / "history.csv").write_bytes(csv_export(HISTORY))
    loads = platform.ingest(dropped(pos, tmp_path))
    # The test above has landed the same export as XLSX: nothing is new.
    assert [(one.rows_read, one.rows_unchanged) for one in loads] == [(1, 1)] * 3


def test_columns_are_found_in_any_order_and_spelling_of_case(
    platform: Platform, pos: Source, tmp_path: Path
) -> None:
    moved = {name.upper(): ROW[name] for name in reversed(COLUMNS)}
    moved["НОМЕР"] = "68002"
    (tmp_path / "messages.csv").write_bytes(csv_export(moved))
    source = dropped(pos, tmp_path)
    only = source.model_copy(update={"entities": {"messages": source.entities["messages"]}})
    platform.ingest(only)
    landed = {record["native_id"]: record for record in platform.records("pos_messages")}
    assert landed["68002"]["received_at"] == "2026-01-05T00:00:00+03:00"


def test_an_unknown_event_is_kept_and_its_form_is_told(
    platform: Platform, pos: Source, tmp_path: Path
) -> None:
    row = {**HISTORY, "№ п/п": "3", "Событие": "Передано на Марс"}
    (tmp_path / "history.csv").write_bytes(csv_export(row))
    source = dropped(pos, tmp_path)
    only = source.model_copy(update={"entities": {"history": source.entities["history"]}})
    (load,) = platform.ingest(only)
    assert load.rows_quarantined == 1
    (entry,) = platform.rows(
        "select native_id, error_code, reason from ops.quarantine where entity = 'history'"
    )
    assert entry[:2] == ("68001/3", "unknown_value")
    # Where a column has slipped, a name may stand there: its words are sealed in the entry.
    assert "Событие is 'xxxxxxxx xx xxxx'" in entry[2]


def test_dates_of_a_workbook_may_be_real_dates(
    platform: Platform, pos: Source, tmp_path: Path
) -> None:
    row = {**ROW, "Номер": 68003, "Дата поступления": datetime(2026, 1, 6)}
    (tmp_path / "messages.xlsx").write_bytes(xlsx_export(row))
    source = dropped(pos, tmp_path)
    only = source.model_copy(update={"entities": {"messages": source.entities["messages"]}})
    platform.ingest(only)
    landed = {record["native_id"]: record for record in platform.records("pos_messages")}
    assert landed["68003"]["received_at"] == "2026-01-06T00:00:00+03:00"
    assert landed["68003"]["received_has_time"] is False
