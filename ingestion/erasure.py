"""A person is erased on demand, and texts, sealed bytes and identities when their time is over.

Erased are: the value in the vault, the texts, addresses and source fields of the person's records
in every version, what the NLP model wrote of the texts, the sealed bytes of refused records. Kept
are: keys, dates, topics, bodies, ratings, hashes, and a substitute for the person's key that leads
to nobody, so that the numbers of the marts stay. `ops.erasures` keeps the trace.

A pseudonym has no index in `raw`: a reference for every record would cost each load more than a
search costs once. The search is one pass over the rows that are not older than the first load
that brought the identity, and a second one for what others share with the person.

A later load does not bring the texts back: `keep_erased` redacts them on their way in.
"""

from __future__ import annotations

import json
import re
import secrets
import uuid
import zipfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from ingestion import ledger
from ingestion.clients.base import Item
from ingestion.errors import ERROR_TEXTS, IngestionError
from ingestion.formats.delivered import BROKEN_ARCHIVE
from ingestion.mapping import record_key
from ingestion.registers.contract import folded, seed_rows
from ingestion.source import Source
from ingestion.vault import Vault, normalise

# What tells or shows who somebody is, in records of any role. The rest carries the numbers.
# The last two are the register of corrections': what an address is, and why it is that.
ERASED_FIELDS = (
    *("text", "reply_text", "address", "latitude", "longitude", "url", "note"),
    *("new_value", "reason"),
)
# A correction that holds an address. Any other decides a number, and names nobody.
_CORRECTED_ADDRESS = "record ->> 'field' = 'address' and record ? 'new_value'"
# By which a version shows that it still holds a text of a case.
_CASE_TEXTS = ("text", "reply_text", "address", "latitude")
# Keys of persons in a record; those of staff are not a citizen's to erase.
_PERSON_KEYS = ("applicant_key", "author_key")
# Each kind, and what its normalised value must hold. Anything else finds nobody, or everybody
# whose record says "нет" where a phone is asked for.
_FORMS = {
    "phone": re.compile(r"^\d{5,15}$"),
    "email": re.compile(r"^[^@\s]+@[^@\s]+$"),
    "person": re.compile(r"[^\W\d_]"),
    "account": re.compile(r"[^\W_]"),
    "document": re.compile(r"\d"),
    "address": re.compile(r"[^\W_]"),
}
KINDS = tuple(_FORMS)

_ROWS_AT_ONCE = 20_000
PSEUDONYMS = r"p_[0-9a-f]{32}"
_SEPARATORS = r"[\s\u00a0().+-]{0,3}"
# More than this of one file is not searched in memory.
_MOST_SEARCHED = 256 << 20

_EMPTY_ENTRIES = """
update ops.quarantine
set
    raw_sealed = null,
    erased_at = clock_timestamp(),
    reason = %(reason)s,
    state = case when state = 'open' then 'erased' else state end
where quarantine_id = any(%(ids)s) and error_code = %(code)s
"""

# Whose text was erased, and who else wrote it word for word. Block, municipality and probability
# stay: they are numbers of the marts.
_FORGET_ENRICHMENTS = """
update nlp.enrichments
set masked_text = null, lemmas = '{{}}', organisations = '{{}}', places = '{{}}', entities = '{{}}'
where
    masked_text is not null
    and text_hash in (
        select unnest(%(hashes)s::text[])
        union all
        select unnest(array[record ->> 'text_hash', record ->> 'text_hash_unquoted'])
        from ({rows}) as erased where record ? 'text_hash'
    )
    and not exists (
        select 1 from (
            select unnest(array[
                record ->> 'text',
                case when record ->> 'text' like '''%%' then substr(record ->> 'text', 2) end
            ]) as text
            from ({rows}) as landed
        ) as kept
        where encode(sha256(convert_to(kept.text, 'UTF8')), 'hex') = text_hash
    )
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a person gave of themselves: one of `KINDS` and its value as they write it."""

    kind: str
    value: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise IngestionError("unknown_identity", f"{self.kind}: there are {', '.join(KINDS)}")
        if not self.value.strip():
            raise IngestionError("unknown_identity", f"{self.kind} is empty")
        if not _FORMS[self.kind].search(normalise(self.kind, self.value)):
            # Without the value: it may be a person's, given as another kind.
            raise IngestionError("unknown_identity", f"What was given as {self.kind} is none")

    def __repr__(self) -> str:
        return f"Identity({self.kind}, value hidden)"


@dataclass(slots=True)
class Erasure:
    """What an erasure found, and with `erasure_id` what it did. No personal data.

    `identities` are those asked for that the vault knows, of `asked`; `related` are others of the
    person that nobody shares. `rows` are versions, `records` cases and cards. `enrichments` are
    known only when it is done. `unsearched` are whole files in quarantine that cannot be read, so
    nobody knows whether the person is in them.
    """

    asked: int = 0
    identities: int = 0
    related: int = 0
    records: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    enrichments: int | None = None
    quarantine: list[int] = field(default_factory=list)
    whole_files: list[int] = field(default_factory=list)
    unsearched: list[int] = field(default_factory=list)
    erasure_id: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Counts for a table, JSON and the trace."""
        return {
            "asked": self.asked,
            "identities": self.identities,
            "related": self.related,
            "records": self.records,
            "rows": self.rows,
            "enrichments": self.enrichments,
            "quarantine": len(self.quarantine),
            "whole_files": len(self.whole_files),
            "unsearched": self.unsearched,
        }


def plan(
    identities: Iterable[Identity],
    *,
    sources: Iterable[Source],
    loader_url: str,
    transformer_url: str,
    vault_key: str | bytes | Path,
) -> Erasure:
    """What `erase` would find, without changing anything."""
    work = _Work(loader_url, transformer_url, vault_key, sources)
    with work.opened(is_waiting=False) as connection:
        return work.search(connection, list(identities)).outcome


def erase(
    identities: Iterable[Identity],
    *,
    sources: Iterable[Source],
    loader_url: str,
    transformer_url: str,
    vault_key: str | bytes | Path,
    by: str,
    reason: str,
) -> Erasure:
    """Erase a person, known by one or several identities; waits until running loads have ended.

    A record is the person's when it holds one of the identities; its card or message of the same
    number belongs to it, and so does an address that an operator corrected in it. A name alone is
    not a person: whoever bears it is erased too. Nothing is known of the pseudonyms of staff, so
    nobody's case is lost with an employee's name.

    The marts follow at the next build. An erasure that was interrupted is simply asked for again.
    """
    work = _Work(loader_url, transformer_url, vault_key, sources)
    with work.opened(is_waiting=True) as connection:
        found = work.search(connection, list(identities))
        with connection.transaction():
            work.carry_out(connection, found, by, reason)
        # By what has been erased, so that a repetition makes up for an interruption.
        found.outcome.enrichments = _forget_enrichments(transformer_url, found.evidence_hashes)
        connection.execute(
            "update ops.erasures set counts = %s where erasure_id = %s",
            [Jsonb(found.outcome.as_dict()), found.outcome.erasure_id],
        )
        return found.outcome


# --- the search ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Found:
    """What belongs to the person."""

    outcome: Erasure
    asked: list[str] = field(default_factory=list)
    related: list[str] = field(default_factory=list)
    # record key → (source, region, entity, native id)
    records: dict[uuid.UUID, tuple[str, str, str, str]] = field(default_factory=dict)
    # raw table → raw_id; None: ops.withdrawn_rows → withdrawn_row_id
    rows: dict[str | None, list[int]] = field(default_factory=dict)
    # the same as `records`, of those that never landed
    refused: dict[uuid.UUID, tuple[str, str, str, str]] = field(default_factory=dict)
    # of texts that are in ops.withdrawn_rows, which the transformer does not read
    evidence_hashes: list[str] = field(default_factory=list)


class _Work:
    """One erasure: connections, keys and the declared sources."""

    def __init__(
        self,
        loader_url: str,
        transformer_url: str,
        vault_key: str | bytes | Path,
        sources: Iterable[Source],
    ) -> None:
        self._loader_url = loader_url
        self._transformer_url = transformer_url
        self._vault = Vault(vault_key)
        self._sources = list(sources)
        # Message and card of one number are one case.
        self._parts = {
            source.code: [
                entity.name
                for entity in source.entities.values()
                if entity.role in ("case", "card")
            ]
            for source in self._sources
        }

    @contextmanager
    def opened(self, *, is_waiting: bool) -> Iterator[psycopg.Connection[Any]]:
        """The loader's connection; with `is_waiting` no load runs meanwhile."""
        with psycopg.connect(self._loader_url, autocommit=True) as connection:
            if is_waiting:
                _wait_for_loads(connection)
            yield connection

    def search(self, connection: psycopg.Connection[Any], identities: list[Identity]) -> _Found:
        if not identities:
            raise IngestionError("unknown_identity", "none was given")
        found = _Found(Erasure(asked=len(identities)))
        found.asked = sorted({self._vault.pseudonym(one.kind, one.value) for one in identities})
        known = connection.execute(
            """
            -- Loads that ran beside the first one may have brought the identity too.
            select i.pseudonym, least(i.first_load_id, (
                select min(l.load_id)
                from ops.loads as l
                where l.finished_at >= first.started_at
            ))
            from vault.identities as i
            left join ops.loads as first on first.load_id = i.first_load_id
            where i.pseudonym = any(%s)
            """,
            [found.asked],
        ).fetchall()
        found.outcome.identities = len(known)
        if known:
            self._find_records(connection, found, min(first for _, first in known))
            self._find_rows(connection, found)
            self._find_related(connection, found)
        self._find_entries(connection, found, identities)
        return found

    def _find_records(
        self, connection: psycopg.Connection[Any], found: _Found, first_load_id: int
    ) -> None:
        patterns = [f"%{pseudonym}%" for pseudonym in found.asked]
        for relation in _relations(connection).values():
            query = sql.SQL(
                """
                select distinct r.record_key, r.source_code, r.region_code, l.entity, r.native_id
                from {} as r inner join ops.loads as l on l.load_id = r.load_id
                where r.load_id >= %s
                    and (r.payload::text like any(%s) or r.record::text like any(%s))
                """
            ).format(relation)
            for key, *names in connection.execute(query, [first_load_id, patterns, patterns]):
                found.records[key] = (names[0], names[1], names[2], names[3])
        for source_code, region_code, entity, native_id in list(found.records.values()):
            parts = self._parts.get(source_code, [])
            for part in parts if entity in parts else []:
                key = uuid.UUID(record_key(source_code, region_code, part, native_id))
                found.records.setdefault(key, (source_code, region_code, part, native_id))
        self._find_corrected_addresses(connection, found)

    def _find_corrected_addresses(self, connection: psycopg.Connection[Any], found: _Found) -> None:
        """A register of corrections names a case and no person: found by the case's number."""
        tables = {
            entity.table: source.code
            for source in self._sources
            for entity in source.entities.values()
            if entity.role == "correction"
        }
        cases = {(source, region, number) for source, region, _, number in found.records.values()}
        if not tables or not cases:
            return
        spelled: dict[str, set[str]] = {}
        names = {row["source_code"]: row["source_name"] for row in seed_rows("data_sources.csv")}
        for source in self._sources:
            for label in {source.code, source.description.ru, names.get(source.code, source.code)}:
                spelled.setdefault(folded(label), set()).add(source.code)
        for name, relation in _relations(connection).items():
            if name is not None and name not in tables:
                continue
            query = sql.SQL(
                """
                select distinct r.record_key, r.source_code, r.region_code, l.entity, r.native_id,
                    r.record ->> 'case_source', r.record ->> 'case_native_id'
                from {} as r inner join ops.loads as l on l.load_id = r.load_id
                where r.source_code = any(%s) and r.record ->> 'case_native_id' = any(%s) and {}
                """
            ).format(relation, sql.SQL(_CORRECTED_ADDRESS))
            given = [list(tables.values()), [number for _, _, number in cases]]
            for key, source, region, entity, native_id, of, number in connection.execute(
                query, given
            ).fetchall():
                # A spelling that nobody knows decides nothing: nothing is lost with it.
                meant = spelled.get(folded(of or ""), {one for one, _, _ in cases})
                if any((one, region, number) in cases for one in meant):
                    found.records[key] = (source, region, entity, native_id)

    def _find_rows(self, connection: psycopg.Connection[Any], found: _Found) -> None:
        keys = list(found.records)
        held: set[uuid.UUID] = set()
        for name, relation in _relations(connection).items():
            query = sql.SQL("select {}, record_key from {} where record_key = any(%s)")
            rows = connection.execute(query.format(_number_of(name), relation), [keys]).fetchall()
            if rows:
                found.rows[name] = [row[0] for row in rows]
                held.update(row[1] for row in rows)
                found.outcome.rows[name or "ops.withdrawn_rows"] = len(rows)
        found.records = {key: names for key, names in found.records.items() if key in held}
        found.outcome.records = len(found.records)
        found.evidence_hashes = [
            row[0]
            for row in connection.execute(
                """
                select distinct encode(sha256(convert_to(record ->> 'text', 'UTF8')), 'hex')
                from ops.withdrawn_rows
                where withdrawn_row_id = any(%s) and record ? 'text'
                """,
                [found.rows.get(None, [])],
            )
        ]

    def _find_related(self, connection: psycopg.Connection[Any], found: _Found) -> None:
        """Other identities of these records, without those that other records hold too."""
        relations = _relations(connection)
        mentioned: set[str] = set()
        for name, rows in found.rows.items():
            query = sql.SQL(
                """
                select distinct found.pseudonym[1] from {} as r
                cross join lateral regexp_matches(r.payload::text || r.record::text, %s, 'g')
                    as found (pseudonym)
                where {} = any(%s)
                """
            ).format(relations[name], _number_of(name))
            mentioned.update(row[0] for row in connection.execute(query, [PSEUDONYMS, rows]))
        related = {
            row[0]
            for row in connection.execute(
                "select pseudonym from vault.identities where pseudonym = any(%s)"
                " and kind <> 'staff' and erasure_basis is distinct from 'request'",
                [sorted(mentioned - set(found.asked))],
            )
        }
        for relation in relations.values() if related else ():
            query = sql.SQL(
                """
                select r.payload::text || r.record::text from {} as r
                where r.record_key <> all(%s) and (r.payload::text || r.record::text) like any(%s)
                    and not exists (
                        select 1 from ops.erased_records as e where e.record_key = r.record_key
                    )
                """
            ).format(relation)
            patterns = [f"%{pseudonym}%" for pseudonym in related]
            for (content,) in connection.execute(query, [list(found.records), patterns]):
                related.difference_update(re.findall(PSEUDONYMS, content))
        found.related = sorted(related)
        found.outcome.related = len(related)

    def _find_entries(
        self, connection: psycopg.Connection[Any], found: _Found, identities: list[Identity]
    ) -> None:
        """Entries of the person's records, and those whose bytes hold one of the identities."""
        looked_for = _LookedFor(self._vault, identities, found.asked)
        # A correction names a case and no person, so its bytes are searched for the case's number.
        corrections = {
            (source.code, entity.name)
            for source in self._sources
            for entity in source.entities.values()
            if entity.role == "correction"
        }
        of_cases = {
            region: _LookedFor(
                self._vault,
                identities,
                found.asked,
                {number for _, of, _, number in found.records.values() if of == region},
            )
            for region in {region for _, region, _, _ in found.records.values()}
        }
        records = set(found.records.values())
        entries = connection.execute(
            """
            select quarantine_id, source_code, region_code, entity, native_id, is_whole_answer
            from ops.quarantine where erased_at is null order by quarantine_id
            """
        ).fetchall()
        for quarantine_id, source_code, region_code, entity, native_id, is_whole in entries:
            is_by_number = False
            if (source_code, region_code, entity, native_id) in records:
                is_held: bool | None = True
            else:
                content = self._content(connection, quarantine_id, is_whole)
                is_held = None if content is None else looked_for.is_in(content)
                if content and is_held is False and (source_code, entity) in corrections:
                    numbers = of_cases.get(region_code)
                    is_held = is_by_number = numbers is not None and numbers.is_in(content) is True
            if is_held is None:
                found.outcome.unsearched.append(quarantine_id)
            elif is_held:
                chosen = found.outcome.whole_files if is_whole else found.outcome.quarantine
                chosen.append(quarantine_id)
                # The next row of a correction may decide a number, and that one stays.
                if native_id is not None and not is_whole and not is_by_number:
                    key = uuid.UUID(record_key(source_code, region_code, entity, native_id))
                    found.refused[key] = (source_code, region_code, entity, native_id)

    def _content(
        self, connection: psycopg.Connection[Any], quarantine_id: int, is_whole: bool
    ) -> bytes | None:
        query = (
            "select content_sealed from ops.quarantine_parts where quarantine_id = %s order by part"
            if is_whole
            else "select raw_sealed from ops.quarantine where quarantine_id = %s"
        )
        size = connection.execute(
            "select sum(octet_length(content_sealed)) from ops.quarantine_parts"
            " where quarantine_id = %s",
            [quarantine_id],
        ).fetchone()
        if size is not None and size[0] is not None and size[0] > _MOST_SEARCHED:
            return None
        parts = connection.execute(query, [quarantine_id]).fetchall()
        return b"".join(self._vault.unseal(sealed) for (sealed,) in parts)

    def carry_out(
        self, connection: psycopg.Connection[Any], found: _Found, by: str, reason: str
    ) -> None:
        found.outcome.erasure_id = _trace(
            connection, "request", by, reason, found.asked, found.outcome.as_dict()
        )
        # Nobody keeps which key became which: the records stay one person's, of nobody known.
        substitutes = {
            pseudonym: f"p_{secrets.token_hex(16)}" for pseudonym in (*found.asked, *found.related)
        }
        for name, rows in found.rows.items():
            _redact(connection, found.outcome.erasure_id, name, rows, substitutes)
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into ops.erased_records"
                " (record_key, source_code, region_code, entity, native_id)"
                " values (%s, %s, %s, %s, %s) on conflict do nothing",
                [(key, *names) for key, names in (found.refused | found.records).items()],
            )
        _erase_identities(connection, [*found.asked, *found.related], "request")
        _erase_entries(connection, [*found.outcome.quarantine, *found.outcome.whole_files])


def _relations(connection: psycopg.Connection[Any]) -> dict[str | None, sql.Identifier]:
    """Where versions are kept: the raw tables by name, and under None what was withdrawn."""
    names = connection.execute(
        "select tablename from pg_tables where schemaname = 'raw' order by tablename"
    ).fetchall()
    found: dict[str | None, sql.Identifier] = {
        name: sql.Identifier("raw", name) for (name,) in names
    }
    return {**found, None: sql.Identifier("ops", "withdrawn_rows")}


def _number_of(name: str | None) -> sql.Identifier:
    return sql.Identifier("withdrawn_row_id" if name is None else "raw_id")


def _trace(
    connection: psycopg.Connection[Any],
    basis: str,
    by: str,
    reason: str,
    pseudonyms: list[str],
    counts: dict[str, Any],
) -> int:
    row = connection.execute(
        "insert into ops.erasures (basis, requested_by, reason, pseudonyms, counts)"
        " values (%s, %s, %s, %s, %s) returning erasure_id",
        [basis, by, reason, pseudonyms, Jsonb(counts)],
    ).fetchone()
    if row is None:
        raise psycopg.InternalError("insert … returning gave no row")
    erasure_id: int = row[0]
    return erasure_id


def _redact(
    connection: psycopg.Connection[Any],
    erasure_id: int,
    name: str | None,
    rows: list[int],
    substitutes: dict[str, str],
) -> None:
    connection.execute(
        "select ops.redact(%s, %s, %s, %s, %s)",
        [erasure_id, name, rows, list(ERASED_FIELDS), Jsonb(substitutes)],
    )


def _wait_for_loads(connection: psycopg.Connection[Any]) -> None:
    """Let no load run until the connection ends: it would not know what is being erased."""
    for names in connection.execute(
        "select distinct source_code, entity, region_code from ops.loads"
        " order by source_code, entity, region_code"
    ).fetchall():
        ledger.lock(connection, *names)


def _erase_identities(
    connection: psycopg.Connection[Any], pseudonyms: list[str], basis: str
) -> None:
    """Who asks for it is erased for good, also when the retention took the value before."""
    connection.execute(
        "update vault.identities set value_sealed = null, erasure_basis = %(basis)s,"
        " erased_at = coalesce(erased_at, clock_timestamp())"
        " where pseudonym = any(%(pseudonyms)s)"
        " and (erased_at is null or (erasure_basis, %(basis)s) = ('retention', 'request'))",
        {"pseudonyms": pseudonyms, "basis": basis},
    )


def _erase_entries(connection: psycopg.Connection[Any], quarantine_ids: list[int]) -> None:
    """Take the bytes out of entries; the reason may quote them, so the code's own stands in."""
    for code in {
        row[0]
        for row in connection.execute(
            "select distinct error_code from ops.quarantine where quarantine_id = any(%s)",
            [quarantine_ids],
        )
    }:
        connection.execute(
            _EMPTY_ENTRIES, {"ids": quarantine_ids, "code": code, "reason": _impersonal(code)}
        )
    connection.execute(
        "delete from ops.quarantine_parts where quarantine_id = any(%s)", [quarantine_ids]
    )


def _impersonal(code: str) -> str:
    text = ERROR_TEXTS.get(code)
    return f"{text.happened if text else code} The bytes were erased."


def _forget_enrichments(transformer_url: str, hashes: list[str]) -> int:
    """Take what the model wrote out of the enrichments of erased texts; returns of how many."""
    with psycopg.connect(transformer_url) as connection:
        row = connection.execute("select to_regclass('nlp.enrichments')").fetchone()
        if row is None or row[0] is None:
            return 0
        names = connection.execute(
            "select tablename from pg_tables where schemaname = 'raw' order by tablename"
        ).fetchall()
        rows = sql.SQL(" union all ").join(
            sql.SQL("select record from {}").format(sql.Identifier("raw", name))
            for (name,) in names
        )
        statement = sql.SQL(_FORGET_ENRICHMENTS).format(rows=rows)
        return connection.execute(statement, {"hashes": hashes}).rowcount


class _LookedFor:
    """Tells whether bytes hold an identity, in the spellings that sources use.

    `numbers` are those of cases: a value that is one of them counts too.
    """

    def __init__(
        self,
        vault: Vault,
        identities: list[Identity],
        pseudonyms: list[str],
        numbers: Collection[str] = (),
    ) -> None:
        self._vault = vault
        self._numbers = frozenset(numbers)
        self._kinds = sorted({one.kind for one in identities})
        self._pseudonyms = set(pseudonyms)
        patterns = [re.escape(pseudonym) for pseudonym in pseudonyms]
        for one in identities:
            value = normalise(one.kind, one.value)
            if one.kind == "phone" and value.isdigit() and len(value) >= 10:
                digits = _SEPARATORS.join(value[-10:])
                patterns.append(rf"(?<!\d)(?:[78]{_SEPARATORS})?{digits}(?!\d)")
            else:
                words = r"\s+".join(re.escape(word) for word in value.split(" "))
                patterns.append(rf"(?<!\w){words}(?!\w)")
        self._pattern = re.compile("|".join(patterns))
        # Bytes have no values that could be equal to a number.
        patterns += [
            rf"(?<!\w){re.escape(number.casefold().replace('ё', 'е'))}(?!\w)" for number in numbers
        ]
        self._pattern_of_bytes = re.compile("|".join(patterns))

    def is_in(self, content: bytes) -> bool | None:
        """True or False; None when the bytes cannot be read: a broken or too large workbook."""
        item = Item.unpacked(content)
        if item is not None:
            return any(self._is_value(value) for value in _strings([item.fields, item.derived]))
        if content[:2] != b"PK":
            return self._is_text(content)
        try:
            return self._is_in_archive(content)
        except (*BROKEN_ARCHIVE, OSError, ValueError):
            return None

    def _is_in_archive(self, content: bytes) -> bool | None:
        is_whole = True
        with zipfile.ZipFile(BytesIO(content)) as archive:
            for name in archive.namelist():
                # What a part says of its size need not be true.
                with archive.open(name) as part:
                    text = part.read(_MOST_SEARCHED)
                    is_whole = is_whole and not part.read(1)
                if self._is_text(text):
                    return True
        return False if is_whole else None

    def _is_value(self, value: str) -> bool:
        if value.strip() in self._numbers:
            return True
        if any(self._vault.pseudonym(kind, value) in self._pseudonyms for kind in self._kinds):
            return True
        return self._matches(value, self._pattern)

    def _is_text(self, content: bytes) -> bool:
        try:
            # JSON may write every letter by its number.
            return any(self._is_value(value) for value in _strings(json.loads(content)))
        except (ValueError, RecursionError):
            pass
        return any(
            self._matches(content.decode(encoding, "ignore"), self._pattern_of_bytes)
            for encoding in ("utf-8", "cp1251", "utf-16")
        )

    def _matches(self, text: str, pattern: re.Pattern[str]) -> bool:
        return pattern.search(text.casefold().replace("ё", "е")) is not None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)


# --- the loader's part ---------------------------------------------------------------------------


def has_erased(
    connection: psycopg.Connection[Any], source_code: str, region_code: str, entity: str
) -> bool:
    """True when a record of this entity and region has been erased."""
    row = connection.execute(
        "select exists (select 1 from ops.erased_records where source_code = %s"
        " and region_code = %s and entity = %s)",
        [source_code, region_code, entity],
    ).fetchone()
    return row is not None and bool(row[0])


def keep_erased(
    connection: psycopg.Connection[Any],
    table: sql.Identifier,
    *,
    source_code: str,
    region_code: str,
    entity: str,
) -> None:
    """Redact the rows of erased records on their way in; their other changes land.

    Called in the transaction of a load when `landing` and `landing_winners` are filled, before
    `landing_identities` reach the vault. The hash stays that of the content as it came, so an
    unchanged record counts as unchanged.
    """
    if not has_erased(connection, source_code, region_code, entity):
        return
    connection.execute(
        """
        create temporary table landing_erased on commit drop as
        select w.seq, e.record_key from landing_winners as w
        inner join ops.erased_records as e on e.record_key = w.record_key
        union
        select l.seq, e.record_key from landing as l
        inner join ops.erased_records as e on e.record_key = l.record_key
        """
    )
    connection.execute(
        """
        delete from landing_identities as i
        using (
            select distinct found.pseudonym[1] as pseudonym
            from landing_erased as e
            inner join landing as l on l.seq = e.seq
            cross join lateral regexp_matches(
                l.payload::text || l.record::text, %(pseudonyms)s, 'g'
            ) as found (pseudonym)
        ) as mentioned
        where i.pseudonym = mentioned.pseudonym and i.kind <> 'staff' and not exists (
            select 1 from landing as l
            where not exists (select 1 from landing_erased as e where e.seq = l.seq)
                and (l.payload::text || l.record::text) like '%%' || i.pseudonym || '%%'
        )
        """,
        {"pseudonyms": PSEUDONYMS},
    )
    connection.execute(
        sql.SQL(
            """
            update landing as l
            set
                payload = '{{"tsur_erased": true}}',
                record =
                    ops.redacted(told.others, %(erased)s, '{{}}') || coalesce(known.persons, '{{}}')
            from landing_erased as e
            inner join landing as arrived on arrived.seq = e.seq
            cross join lateral (
                select
                    coalesce(jsonb_object_agg(key, value) filter (where not is_person), '{{}}')
                        as others,
                    coalesce(array_agg(key) filter (where is_person), '{{}}') as persons
                from (
                    select key, value,
                        key = any(%(keys)s) or (
                            value #>> '{{}}' ~ %(pseudonym)s
                            and not exists (
                                select 1 from vault.identities as known
                                where known.pseudonym = value #>> '{{}}' and known.kind = 'staff'
                            )
                            and not exists (
                                select 1 from landing_identities as new
                                where new.pseudonym = value #>> '{{}}' and new.kind = 'staff'
                            )
                        ) as is_person
                    from jsonb_each(arrived.record)
                ) as fields
            ) as told
            left join lateral (
                select (
                    select jsonb_object_agg(key, value) from jsonb_each(r.record)
                    where key = any(told.persons)
                ) as persons
                from {table} as r
                where r.record_key = e.record_key
                order by r.raw_id + 0 desc
                limit 1
            ) as known on true
            where l.seq = e.seq
            """
        ).format(table=table),
        {
            "erased": list(ERASED_FIELDS),
            "keys": list(_PERSON_KEYS),
            "pseudonym": f"^{PSEUDONYMS}$",
        },
    )


def keep_entries_erased(connection: psycopg.Connection[Any], load_id: int) -> None:
    """Empty the entries that a load has made of erased records; at the end of its transaction."""
    ids = [
        row[0]
        for row in connection.execute(
            """
            select entry.quarantine_id from ops.quarantine as entry
            inner join ops.erased_records as e
                on e.source_code = entry.source_code and e.region_code = entry.region_code
                and e.entity = entry.entity and e.native_id = entry.native_id
            where entry.load_id = %s and entry.erased_at is null
            """,
            [load_id],
        )
    ]
    if ids:
        _erase_entries(connection, ids)


# --- retention -----------------------------------------------------------------------------------


def expire_texts(*, loader_url: str, transformer_url: str, before: datetime) -> int:
    """Erase texts of cases that were closed before a moment; returns how many versions.

    A case that was never closed, or whose source does not tell, counts from its receipt; one
    without any date from its load. Persons' keys stay. Batches are committed one by one.
    """
    done = 0
    with psycopg.connect(loader_url, autocommit=True) as connection:
        for name, relation in _relations(connection).items():
            done += _expire_texts_of(connection, name, relation, before)
    _forget_enrichments(transformer_url, [])
    return done


def _expire_texts_of(
    connection: psycopg.Connection[Any],
    name: str | None,
    relation: sql.Identifier,
    before: datetime,
) -> int:
    query = sql.SQL(
        """
        select {number} from {relation}
        where {number} > %(last)s and (record ?| %(texts)s or {corrected}) and coalesce(
            (record ->> 'closed_at')::timestamptz, (record ->> 'received_at')::timestamptz,
            observed_at
        ) < %(before)s
        order by {number}
        limit %(limit)s
        """
    ).format(number=_number_of(name), relation=relation, corrected=sql.SQL(_CORRECTED_ADDRESS))
    done = last = 0
    while True:
        parameters = {
            "last": last,
            "texts": list(_CASE_TEXTS),
            "before": before,
            "limit": _ROWS_AT_ONCE,
        }
        rows = [row[0] for row in connection.execute(query, parameters)]
        if not rows:
            return done
        with connection.transaction():
            counts = {"rows": {name or "ops.withdrawn_rows": len(rows)}}
            what = f"texts of before {before.isoformat()}"
            erasure_id = _trace(connection, "retention", "maintenance", what, [], counts)
            _redact(connection, erasure_id, name, rows, {})
        last = rows[-1]
        done += len(rows)


def expire_quarantine(*, loader_url: str, before: datetime) -> int:
    """Erase the sealed bytes of entries that were made before a moment; returns how many."""
    with psycopg.connect(loader_url) as connection:
        ids = [
            row[0]
            for row in connection.execute(
                "select quarantine_id from ops.quarantine"
                " where created_at < %s and erased_at is null",
                [before],
            )
        ]
        if ids:
            _trace(
                connection,
                "retention",
                "maintenance",
                f"quarantine of before {before.isoformat()}",
                [],
                {"quarantine": len(ids)},
            )
            _erase_entries(connection, ids)
        return len(ids)


def expire_identities(*, loader_url: str, before: datetime) -> int:
    """Erase vault values that no version observed since a moment refers to; returns how many."""
    with psycopg.connect(loader_url) as connection:
        _wait_for_loads(connection)
        old = {
            row[0]
            for row in connection.execute(
                "select pseudonym from vault.identities"
                " where created_at < %s and erased_at is null",
                [before],
            )
        }
        for relation in _relations(connection).values() if old else ():
            used = connection.execute(
                sql.SQL(
                    """
                    select distinct found.pseudonym[1]
                    from {} as r cross join lateral
                        regexp_matches(r.payload::text || r.record::text, %s, 'g')
                        as found (pseudonym)
                    where r.observed_at >= %s
                    """
                ).format(relation),
                [PSEUDONYMS, before],
            )
            old.difference_update(row[0] for row in used)
        if old:
            _trace(
                connection,
                "retention",
                "maintenance",
                f"identities not used since {before.isoformat()}",
                [],
                {"identities": len(old)},
            )
            _erase_identities(connection, sorted(old), "retention")
        return len(old)
