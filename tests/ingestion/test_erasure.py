"""A person is erased on demand and by time: nothing leads to them, the numbers stay."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingestion import erasure, ledger, withdrawal
from ingestion.erasure import ERASED_FIELDS, Erasure, Identity
from ingestion.errors import IngestionError
from ingestion.ledger import LoadCounts
from ingestion.source import CANONICAL_FIELDS, Source, load_source
from ingestion.vault import Vault
from nlp.tables import ensure
from tests.ingestion.conftest import HEAD, Platform

YAML = """
kind: pos
deadline: none
max_quarantined_share: 1
regions: [{{code: pskov, time_zone: Europe/Moscow, endpoint: "{folder}"}}]
entities:
  messages:
    table: {code}_messages
    role: case
    kind: appeal
    key: Номер
    files: "messages*"
    format: {{separator: ";"}}
    formats: ["%d.%m.%Y"]
    identity: {{Исполнитель: staff}}
    record: {{received_at: Дата, topic: Тема, body: Орган}}
  cards:
    table: {code}_cards
    role: card
    key: Номер
    files: "cards*"
    format: {{separator: ";"}}
    identity: {{ФИО: person, Телефон: phone, Почта: email}}
    record:
      text: Текст
      reply_text: Ответ
      address: Адрес
      questions_raised: Вопросов
      applicant_key: {{from: [Телефон, Почта, ФИО], optional: true}}
      municipality: {{from: ФИО, optional: true}}
"""
CORRECTIONS = """
kind: register
deadline: none
regions:
  - {{code: pskov, time_zone: Europe/Moscow, endpoint: "{folder}/pskov"}}
  - {{code: tambov, time_zone: Europe/Moscow, endpoint: "{folder}/tambov"}}
entities:
  rows:
    table: {code}
    role: correction
    key: [Источник, Номер, Поле]
    format: {{separator: ";"}}
    formats: ["%d.%m.%Y"]
    record:
      case_source: Источник
      case_native_id: Номер
      field: {{from: Поле, values: {{Адрес: address, Блок: block}}}}
      new_value: Значение
      reason: Причина
      decided_at: Решено
"""
_numbers = itertools.count(1)
PHONE = "+7 (911) 222-33-44"
EMAIL = "Petrova@example.org"
NAME = "Петрова Анна Ильинична"
FLAT = "Псков, ул. Мирная, 5, кв. 7"
TEXT = "Третью неделю не вывозят мусор, звоните Петровой по номеру 8-911-222-33-44"
OTHERS_TEXT = "Сообщение без текста"


class Registry:
    """Messages and cards of one source, delivered as files that the test writes."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.platform = platform
        self.folder = folder / "delivery"
        self.folder.mkdir(exist_ok=True)
        self.code = f"registry_{next(_numbers)}"
        path = folder / f"{self.code}.yml"
        path.write_text(HEAD + YAML.format(folder=self.folder, code=self.code), encoding="utf-8")
        self.source: Source = load_source(path, {})

    def deliver(self, *cards: dict[str, str]) -> list[LoadCounts]:
        messages = ["Номер;Дата;Тема;Орган;Исполнитель"]
        lines = ["Номер;Текст;Ответ;Адрес;Вопросов;ФИО;Телефон;Почта"]
        for card in cards:
            date = card.get("date", "05.01.2026")
            messages.append(f"{card['id']};{date};Мусор;Администрация;Смирнов Олег")
            cells = [card["id"], card.get("text", ""), card.get("reply", ""), card.get("at", "")]
            cells += [card.get("questions", "2"), card.get("who", ""), card.get("phone", "")]
            lines.append(";".join([*cells, card.get("mail", "")]))
        (self.folder / "messages.csv").write_text("\n".join(messages) + "\n", encoding="utf-8")
        (self.folder / "cards.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return self.platform.ingest(self.source)

    def how(self) -> dict[str, Any]:
        warehouse = self.platform.warehouse
        return {
            "sources": [self.source],
            "loader_url": warehouse.url("loader"),
            "transformer_url": warehouse.url("transformer"),
            "vault_key": self.platform.vault_key,
        }

    def erase(self, *identities: Identity) -> Erasure:
        return erasure.erase(identities, **self.how(), by="operator", reason="request 17")

    def cards(self) -> list[tuple[Any, ...]]:
        return self.platform.rows(
            f"select native_id, payload, record, payload_hash from raw.{self.code}_cards"
            " order by native_id, raw_id"
        )

    def everything(self) -> str:
        """All that can be read of the person: in the clear, and what the vault key opens."""
        vault = Vault(self.platform.vault_key)
        clear = self.platform.rows(
            f"select payload::text || record::text from raw.{self.code}_cards"
            f" union all select payload::text || record::text from raw.{self.code}_messages"
            " union all select payload::text || record::text from ops.withdrawn_rows"
            " union all select reason from ops.quarantine"
            " union all select counts::text || reason from ops.erasures"
        )
        sealed = self.platform.rows(
            "select value_sealed from vault.identities where value_sealed is not null"
            " union all select raw_sealed from ops.quarantine where raw_sealed is not null"
            " union all select content_sealed from ops.quarantine_parts"
        )
        opened = [vault.unseal(row[0]).decode("utf-8", "replace") for row in sealed]
        # A refused record is kept as JSON, in which every letter may be a number.
        opened += [json.dumps(json.loads(one)) for one in opened if one.startswith("{")]
        decoded = [one.encode().decode("unicode_escape") for one in opened if "\\u" in one]
        return "\n".join([row[0] for row in clear] + opened + decoded)


PETROVA = {
    "id": "1",
    "text": TEXT,
    "reply": "Уважаемая Анна Ильинична!",
    "at": FLAT,
    "who": NAME,
    "phone": PHONE,
    "mail": EMAIL,
}
SOMEBODY = {"id": "2", "text": OTHERS_TEXT, "who": "Сидоров Пётр", "phone": "89990001122"}


@pytest.fixture
def registry(platform: Platform, tmp_path: Path) -> Registry:
    with psycopg.connect(platform.warehouse.url("owner"), autocommit=True) as owner:
        for (table,) in owner.execute("select tablename from pg_tables where schemaname = 'raw'"):
            owner.execute(f"drop table raw.{table}")
        owner.execute("truncate vault.identities, ops.erased_records, ops.erasures")
        owner.execute("truncate ops.quarantine, ops.withdrawn_rows cascade")
    return Registry(platform, tmp_path)


def test_nothing_of_an_erased_person_can_be_read_any_more(registry: Registry) -> None:
    registry.deliver(PETROVA, SOMEBODY)
    registry.deliver({**PETROVA, "text": TEXT + "!"}, SOMEBODY)
    registry.deliver({**PETROVA, "id": "3", "questions": "много"}, PETROVA, SOMEBODY)
    before = registry.everything()
    assert all(word in before for word in ("Петров", "222-33-44", "кв. 7", "Petrova@"))

    # The phone as somebody else writes it down: the name and the e-mail are found beside it.
    done = registry.erase(Identity("phone", "8 911 2223344"))

    after = registry.everything()
    left = [word for word in ("Петров", "222-33-44", "кв. 7", "Petrova@", "Ильин") if word in after]
    assert left == []
    assert "Сидоров" in after
    assert OTHERS_TEXT in after
    assert (done.identities, done.related, done.records) == (1, 2, 2)
    assert len(done.quarantine) == 1


def test_a_record_of_a_load_that_ran_beside_the_one_known_to_the_vault_is_found(
    registry: Registry, tmp_path: Path
) -> None:
    slow, fast = registry.deliver(PETROVA), registry.deliver(PETROVA, {**PETROVA, "id": "9"})
    with psycopg.connect(registry.platform.warehouse.url("owner")) as owner:
        # The vault keeps the load that committed first, and the other one has the smaller number.
        owner.execute("update vault.identities set first_load_id = %s", [fast[-1].load_id])
        owner.execute(
            "update ops.loads set finished_at = clock_timestamp() where load_id = any(%s)",
            [[load.load_id for load in slow]],
        )
    done = registry.erase(Identity("phone", PHONE))
    # Two appeals, each a message and a card.
    assert done.records == 4
    assert "222-33-44" not in registry.everything()


def test_what_the_marts_count_stays(registry: Registry) -> None:
    registry.deliver(PETROVA, {**PETROVA, "id": "4", "text": "Ещё"}, SOMEBODY)
    before = registry.cards()
    registry.erase(Identity("phone", PHONE))
    after = registry.cards()

    assert [(row[0], row[3]) for row in after] == [(row[0], row[3]) for row in before]
    first, other, second = (row[2] for row in after)
    assert first["questions_raised"] == 2
    assert first["text_hash"] == hashlib.sha256(TEXT.encode()).hexdigest()
    letters = "".join(letter for letter in TEXT.lower() if letter.isalnum())
    assert first["normalised_text_hash"] == hashlib.sha256(letters.encode()).hexdigest()
    assert "normalised_text_hash" not in second
    # Still one person, of whom nobody knows who it is.
    assert first["applicant_key"] == second["applicant_key"]
    assert first["applicant_key"] not in {row[2]["applicant_key"] for row in before}
    assert other == before[1][2]
    messages = registry.platform.rows(f"select record from raw.{registry.code}_messages")
    assert all(record["topic"] == "Мусор" and record["received_at"] for (record,) in messages)


def test_the_trace_says_who_asked_when_and_what_and_names_nobody(registry: Registry) -> None:
    registry.deliver(PETROVA)
    done = registry.erase(Identity("phone", PHONE))

    ((trace_id, basis, by, reason, pseudonyms, counts, moment),) = registry.platform.rows(
        "select erasure_id, basis, requested_by, reason, pseudonyms, counts, erased_at"
        " from ops.erasures"
    )
    assert (trace_id, basis, by, reason) == (done.erasure_id, "request", "operator", "request 17")
    assert pseudonyms == [Vault(registry.platform.vault_key).pseudonym("phone", PHONE)]
    assert counts["records"] == 2
    assert sum(counts["rows"].values()) == 2
    assert moment is not None
    vault = registry.platform.rows(
        "select count(*), count(value_sealed), count(erased_at) from vault.identities"
        " where kind <> 'staff'"
    )
    assert vault == [(3, 0, 3)]


def test_the_same_delivery_again_brings_nothing_back(registry: Registry) -> None:
    registry.deliver(PETROVA, SOMEBODY)
    registry.erase(Identity("email", EMAIL.upper()))
    erased = registry.everything()

    loads = registry.deliver(PETROVA, SOMEBODY)

    assert [(load.rows_landed, load.rows_unchanged) for load in loads] == [(0, 2), (0, 2)]
    assert registry.everything() == erased


def test_a_later_version_of_an_erased_record_lands_without_text_and_identities(
    registry: Registry,
) -> None:
    registry.deliver(PETROVA)
    registry.erase(Identity("phone", PHONE))
    key = registry.cards()[0][2]["applicant_key"]

    other_mail = {**PETROVA, "questions": "3", "mail": "anna.petrova@example.org"}
    loads = registry.deliver(other_mail, SOMEBODY)

    assert [load.rows_landed for load in loads] == [1, 2]
    landed = registry.cards()[1][2]
    assert (landed["questions_raised"], landed["applicant_key"]) == (3, key)
    assert not set(landed) & set(ERASED_FIELDS)
    ((erased,),) = registry.platform.rows("select pseudonyms from ops.erasures")
    assert erased
    assert not set(erased) & set(landed.values())
    assert landed["municipality"] == registry.cards()[0][2]["municipality"]
    assert "etrova@" not in registry.everything()
    assert "Сидоров" in registry.everything()

    registry.deliver({**other_mail, "questions": "нет"}, SOMEBODY)
    assert "etrova@" not in registry.everything()
    assert registry.platform.rows(
        "select state, raw_sealed is null from ops.quarantine where native_id = '1'"
    ) == [("erased", True)]


def test_a_new_case_of_an_erased_person_is_a_new_case(registry: Registry) -> None:
    registry.deliver(PETROVA)
    registry.erase(Identity("phone", PHONE))
    registry.deliver(PETROVA, {**PETROVA, "id": "9", "text": "Новое обращение"})
    assert registry.cards()[-1][2]["text"] == "Новое обращение"


def test_what_was_withdrawn_is_erased_too(registry: Registry) -> None:
    registry.deliver(SOMEBODY)
    loads = registry.deliver(PETROVA, SOMEBODY)
    for load in reversed(loads):
        withdrawal.withdraw(
            registry.platform.url, load.load_id, by="tester", reason="another region's file"
        )
    registry.erase(Identity("phone", PHONE))
    assert "Петров" not in registry.everything()

    registry.deliver(PETROVA, SOMEBODY)
    assert "Петров" not in registry.everything()


def test_what_others_share_with_the_person_stays_theirs(registry: Registry) -> None:
    namesake = {"id": "5", "text": TEXT, "who": NAME, "phone": "89115556677"}
    registry.deliver(PETROVA, namesake)
    transformer = registry.platform.warehouse.url("transformer")
    digest = hashlib.sha256(TEXT.encode()).hexdigest()
    with psycopg.connect(transformer) as connection:
        ensure(connection)
        connection.execute(
            "insert into nlp.models (model_version) values ('m') on conflict do nothing"
        )
        connection.execute(
            "insert into nlp.enrichments values (%s, 'm', 'маска', '{а}', '{}', '{Псков}', '{58}',"
            " 'WASTE', 0.9, '{}') on conflict do nothing",
            [digest],
        )

    def enrichment() -> list[tuple[Any, ...]]:
        with psycopg.connect(transformer) as connection:
            return connection.execute(
                "select masked_text, lemmas, places, municipality_codes, block_code"
                " from nlp.enrichments where text_hash = %s",
                [digest],
            ).fetchall()

    done = registry.erase(Identity("phone", PHONE))
    assert (done.related, done.enrichments) == (1, 0)
    assert enrichment()[0][0] == "маска"
    assert registry.cards()[1][2]["text"] == TEXT
    assert NAME in registry.everything()

    done = registry.erase(Identity("phone", "89115556677"))
    assert (done.related, done.enrichments) == (1, 1)
    assert enrichment() == [(None, [], [], ["58"], "WASTE")]
    assert NAME not in registry.everything()


def test_an_employee_s_name_takes_no_case_with_it(registry: Registry) -> None:
    registry.deliver(PETROVA)
    done = registry.erase(Identity("person", "Смирнов Олег"))
    assert (done.identities, done.records) == (0, 0)
    assert registry.cards()[0][2]["text"] == TEXT


def test_a_refused_record_is_found_by_what_its_sealed_bytes_hold(registry: Registry) -> None:
    registry.deliver({**PETROVA, "questions": "много"}, {**SOMEBODY, "questions": "мало"})
    assert registry.platform.rows(
        "select count(*) from vault.identities where kind <> 'staff'"
    ) == [(0,)]
    done = registry.erase(Identity("person", "петрова  анна ильинична"))
    assert (done.identities, done.records, len(done.quarantine)) == (0, 0, 1)
    assert "Петров" not in registry.everything()
    assert "Сидоров" in registry.everything()


def test_a_record_that_was_erased_before_it_ever_landed_brings_nothing_back(
    registry: Registry,
) -> None:
    registry.deliver({**PETROVA, "questions": "много"}, {**SOMEBODY, "questions": "мало"})
    registry.erase(Identity("phone", PHONE))
    # The same bad record again, and then as it should have been.
    registry.deliver({**PETROVA, "questions": "много"}, SOMEBODY)
    assert "Петров" not in registry.everything()
    registry.deliver(PETROVA, SOMEBODY)
    assert "Петров" not in registry.everything()
    landed = {number: (payload, record) for number, payload, record, _ in registry.cards()}
    assert set(landed) == {"1", "2"}
    assert "applicant_key" not in landed["1"][1]
    assert landed["2"][1]["text"] == OTHERS_TEXT


def test_a_whole_file_in_quarantine_is_named_before_its_bytes_go(registry: Registry) -> None:
    registry.deliver(SOMEBODY)
    (registry.folder / "cards.csv").write_text(f"Номер;Имя\n1;{NAME}\n", encoding="cp1251")
    registry.platform.ingest(registry.source)
    planned = erasure.plan([Identity("person", NAME)], **registry.how())
    assert len(planned.whole_files) == 1
    assert registry.platform.rows("select count(*) from ops.quarantine_parts") == [(1,)]

    registry.erase(Identity("person", NAME))
    assert registry.platform.rows("select count(*) from ops.quarantine_parts") == [(0,)]


@pytest.fixture
def empty_quarantine(registry: Registry) -> Iterator[None]:
    """What other tests left is not searched, and nothing is left to them."""

    def clear() -> None:
        with psycopg.connect(registry.platform.warehouse.url("owner")) as connection:
            connection.execute("truncate ops.quarantine cascade")

    clear()
    yield
    clear()


@pytest.mark.parametrize("packing", [zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_damaged_archive_in_quarantine_is_told_and_stops_no_erasure(
    registry: Registry, empty_quarantine: None, packing: int
) -> None:
    registry.deliver(PETROVA, SOMEBODY)
    content = bytearray(archive_of("".join(map(chr, range(1000, 9000))), packing))
    content[2000:2400] = bytes(400)
    (registry.folder / "cards.csv").write_bytes(content)
    registry.platform.ingest(registry.source)

    done = registry.erase(Identity("person", NAME))
    assert len(done.unsearched) == 1
    assert done.records


@pytest.mark.parametrize(
    ("text", "found", "unsearched"),
    [
        (f"{NAME} {'a' * 90_000}", 1, 0),
        (f"{'a' * 90_000} {NAME}", 0, 1),
        ("a" * 3000, 0, 0),
    ],
    ids=["named at once", "longer than is searched", "names nobody"],
)
def test_of_a_part_of_an_archive_no_more_is_unpacked_than_is_searched(
    registry: Registry,
    empty_quarantine: None,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    found: int,
    unsearched: int,
) -> None:
    monkeypatch.setattr(erasure, "_MOST_SEARCHED", 4000)
    registry.deliver(SOMEBODY)
    (registry.folder / "cards.csv").write_bytes(archive_of(text, zipfile.ZIP_DEFLATED))
    registry.platform.ingest(registry.source)
    planned = erasure.plan([Identity("person", NAME)], **registry.how())
    assert (len(planned.whole_files), len(planned.unsearched)) == (found, unsearched)


def archive_of(text: str, packing: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", packing) as archive:
        archive.writestr("cards.xml", text)
    return content.getvalue()


def test_a_plan_counts_and_changes_nothing(registry: Registry) -> None:
    registry.deliver(PETROVA, SOMEBODY)
    before = registry.everything(), registry.cards()
    planned = erasure.plan([Identity("phone", PHONE)], **registry.how())
    assert (registry.everything(), registry.cards()) == before
    done = registry.erase(Identity("phone", PHONE))
    assert {**done.as_dict(), "enrichments": None} == planned.as_dict()


def test_an_erasure_that_is_asked_for_twice_finds_nothing_the_second_time(
    registry: Registry,
) -> None:
    registry.deliver(PETROVA)
    registry.erase(Identity("phone", PHONE))
    again = registry.erase(Identity("phone", PHONE))
    assert (again.records, again.rows, again.related) == (0, {}, 0)
    assert registry.platform.rows("select count(*) from ops.erasures") == [(2,)]


def test_raw_is_redacted_only_with_a_trace(registry: Registry) -> None:
    registry.deliver(PETROVA)
    with (
        psycopg.connect(registry.platform.url) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(
            f"select ops.redact(0, '{registry.code}_cards',"
            f" array(select raw_id from raw.{registry.code}_cards), '{{text}}', '{{}}')"
        )


@pytest.mark.parametrize("kind", ["staff", "", "Phone"])
def test_an_identity_of_another_kind_is_refused(kind: str) -> None:
    with pytest.raises(IngestionError) as refused:
        Identity(kind, "x")
    assert refused.value.code == "unknown_identity"
    assert "secret" not in repr(Identity("person", "secret"))


@pytest.mark.parametrize(
    ("kind", "value", "is_one"),
    [
        ("phone", "abc", False),
        ("phone", "нет", False),
        ("phone", "12", False),
        ("phone", "8 (916) 555-44-33", True),
        ("phone", "2-34-56", True),
        ("email", "ivan", False),
        ("email", "Ivan@example.ru", True),
        ("person", "8 916 555-44-33", False),
        ("person", "Ёлкина", True),
        ("account", "№ …", False),
        ("account", "id7", True),
        ("document", "нет", False),
        ("document", "112-233-445 95", True),
    ],
)
def test_what_is_no_identity_of_its_kind_is_refused_before_anything_is_searched(
    kind: str, value: str, is_one: bool
) -> None:
    if is_one:
        assert Identity(kind, value).value == value
        return
    with pytest.raises(IngestionError, match=f"given as {kind} is none") as refused:
        Identity(kind, value)
    assert refused.value.code == "unknown_identity"
    assert value not in str(refused.value)


def test_every_text_of_a_case_was_looked_at_by_somebody() -> None:
    # A new field that holds texts or places goes into ERASED_FIELDS, any other into this list.
    harmless = {
        *("native_id", "kind", "status", "stage", "source_verdict", "topic", "category"),
        *("subcategory", "fact", "received_body", "body", "channel", "municipality", "regime"),
        *("exclusion", "resolution", "priority"),
        *("external_number", "applicant_key", "author_key", "parent_native_id"),
    }
    texts = {
        name
        for role in ("case", "card")
        for name, kind in CANONICAL_FIELDS[role].items()
        if kind in ("text", "raw")
    }
    assert texts - set(ERASED_FIELDS) == harmless


# --- what an operator corrected ------------------------------------------------------------------


class Corrections:
    """A register of corrections beside a registry of cases, in two regions."""

    def __init__(self, registry: Registry, folder: Path) -> None:
        self.registry = registry
        self.folder = folder / "corrections"
        self.code = f"{registry.code}_corrections"
        path = folder / f"{self.code}.yml"
        content = CORRECTIONS.format(folder=self.folder, code=self.code)
        path.write_text(HEAD + content, encoding="utf-8")
        self.source = load_source(path, {})

    def deliver(self, pskov: list[str], tambov: list[str]) -> None:
        for region, rows in (("pskov", pskov), ("tambov", tambov)):
            (self.folder / region).mkdir(parents=True, exist_ok=True)
            lines = ["Источник;Номер;Поле;Значение;Причина;Решено", *rows]
            path = self.folder / region / "rows.csv"
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.registry.platform.ingest(self.source)

    def told(self) -> list[tuple[Any, ...]]:
        return self.registry.platform.rows(
            "select region_code, record ->> 'case_native_id', record ->> 'field',"
            f" record ->> 'new_value', payload::text like '%%Мир%%' from raw.{self.code}"
            " order by raw_id"
        )

    def how(self) -> dict[str, Any]:
        return {**self.registry.how(), "sources": [self.registry.source, self.source]}


def test_a_corrected_address_goes_with_its_case_and_no_other(
    registry: Registry, tmp_path: Path
) -> None:
    corrections = Corrections(registry, tmp_path)
    registry.deliver(PETROVA, SOMEBODY)
    mine = f"{registry.code};1;Адрес;ул. Мирная, 7;На Мирной двое;06.01.2026"
    rows = [
        mine,
        f"{registry.code};1;Блок;Дороги;Яма на Мирной;06.01.2026",
        f"{registry.code};2;Адрес;ул. Мира, 9;;06.01.2026",
    ]
    corrections.deliver(rows, [mine])
    identity = Identity("phone", PHONE)

    done = erasure.erase([identity], **corrections.how(), by="operator", reason="request 17")

    assert done.records == 3
    left = [
        ("pskov", "1", "address", None, False),
        ("pskov", "1", "block", "Дороги", True),
        ("pskov", "2", "address", "ул. Мира, 9", True),
        ("tambov", "1", "address", "ул. Мирная, 7", True),
    ]
    assert corrections.told() == left

    corrections.deliver([mine.replace("Мирная, 7", "Мирная, 8"), *rows[1:]], [mine])
    assert corrections.told() == [*left, left[0]]


def test_a_refused_correction_goes_with_its_case_and_no_other(
    registry: Registry, tmp_path: Path
) -> None:
    corrections = Corrections(registry, tmp_path)
    registry.deliver(PETROVA, SOMEBODY)
    mine = f"{registry.code};1;Аддрес;ул. Мирная, 7;На Мирной двое;06.01.2026"
    others = f"{registry.code};2;Аддрес;ул. Мира, д. 1;;06.01.2026"
    corrections.deliver([mine, others], [mine])
    refused = (
        "select region_code, raw_sealed is null from ops.quarantine"
        f" where source_code = '{corrections.code}' order by region_code, quarantine_id"
    )
    assert registry.platform.rows(refused) == [
        ("pskov", False),
        ("pskov", False),
        ("tambov", False),
    ]

    identity = Identity("phone", PHONE)
    done = erasure.erase([identity], **corrections.how(), by="operator", reason="request 17")

    assert len(done.quarantine) == 1
    assert registry.platform.rows(refused) == [
        ("pskov", True),
        ("pskov", False),
        ("tambov", False),
    ]
    # What is decided of the case later still lands: a block is a number, and names nobody.
    decided = f"{registry.code};1;Блок;Дороги;;07.01.2026"
    corrections.deliver([mine, others, decided], [mine])
    assert corrections.told() == [("pskov", "1", "block", "Дороги", False)]


def test_a_file_of_corrections_that_cannot_be_read_goes_with_a_case_that_it_names(
    registry: Registry, tmp_path: Path
) -> None:
    corrections = Corrections(registry, tmp_path)
    registry.deliver({**PETROVA, "id": "А-17"})
    for number in ("А-17", "А-171"):
        for region in ("pskov", "tambov"):
            (corrections.folder / region).mkdir(parents=True, exist_ok=True)
            broken = corrections.folder / region / f"{number}.csv"
            broken.write_text(f"Ничего\n{number} на ул. Мирная, 7\n", encoding="utf-8")
    registry.platform.ingest(corrections.source)
    files = (
        "select region_code, erased_at is not null from ops.quarantine"
        " where is_whole_answer order by region_code, erased_at is null"
    )
    assert len(registry.platform.rows(files)) == 4

    identity = Identity("phone", PHONE)
    done = erasure.erase([identity], **corrections.how(), by="operator", reason="request 17")

    assert len(done.whole_files) == 1
    assert [one for one in registry.platform.rows(files) if one[1]] == [("pskov", True)]


def test_a_corrected_address_is_erased_when_its_time_is_over(
    registry: Registry, tmp_path: Path
) -> None:
    corrections = Corrections(registry, tmp_path)
    corrections.deliver(
        [
            f"{registry.code};1;Адрес;ул. Мирная, 7;;06.01.2026",
            f"{registry.code};1;Блок;Дороги;;06.01.2026",
        ],
        [],
    )
    how = registry.how()
    urls = {"loader_url": how["loader_url"], "transformer_url": how["transformer_url"]}

    assert erasure.expire_texts(**urls, before=datetime.now(UTC) - timedelta(days=1)) == 0
    for expired in (1, 0):
        before = datetime.now(UTC) + timedelta(days=1)
        assert erasure.expire_texts(**urls, before=before) == expired
    assert [row[3] for row in corrections.told()] == [None, "Дороги"]


# --- retention -----------------------------------------------------------------------------------


def test_texts_are_erased_when_their_time_is_over_and_keys_stay(registry: Registry) -> None:
    registry.deliver(PETROVA, SOMEBODY)
    key = registry.cards()[0][2]["applicant_key"]
    how = registry.how()
    urls = {"loader_url": how["loader_url"], "transformer_url": how["transformer_url"]}

    # Cards tell no date: they count from their load.
    assert erasure.expire_texts(**urls, before=datetime.now(UTC) - timedelta(days=1)) == 0
    assert erasure.expire_texts(**urls, before=datetime.now(UTC) + timedelta(days=1)) == 2
    assert erasure.expire_texts(**urls, before=datetime.now(UTC) + timedelta(days=1)) == 0

    record = registry.cards()[0][2]
    assert not set(record) & set(ERASED_FIELDS)
    assert (record["applicant_key"], record["questions_raised"]) == (key, 2)
    loads = registry.deliver(PETROVA, SOMEBODY)
    assert [load.rows_unchanged for load in loads] == [2, 2]
    assert registry.platform.rows("select basis, counts from ops.erasures") == [
        ("retention", {"rows": {f"{registry.code}_cards": 2}})
    ]


def test_sealed_bytes_are_erased_when_their_time_is_over_and_counts_stay(
    registry: Registry,
) -> None:
    registry.deliver({**PETROVA, "questions": "много"})
    url = registry.how()["loader_url"]
    assert erasure.expire_quarantine(loader_url=url, before=datetime(2020, 1, 1, tzinfo=UTC)) == 0
    later = datetime.now(UTC) + timedelta(days=1)
    assert erasure.expire_quarantine(loader_url=url, before=later) == 1
    assert "Петров" not in registry.everything()
    assert registry.platform.rows("select state, error_code from ops.quarantine") == [
        ("erased", "bad_number")
    ]
    assert registry.platform.replay(registry.source).loads == ()


def test_identities_are_erased_when_nothing_recent_refers_to_them(registry: Registry) -> None:
    registry.deliver(PETROVA, SOMEBODY)
    url = registry.how()["loader_url"]
    with psycopg.connect(registry.platform.warehouse.url("owner"), autocommit=True) as owner:
        owner.execute("update vault.identities set created_at = created_at - interval '9 years'")
        owner.execute(
            f"update raw.{registry.code}_cards set observed_at = observed_at - interval '9 years'"
            " where native_id = '1'"
        )
    before = datetime.now(UTC) - timedelta(days=365)
    assert erasure.expire_identities(loader_url=url, before=before) == 3
    everything = registry.everything()
    assert "Петрова Анна Ильинична" not in everything
    assert "Сидоров" in everything


def test_who_asked_to_be_erased_is_not_learnt_again_by_what_stood_beside(
    registry: Registry,
) -> None:
    registry.deliver(PETROVA, SOMEBODY)
    url = registry.how()["loader_url"]
    # Also when the retention had come first.
    erasure.expire_identities(loader_url=url, before=datetime.now(UTC) + timedelta(days=1))
    done = registry.erase(Identity("phone", PHONE))
    assert done.related == 2
    registry.deliver(PETROVA, SOMEBODY, {"id": "5", "text": "Новое", "who": NAME, "mail": EMAIL})
    everything = registry.everything()
    assert [word for word in ("Петров", "222-33-44", "Petrova@") if word in everything] == []


def test_retention_waits_for_a_load_that_runs(registry: Registry) -> None:
    registry.deliver(PETROVA)
    how = registry.how()
    names = (registry.code, "cards", "pskov")
    with psycopg.connect(how["loader_url"], autocommit=True) as load, ThreadPoolExecutor(1) as pool:
        ledger.lock(load, *names)
        later = datetime.now(UTC) + timedelta(days=1)
        expiry = pool.submit(erasure.expire_identities, loader_url=how["loader_url"], before=later)
        with pytest.raises(TimeoutError):
            expiry.result(timeout=0.5)
        ledger.unlock(load, *names)
        assert expiry.result(timeout=30) == 4  # name, phone, mail, and the employee


def test_who_writes_again_after_the_retention_is_known_again_and_an_old_listing_is_no_reason(
    registry: Registry,
) -> None:
    registry.deliver(PETROVA, SOMEBODY)
    url = registry.how()["loader_url"]
    later = datetime.now(UTC) + timedelta(days=1)
    assert erasure.expire_identities(loader_url=url, before=later) == 6
    registry.deliver(PETROVA, SOMEBODY)
    assert "Сидоров" not in registry.everything()
    registry.deliver(PETROVA, SOMEBODY, {**SOMEBODY, "id": "3"})
    everything = registry.everything()
    assert "Сидоров" in everything
    assert "Петрова Анна Ильинична" not in registry.everything()
