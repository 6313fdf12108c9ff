"""What a YAML demands of a value is judged in one place, for the check and for the load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ingestion.constraints import Constraints, constraints, shown
from ingestion.errors import RecordError, SourceDefinitionError
from ingestion.source import Source

MakeSource = Callable[..., Source]

REGISTER = """
kind: register
deadline: none
regions: [{code: tambov, time_zone: Europe/Moscow, endpoint: file.xlsx}]
entities:
  rows:
    table: indicators_of_tests
    role: indicator
    key: [Код]
    identity: {Внёс: staff, Проверил: staff}
    record:
      body: {from: Орган, choices: {seed: bodies.csv, column: body_name, aliases: aliases}}
      block:
        from: Блок
        choices:
          - {words: [да, нет], when: {state: [rejected]}}
          - {seed: blocks.csv, column: block_name, when: {state: [draft]}}
      period: {from: Период, pattern: '20\\d\\d-К[1-4]', example: 2026-К3}
      declared_value: {from: Заявлено, minimum: 0, maximum: 100}
      declared_by_key: Внёс
      declared_on: {from: Внесено, required: true, weekday: 1, minimum: 2020-01-01}
      state: {from: Состояние, values: {Черновик: draft, Отклонено: rejected}}
      verified_by_key: {from: Проверил, differs_from: declared_by_key}
      verified_on: {from: Проверено, not_before: declared_on}
      rejection_reason: {from: Причина, required_when: {state: [rejected]}}
"""
GOOD: dict[str, Any] = {"declared_on": "2026-10-05", "state": "draft"}


def judge(make_source: MakeSource, *regions: str) -> Constraints:
    entity = make_source("indicators_of_tests", REGISTER).entities["rows"]
    return Constraints(entity, regions or ("tambov",), shown)


def wrong(judged: Constraints, **fields: Any) -> list[tuple[str | None, str]]:
    return [(error.field, error.code) for error in judged.violations(GOOD | fields)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"declared_on": None}, [("Внесено", "missing_value")]),
        ({"declared_on": "2026-10-06"}, [("Внесено", "breaks_rule")]),
        ({"declared_on": "2019-12-30"}, [("Внесено", "out_of_bounds")]),
        ({"declared_value": 0.0}, []),
        ({"declared_value": 100.5}, [("Заявлено", "out_of_bounds")]),
        ({"declared_value": -0.5}, [("Заявлено", "out_of_bounds")]),
        ({"period": "2026-К5"}, [("Период", "breaks_rule")]),
        ({"period": "2026-К3 "}, [("Период", "breaks_rule")]),
        ({"verified_on": "2026-10-04"}, [("Проверено", "breaks_rule")]),
        ({"verified_on": "2026-10-05"}, []),
        ({"declared_by_key": "p_1", "verified_by_key": "p_1"}, [("Проверил", "breaks_rule")]),
        ({"declared_by_key": "p_1", "verified_by_key": "p_2"}, []),
        ({"state": "rejected"}, [("Причина", "missing_value")]),
        ({"state": "rejected", "rejection_reason": "  "}, [("Причина", "missing_value")]),
        ({"state": "rejected", "rejection_reason": "ошибка"}, []),
    ],
)
def test_a_value_is_held_to_what_its_field_declares(
    make_source: MakeSource, fields: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert wrong(judge(make_source), **fields) == expected


@pytest.mark.parametrize(
    "body",
    [
        "Министерство здравоохранения Тамбовской области",
        "министерство  здравоохранения тамбовской области",
        "Минздрав Тамбовской области",
        "«Минздрав Тамбовской области»",
        "Министерство 'здравоохранения' „Тамбовской” области",
    ],
)
def test_a_name_of_the_reference_is_known_however_it_is_spelled(
    make_source: MakeSource, body: str
) -> None:
    assert wrong(judge(make_source), body=body) == []


def test_a_name_of_another_region_is_not_known_and_the_nearest_is_proposed(
    make_source: MakeSource,
) -> None:
    judged = judge(make_source)
    assert wrong(judged, body="Комитет по здравоохранению Псковской области") == [
        ("Орган", "not_in_list")
    ]
    with pytest.raises(RecordError, match="похоже на «Министерство здравоохранения Тамбовской"):
        judged.check(GOOD | {"body": "Министерство здравохранения Тамбовской обл."})


def test_a_region_whose_reference_is_not_kept_is_not_held_to_it(make_source: MakeSource) -> None:
    assert wrong(judge(make_source, "kursk"), body="Администрация города Курска") == []


def test_a_list_may_depend_on_another_field(make_source: MakeSource) -> None:
    judged = judge(make_source)
    assert wrong(judged, block="Дороги") == []
    assert wrong(judged, block="да") == [("Блок", "not_in_list")]
    assert wrong(judged, block="да", state="rejected", rejection_reason="х") == []
    # No list counts for this state: any text will do.
    assert wrong(judged, block="что угодно", state=None) == []


def test_what_could_not_be_read_is_neither_judged_nor_compared_with(
    make_source: MakeSource,
) -> None:
    judged = judge(make_source)
    record = {"verified_on": "2026-10-01", "state": "draft"}
    assert [error.code for error in judged.violations(record, skip={"declared_on"})] == []


def test_a_source_that_demands_nothing_has_no_judge(make_source: MakeSource) -> None:
    plain = make_source(
        "plain",
        """
        kind: register
        deadline: none
        regions: [{code: tambov, time_zone: Europe/Moscow, endpoint: file.csv}]
        entities:
          rows: {table: plain, role: case, kind: appeal, key: [id], record: {text: Text}}
        """,
    )
    assert constraints(plain.entities["rows"], ["tambov"], shown) is None


TEMPLATE = """
    template:
      title: Показатели
      purpose: По ним проверяют объявление
      columns: {Код: {explanation: Номер записи, example: 1}}
"""


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("seed: bodies.csv", "seed: bodeis.csv", "there is no seed bodeis.csv"),
        ("column: body_name", "column: name", "bodies.csv has no column name; it has body_code"),
        ("seed: bodies.csv, column: body_name,", "", "either a seed with its column, or words"),
        ("differs_from: declared_by_key", "differs_from: author", "author is not in the record"),
        ("not_before: declared_on", "not_before: begun", "begun is not in the record"),
        ("required_when: {state", "required_when: {stage", "stage is not in the record"),
        ("pattern: '20", "pattern: '(20", "not a regular expression"),
        ("from: Внесено, required: true", "from: Внесено, required: true, optional: true", "opt"),
        ("differs_from: declared_by_key", "pattern: a", "an identity is replaced before"),
    ],
)
def test_a_wrong_demand_is_told_when_the_yaml_is_read(
    make_source: MakeSource, before: str, after: str, reason: str
) -> None:
    with pytest.raises(SourceDefinitionError, match=reason):
        make_source("indicators_of_tests", REGISTER.replace(before, after))


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("explanation: Номер записи", "explanation: Да", "at least 3"),
        ("{Код: {explanation: Номер записи, example: 1}}", "{}", "explain Код, the key"),
        ("columns: {Код", "columns: {Что исправить", "is the column of the check"),
        ("columns: {Код", "columns: {Цвет", "Цвет is no key"),
        ("title: Показатели", "title: Показатели", "record.body: explanation: people read it"),
    ],
)
def test_a_template_that_does_not_explain_itself_is_told(
    make_source: MakeSource, before: str, after: str, reason: str
) -> None:
    text = REGISTER.rstrip() + TEMPLATE.replace(before, after)
    with pytest.raises(SourceDefinitionError, match=reason):
        make_source("indicators_of_tests", text)


def test_a_column_that_would_be_taken_for_personal_data_is_told(make_source: MakeSource) -> None:
    register = REGISTER[: REGISTER.index("    record:")].replace(
        "    identity: {Внёс: staff, Проверил: staff}\n", ""
    )
    record = "    record:\n      unit: {from: Паспорт, explanation: Какой он, example: шт.}\n"
    with pytest.raises(SourceDefinitionError, match="«Паспорт» is a name of personal data"):
        make_source("indicators_of_tests", register + TEMPLATE.lstrip("\n") + record)
