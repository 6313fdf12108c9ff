"""Enrichment of the warehouse: only what is new, once per model, never a raw text."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import psycopg
import pytest
from spacy.language import Language
from spacy.tokens import Doc

from nlp import enrich as enrichment
from nlp.model import MODEL_VERSION, MODELS
from nlp.pipeline import build_pipeline
from stack.database import Warehouse

pytestmark = pytest.mark.server

TEXTS = [
    "'Врач Иванова Мария Петровна не принимает, тел. 89123456789",
    "В Бондарском районе не чистят дорогу",
    "Контейнеры переполнены, мусор не вывозят",
    "",
]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def url(warehouse: Warehouse) -> str:
    url = warehouse.url("transformer")
    with psycopg.connect(url) as connection:
        connection.execute(
            "drop table if exists nlp.enrichments, nlp.text_signals, nlp.reply_signals,"
            " nlp.near_duplicates, nlp.models"
        )
        connection.execute("drop table if exists intermediate.int_texts")
        connection.execute(
            "create table intermediate.int_texts (text_hash text, text text, region_code text)"
        )
        connection.execute("drop table if exists intermediate.int_case_replies")
        connection.execute(
            "create table intermediate.int_case_replies (reply_hash text, reply_text text)"
        )
    add(url, TEXTS)
    return url


def add(url: str, texts: list[str]) -> None:
    with psycopg.connect(url) as connection:
        for text in texts:
            connection.execute(
                "insert into intermediate.int_texts values (%s, %s, 'tambov')", [digest(text), text]
            )


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def run(url: str, municipalities: Path, **options: object) -> enrichment.EnrichmentCounts:
    return enrichment.enrich(url, municipalities=municipalities, **options)  # type: ignore[arg-type]


def test_every_text_gets_one_row_of_the_current_model(url: str, municipalities: Path) -> None:
    counts = run(url, municipalities)
    assert (counts.pending, counts.enriched, counts.failed) == (4, 4, 0)
    found = dict(rows(url, "select text_hash, masked_text from nlp.enrichments"))
    assert set(found) == {digest(text) for text in TEXTS}
    assert found[digest(TEXTS[0])] == "Врач [ИМЯ] не принимает, тел. [ТЕЛЕФОН]"
    assert rows(url, "select model_version from nlp.models where is_current") == [(MODEL_VERSION,)]
    assert rows(
        url, "select municipality_codes from nlp.enrichments where block_code = 'ROADS'"
    ) == [(["68602000"],)]
    assert rows(url, "select block_code, block_probability from nlp.enrichments"
                f" where text_hash = '{digest('')}'") == [("unknown", 0)]  # fmt: skip


def test_planted_personal_data_is_in_no_column(url: str, municipalities: Path) -> None:
    add(url, ["Пишет Сидорова Анна, СНИЛС 112-233-445 95, a.sid@mail.ru, кв. 77, vk.com/sidanna"])
    run(url, municipalities)
    everything = " ".join(
        str(row[0]).lower() for row in rows(url, "select e::text from nlp.enrichments as e")
    )
    for planted in ("сидоров", "112-233", "a.sid", "кв. 77", "sidanna", "9123456789", "петровн"):
        assert planted not in everything.replace("[квартира]", "")


def test_a_second_run_processes_only_new_texts(url: str, municipalities: Path) -> None:
    run(url, municipalities)
    before = rows(url, "select text_hash, enriched_at from nlp.enrichments order by 1")
    assert run(url, municipalities).enriched == 0
    add(url, ["Автобус не пришёл"])
    assert run(url, municipalities).enriched == 1
    after = dict(rows(url, "select text_hash, enriched_at from nlp.enrichments"))
    assert all(after[text_hash] == at for text_hash, at in before)
    assert len(after) == 5


def test_the_same_text_of_two_regions_is_processed_once(url: str, municipalities: Path) -> None:
    add(url, TEXTS)
    counts = run(url, municipalities)
    assert (counts.pending, counts.enriched) == (4, 4)


def test_a_new_model_processes_everything_and_keeps_the_old_rows(
    url: str, municipalities: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(url, municipalities)
    shutil.copytree(MODELS / MODEL_VERSION, tmp_path / "blocks-next")
    monkeypatch.setattr("nlp.model.MODELS", tmp_path)
    assert run(url, municipalities, model_version="blocks-next").enriched == 4
    assert rows(
        url, "select model_version, count(*) from nlp.enrichments group by 1 order by 1"
    ) == [(MODEL_VERSION, 4), ("blocks-next", 4)]
    assert rows(url, "select model_version from nlp.models where is_current") == [("blocks-next",)]


def test_a_run_that_was_stopped_goes_on_where_it_stood(url: str, municipalities: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(done: int, pending: int) -> None:
        assert pending == 4
        if done >= 2:
            raise Stopped

    with pytest.raises(Stopped):
        run(url, municipalities, batch_size=1, progress=stop)
    assert rows(url, "select count(*) from nlp.enrichments") == [(2,)]
    assert run(url, municipalities).enriched == 2


@pytest.mark.parametrize("component", ["tsur_lemmatizer", "tsur_entities", "tsur_persons"])
def test_a_component_that_fails_on_a_text_hides_the_text_and_is_counted(
    url: str, municipalities: Path, monkeypatch: pytest.MonkeyPatch, component: str
) -> None:
    def build_faulty(**options: object) -> Language:
        nlp = build_pipeline(**options)  # type: ignore[arg-type]
        pipe = nlp.get_pipe(component)
        name = "_recognise" if component == "tsur_entities" else "__call__"
        original = getattr(pipe, name)

        def fail_on_roads(given: Doc | list[Doc]) -> object:
            for doc in given if isinstance(given, list) else [given]:
                if "дорогу" in doc.text:
                    raise RuntimeError("broken on purpose")
            return original(given)

        if component == "tsur_entities":
            monkeypatch.setattr(pipe, name, fail_on_roads)
        else:
            monkeypatch.setattr(type(pipe), name, lambda _self, doc: fail_on_roads(doc))
        return nlp

    # The class is patched through a bound original, so keep only one pipeline at a time.
    monkeypatch.setattr(enrichment, "build_pipeline", build_faulty)
    counts = run(url, municipalities)
    assert (counts.enriched, counts.failed) == (4, 1)
    assert rows(
        url,
        "select masked_text, lemmas, block_code, entities from nlp.enrichments"
        f" where text_hash = '{digest(TEXTS[1])}'",
    ) == [(None, [], "unknown", {"failed": 1})]
    assert rows(url, "select count(*) from nlp.enrichments where masked_text is not null") == [(3,)]


def test_the_log_of_a_failure_names_the_hash_and_not_the_text(
    pipeline: Language, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(text: str) -> Doc:
        raise ValueError(text)

    monkeypatch.setattr(pipeline, "make_doc", fail)
    results = list(enrichment.analyse(pipeline, [("hash-1", "секретный текст")]))
    assert results[0].is_failed
    assert "hash-1" in caplog.text
    assert "секретный" not in caplog.text


@pytest.mark.slow
def test_two_worker_processes_give_the_same_rows_as_one(url: str, municipalities: Path) -> None:
    run(url, municipalities)
    query = "select text_hash, masked_text, lemmas, block_code from nlp.enrichments order by 1"
    alone = rows(url, query)
    with psycopg.connect(url) as connection:
        connection.execute("truncate nlp.enrichments")
    counts = run(url, municipalities, processes=2, batch_size=2)
    assert counts.enriched == 4
    assert rows(url, query) == alone


def test_analysts_and_officials_cannot_read_enrichments(
    url: str, municipalities: Path, warehouse: Warehouse
) -> None:
    run(url, municipalities)
    for role in ("analyst", "official", "auditor"):
        with (
            psycopg.connect(warehouse.url(role)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("select count(*) from nlp.enrichments")


REPLY = (
    "Уважаемый Иван Петрович! Ваше обращение № {} рассмотрено, работы по уборке снега выполнены."
)


def test_signals_of_texts_and_replies_are_stored_once_and_without_the_text(
    url: str, municipalities: Path
) -> None:
    add(url, ["Подам жалобу прокурору и пойду в суд, если снег во дворе не уберут до пятницы"])
    replies = [REPLY.format(number) for number in (17, 18)]
    with psycopg.connect(url) as connection:
        for reply in [*replies, replies[0]]:
            connection.execute(
                "insert into intermediate.int_case_replies values (%s, %s)", [digest(reply), reply]
            )
    counts = run(url, municipalities)
    assert (counts.text_signals, counts.reply_signals) == (5, 2)
    assert rows(
        url,
        "select has_court, has_prosecutor, has_president, tone from nlp.text_signals"
        " where normalised_text_hash is not null and has_court",
    ) == [(True, True, False, None)]
    found = rows(
        url,
        "select skeleton_hash, has_action, has_date, has_legal_reason, has_personal_data, is_rude,"
        " promised_date from nlp.reply_signals",
    )
    assert len(found) == 2
    assert found[0] == found[1]
    assert found[0][0] is not None
    assert found[0][1:] == (None,) * 6
    everything = " ".join(
        str(row[0]).lower()
        for query in ("select t::text from nlp.text_signals as t",
                      "select r::text from nlp.reply_signals as r")
        for row in rows(url, query)
    )  # fmt: skip
    assert "петрович" not in everything
    assert "жалоб" not in everything
    again = run(url, municipalities)
    assert (again.text_signals, again.reply_signals) == (0, 0)


def test_texts_that_were_enriched_before_there_were_signals_get_theirs(
    url: str, municipalities: Path
) -> None:
    run(url, municipalities)
    with psycopg.connect(url) as connection:
        connection.execute("truncate nlp.text_signals")
    counts = run(url, municipalities)
    assert (counts.enriched, counts.text_signals) == (0, 4)


def test_no_pair_of_texts_is_near_until_a_model_says_so(url: str, municipalities: Path) -> None:
    run(url, municipalities)
    assert rows(url, "select count(*) from nlp.near_duplicates") == [(0,)]
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            "insert into nlp.near_duplicates values ('message', 'b', 'a', %s, 0.9)",
            [MODEL_VERSION],
        )
