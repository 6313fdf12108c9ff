"""Files to measure with: made of a seed, of the size and shape of a municipal register."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from openpyxl import Workbook

_WORDS = (
    *("дорога", "яма", "двор", "мусор", "отопление", "автобус", "школа", "больница", "свет"),
    *("вода", "крыша", "подъезд", "тротуар", "снег", "парк", "лавка", "площадка", "контейнер"),
    *("остановка", "фонарь", "дерево", "колодец", "переход", "забор", "подвал", "светофор"),
)
_WORDS_OF_A_TEXT = 27


def records(count: int, seed: int = 7, first: int = 0) -> Iterator[dict[str, Any]]:
    """Records of about 800 bytes as JSON; every one has another number and text."""
    chance = random.Random(seed)
    for number in range(first, first + count):
        day = f"2026-{1 + number % 12:02d}-{1 + number % 28:02d}"
        yield {
            "number": f"2026-{number:08d}",
            "registered": f"{day}T{number % 24:02d}:{number % 60:02d}:{number % 59:02d}+03:00",
            "due": day,
            "status": chance.choice(["В работе", "Закрыто", "Новое"]),
            "topic": chance.choice(_WORDS),
            "category": "ЖКХ",
            "body": f"Администрация района № {chance.randrange(200)}",
            "address": f"ул. Ленина, д. {chance.randrange(300)}",
            "lat": round(52 + chance.random(), 6),
            "lon": round(41 + chance.random(), 6),
            "phone": f"+7915{chance.randrange(count // 10 + 1):07d}",
            "channel": "сайт",
            "rating": chance.randrange(1, 6),
            "text": " ".join(chance.choices(_WORDS, k=_WORDS_OF_A_TEXT)),
        }


def write_json_lines(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


def write_json(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        separator = '{"rows":['
        for row in rows:
            file.write(separator + json.dumps(row, ensure_ascii=False))
            separator = ",\n"
        file.write("]}")


def write_csv(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        for number, row in enumerate(rows):
            if not number:
                writer.writerow(row)
            writer.writerow(row.values())


def write_xml(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n<rows>\n')
        for row in rows:
            fields = "".join(f"<{k}>{escape(str(v))}</{k}>" for k, v in row.items())
            file.write(f"<row>{fields}</row>\n")
        file.write("</rows>\n")


def write_workbook(path: Path, rows: Iterator[dict[str, Any]], columns: int) -> None:
    """The records with so many columns: what a record lacks is filled with short texts."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Реестр")
    for number, row in enumerate(rows):
        extra = [f"Графа {n}" for n in range(len(row), columns)]
        if not number:
            sheet.append([*row, *extra])
        sheet.append([*row.values(), *(f"{name}: {number % 97}" for name in extra)])
    book.save(path)
