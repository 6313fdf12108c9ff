"""Every error code of the ingestion in one place, with what happened and what to do.

The codes stand in `ops.quarantine.error_code` and `ops.loads.error_class`. Whoever reads one at
night finds here what it means; a test fails when a code is raised that this page does not know.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class ErrorText:
    """What a code means: `happened` in one sentence, `remedy` as an instruction."""

    happened: str
    remedy: str


ERROR_TEXTS: dict[str, ErrorText] = {
    # the declaration
    "source_definition": ErrorText(
        "A source's YAML is not valid.",
        "Correct the field that the message names; `./tsur source validate` checks the file.",
    ),
    "source_not_enabled": ErrorText(
        "The source needs environment variables that are not set.",
        "Set the variables that the message names, or leave the source switched off.",
    ),
    "region_unknown": ErrorText(
        "The source does not deliver for that region.",
        "Give one of the regions that the message names, or declare the region in the YAML.",
    ),
    "region_required": ErrorText(
        "A file was given without the region that it belongs to.",
        "Name the region with --region.",
    ),
    "files_not_read": ErrorText(
        "The source is read from its interface only, not from files.",
        "Load it without --file.",
    ),
    "window_required": ErrorText(
        "The source is read by window and the run gave none.",
        "Give --from and --to; the window comes from the run, never from the clock.",
    ),
    # fetching
    "http_unauthorised": ErrorText(
        "The source refused the account or its token.",
        "Renew it in the environment variable that the YAML names (`token`, `private_key`), and "
        "run the load again.",
    ),
    "http_rate_limited": ErrorText(
        "The source kept answering 429 (too many requests) after every wait.",
        "Lower the schedule or the rate of the source, then run the same window again.",
    ),
    "http_server_error": ErrorText(
        "The source kept answering with a server error after every retry.",
        "Wait for the source to recover (ask its owner), then run the same window again.",
    ),
    "http_client_error": ErrorText(
        "The source refused the request.",
        "Compare the endpoint and the parameters in the YAML with the source's documentation.",
    ),
    "http_timeout": ErrorText(
        "The source did not answer in time, on every attempt.",
        "Check the network and the source, raise `timeout_seconds` if it is slow, run again.",
    ),
    "http_connection": ErrorText(
        "The connection to the source failed or broke off, on every attempt.",
        "Check the address in the YAML, the network and the certificate (`ca_file`), then run "
        "again.",
    ),
    "answer_too_large": ErrorText(
        "The answer or file is larger than the source's declared limit.",
        "Ask for a smaller window or raise `max_megabytes` in the YAML after a look at the file.",
    ),
    "address_refused": ErrorText(
        "The address is at a host, or of a scheme, that the source's YAML does not name.",
        "Find out what led there. If it is right, write the address into the YAML of the source.",
    ),
    "ca_file_unreadable": ErrorText(
        "The certificates that the hosts of the source are trusted by cannot be read.",
        "Put them at the path that the message names, as PEM, readable for the account that loads; "
        "nothing was asked of the source.",
    ),
    "redirect_refused": ErrorText(
        "The source redirected the request to another address.",
        "If the source has moved, write its new address into the YAML.",
    ),
    "host_key_mismatch": ErrorText(
        "The SFTP server shows another key than the one that is declared.",
        "Ask its owner, over another channel, whether the key was changed; only then correct "
        "`host_key` in the YAML.",
    ),
    "api_error": ErrorText(
        "The interface answered with an error of its own.",
        "Look the code up in the interface's documentation; the message quotes it.",
    ),
    "call_budget_exhausted": ErrorText(
        "The load needed more calls than the source's YAML allows.",
        "Narrow the window or raise `max_calls`; what was read has landed.",
    ),
    "robots_disallowed": ErrorText(
        "The host does not allow robots to read the page, or its robots.txt cannot be read.",
        "Do not go round it: ask the owner of the page for an interface or for permission, and "
        "take the page out of the YAML until then.",
    ),
    "paging_stuck": ErrorText(
        "The source led from one page back to one that was read already.",
        "What was read has landed; run the window again, and report it to the source if it stays.",
    ),
    "search_overflow": ErrorText(
        "A search found more in a single second than it hands out.",
        "Make the query in the YAML narrower; what was handed out has landed.",
    ),
    "private_chat": ErrorText(
        "The export is not of a public channel or group, so it may not be held: nothing was kept.",
        "Delete the file. Only exports of type public_channel and public_supergroup are read.",
    ),
    "unreadable_export": ErrorText(
        "The export is broken before it tells whether it is public, so nothing of it was kept.",
        "Ask for the export again (Telegram Desktop, machine-readable JSON).",
    ),
    "answer_cut": ErrorText(
        "The answer is as long as the source's limit and cannot be asked for in smaller parts, so "
        "records may be missing.",
        "What came has landed. Declare how the source pages (`paging`), or raise `max_rows` if it "
        "gives more per answer; then run the same window again.",
    ),
    "paging_ignored": ErrorText(
        "The source gives the same page again and again.",
        "Declare `paging: none`, or the names that the source has for its pages "
        "(`page_parameter`, `size_parameter`); what was read has landed.",
    ),
    "endpoint_not_found": ErrorText(
        "The discovery document names no endpoint that can be used.",
        "Look at the document: one of its endpoints must be GeoReport v2 of the declared type. "
        "Otherwise write `endpoint` into the YAML in place of `discovery`.",
    ),
    "discovery_refused": ErrorText(
        "The discovery document leads to another host, or from https to http.",
        "Ask the owner of the source. If it is right, add the host to `discovery.hosts`, or write "
        "`endpoint` in place of `discovery`.",
    ),
    "file_not_found": ErrorText(
        "The declared file or folder is not there.",
        "Put the delivery at the path that the message names, or correct the endpoint.",
    ),
    "folder_empty": ErrorText(
        "No file is named like a delivery of any of the source's entities.",
        "Put the deliveries there or name them as the message tells (`files` in the YAML).",
    ),
    "file_not_read": ErrorText(
        "A file of the folder was not read: it is not what any entity is declared to come in.",
        "If it is a delivery, name it as `files` in the YAML tells and load it; otherwise take it "
        "out of the folder, or leave it there: the others were read.",
    ),
    "link_refused": ErrorText(
        "A link was not read: what it points to is not in the folder of the delivery.",
        "Find out who put it there. If it is meant, put the file itself into the folder.",
    ),
    "file_unreadable": ErrorText(
        "The file is there and cannot be opened.",
        "Let the account of the platform read it, then load it again.",
    ),
    # whole files and answers
    "not_json": ErrorText(
        "The answer is not JSON.",
        "Look at its first characters: a maintenance or login page means that the source was "
        "away. Run the window again; the bytes are in quarantine.",
    ),
    "unexpected_answer": ErrorText(
        "The answer or file is not of the declared shape.",
        "Compare it with what the YAML declares and with the source's documentation: a login or "
        "maintenance page means that the source was away. After a fix, `./tsur replay` lands it.",
    ),
    "unexpected_page": ErrorText(
        "The page is not a channel's public preview.",
        "Open the address in a browser: the channel may have been renamed, closed or made "
        "private. Correct or remove it in the YAML.",
    ),
    "not_a_feed": ErrorText(
        "The answer is neither RSS nor Atom.",
        "Open the address in a browser: the outlet may have moved its feed. Correct the YAML; "
        "the bytes are in quarantine.",
    ),
    "broken_feed": ErrorText(
        "The feed breaks off before its end.",
        "What came before has landed; run the source again. The bytes are in quarantine.",
    ),
    "broken_workbook": ErrorText(
        "The file is not a readable XLSX workbook (cut off or not a workbook at all).",
        "Ask for the export again; if only the kind was declared wrongly, correct `format` and "
        "run `./tsur replay`.",
    ),
    "encoding_mismatch": ErrorText(
        "The file is not in the encoding that the YAML declares.",
        "Correct `encoding` in the YAML (Russian exports are often cp1251), then `./tsur replay`.",
    ),
    "missing_sheet": ErrorText(
        "The workbook has no sheet of the declared name.",
        "Correct `format.sheet` in the YAML (a pattern such as `2026*` may stand there), then "
        "`./tsur replay`.",
    ),
    "workbook_too_large": ErrorText(
        "The workbook unpacks to more than its source allows, or reading it takes more memory.",
        "If it is genuine, ask for it as CSV, which has no such limit, or in parts, or raise "
        "`format.max_unpacked_megabytes`; then `./tsur replay`.",
    ),
    "record_too_large": ErrorText(
        "A single record or cell is larger than any real one.",
        "Ask the owner of the source what it is; nothing of this size is loaded.",
    ),
    "not_xml": ErrorText(
        "The answer is no complete XML.",
        "Ask for it again; what came before the break has landed.",
    ),
    "hostile_markup": ErrorText(
        "The XML declares a document type or entities, which data never needs.",
        "Do not open it. Ask the owner of the source how it came about.",
    ),
    "missing_column": ErrorText(
        "The file lacks a column that the YAML maps.",
        "Open the file. Without a heading, ask for it again with one; with a heading further "
        "down, set `format.header_row`. A column of another name: add that to `from`; one that "
        "the source has given up: `optional: true`. Then `./tsur replay`.",
    ),
    "repeated_column": ErrorText(
        "The header names a column twice.",
        "Ask the owner which of the two counts and for a corrected export.",
    ),
    "contract_frozen": ErrorText(
        "A value is not of the type that the frozen contract names; nothing of the load landed.",
        "The record is in quarantine. If the source has changed for good, correct the YAML, then "
        "load the window again.",
    ),
    "unknown_column": ErrorText(
        "The delivery brings a field that the contract does not know.",
        "Add it to the YAML (as identity, if it holds personal data), then `./tsur replay`.",
    ),
    "empty_file": ErrorText(
        "The file holds no header.",
        "Ask for the export again.",
    ),
    "no_rows": ErrorText(
        "A register that people keep came without a single record; nothing of it was deleted.",
        "Ask for the filled file. A record that is over is closed by its state, not left out.",
    ),
    "other_register": ErrorText(
        "The workbook was made for another register.",
        "Load it as the register that the message names, or ask for the right file.",
    ),
    "other_region": ErrorText(
        "The workbook was made for another region.",
        "Load it for the region that the message names, or ask for the right file.",
    ),
    "file_changing": ErrorText(
        "The file changed while it was read: somebody is still writing it.",
        "Nothing counts as vanished; run again when it is written. Declare `settle_seconds`, or "
        "ask that files be put there under another name and renamed when they are whole.",
    ),
    "file_time_unknown": ErrorText(
        "The file's name does not tell when it was observed.",
        "Rename it as `file_time` in the YAML declares, or correct the pattern.",
    ),
    # single records
    "row_shape": ErrorText(
        "The row has another number of cells than the header.",
        "Look for a separator or a quotation mark inside a value; ask for the row again.",
    ),
    "undecodable_text": ErrorText(
        "The row holds bytes that are not in the declared encoding.",
        "Ask for the row again or correct `encoding`, then `./tsur replay`.",
    ),
    "invalid_character": ErrorText(
        "A value holds a character that the warehouse cannot store (NUL, half a surrogate pair).",
        "Ask the source for the record again; the bytes are in quarantine.",
    ),
    "missing_key": ErrorText(
        "The record has no value in its declared key.",
        "Ask the source for the record with its number; without it versions cannot be told.",
    ),
    "bad_date": ErrorText(
        "A date does not follow any of the declared formats.",
        "Add the format to `formats` in the YAML if it is right, then `./tsur replay`.",
    ),
    "date_out_of_range": ErrorText(
        "A date lies before 1990 or more than ten years after the observation.",
        "Ask the source to correct the date; the record lands with the next load or replay.",
    ),
    "bad_number": ErrorText(
        "A value is not the number that its field asks for.",
        "Ask the source to correct it, or declare the field as text.",
    ),
    "bad_boolean": ErrorText(
        "A value is neither of the declared words for yes and no.",
        "Add the word to `true` or `false` in the YAML, then `./tsur replay`.",
    ),
    "unknown_value": ErrorText(
        "A value is not in the declared list.",
        "Add it to `values` in the YAML, then `./tsur replay`.",
    ),
    "formula": ErrorText(
        "A cell of a register that people keep holds a formula, or a text that begins like one.",
        "Ask the keeper of the register to paste the value in its place; `./tsur register check` "
        "marks every such cell of the file.",
    ),
    "missing_value": ErrorText(
        "A field that must be filled is empty.",
        "Ask the keeper of the register to fill it in; `./tsur register check` marks every such "
        "cell of the file.",
    ),
    "not_in_list": ErrorText(
        "A value is not in the reference that its field is declared to follow.",
        "Correct the value (`./tsur register check` proposes the nearest one), or add it to the "
        "seed that `choices` names, then `./tsur replay`.",
    ),
    "breaks_rule": ErrorText(
        "A value breaks a rule that its field declares (pattern, order of dates, weekday).",
        "Ask the keeper of the register to correct it; `./tsur register check` marks every such "
        "cell of the file.",
    ),
    "out_of_bounds": ErrorText(
        "A number lies outside what its field can hold.",
        "Ask the source to correct it; coordinates may be swapped.",
    ),
    "not_an_object": ErrorText(
        "An item of the listing is not a record.",
        "Report it to the owner of the source; the item is in quarantine.",
    ),
    "not_a_post": ErrorText(
        "The item is neither a post nor a comment (a photo, a note), so it is no case.",
        "Nothing to do: it is counted, and its bytes are kept.",
    ),
    "receipt": ErrorText(
        "The item is the receipt of a request that was sent in (a token), not a request.",
        "Nothing to do: it is counted, and its bytes are kept.",
    ),
    "nested_too_deep": ErrorText(
        "The record is nested deeper than any real one.",
        "Ask the owner of the source what it is; the bytes are in quarantine.",
    ),
    "no_item": ErrorText(
        "The answer carries no post or comment (only a confirmation), so there is no case in it.",
        "Nothing to do: it is counted, and its bytes are kept.",
    ),
    "repeated_key": ErrorText(
        "The key occurs more than once in the delivery with different content; the last one won.",
        "Ask the owner which of the records is right; the others are kept here.",
    ),
    "older_than_known": ErrorText(
        "An older delivery brought a version that is unknown, after a newer one was loaded.",
        "Nothing to do: the newer version stands, the older one is kept here.",
    ),
    # the load
    "too_many_quarantined": ErrorText(
        "More records went to quarantine than the source's threshold allows.",
        "Look at their reasons in ops.quarantine: a format has probably changed. After a fix of "
        "the YAML, `./tsur replay` lands them.",
    ),
    "unknown_load": ErrorText(
        "The ledger has no such load.",
        "The loads and their numbers: `./tsur load list`.",
    ),
    "load_not_withdrawable": ErrorText(
        "Only a load that has ended and stands can be withdrawn.",
        "Look at it with `./tsur load list`; an interrupted load has landed nothing, a running one "
        "is withdrawn after its end.",
    ),
    "later_loads_depend": ErrorText(
        "Later loads cannot be told apart from this one: a replay of its records, a delivery that "
        "was judged by its watermark, or a load whose sightings are no longer kept.",
        "Add `--with-later`: they are withdrawn with it, the newest first. Then load their "
        "windows and files again.",
    ),
    "no_windows": ErrorText(
        "The source is read as a whole, so there is no history to fill window by window.",
        "Load it with `./tsur ingest`.",
    ),
    "empty_period": ErrorText(
        "The period holds no day.",
        "Give --from before --to; the last day is excluded.",
    ),
    "backfill_running": ErrorText(
        "Another process is at this backfill.",
        "Wait until it has ended; its state is in ops.backfill_windows.",
    ),
    "unknown_identity": ErrorText(
        "A person is erased by a phone, e-mail, name, account, document or address.",
        "Give at least one, as the person writes it; `./tsur erase --help` shows how.",
    ),
    "interrupted": ErrorText(
        "The load was cut off (the process died); nothing of it was committed.",
        "Nothing to do: the next run of the source loads the window again.",
    ),
    # the program itself
    "internal": ErrorText(
        "The ingestion failed on something it does not know.",
        "Read the log of the run and report it with the load's number.",
    ),
}


# What lies in a folder beside its deliveries: told by an attempt, and no failure of the run.
LEFT_ASIDE = frozenset({"file_not_read", "link_refused"})


class IngestionError(Exception):
    """An error with a code of `ERROR_TEXTS`.

    `detail` says which source, file or record is meant; it must never hold a token or an
    identity. The text of the exception is code, what happened, the detail and what to do.
    """

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(describe(code, detail))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (type(self), self.__dict__.copy())


def _rebuilt(kind: type[IngestionError], state: dict[str, object]) -> IngestionError:
    """An error that comes from a worker process."""
    error = kind.__new__(kind)
    error.__dict__.update(state)
    Exception.__init__(error, describe(error.code, error.detail))
    return error


def storable(text: str) -> str:
    """The text as PostgreSQL can keep it: NUL and halves of surrogate pairs are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def describe(code: str, detail: str) -> str:
    """The sentence that is stored and shown: what happened, to what, and what to do."""
    text = ERROR_TEXTS[code]
    return f"{text.happened} {detail.rstrip('.')}. {text.remedy}"


class SourceDefinitionError(IngestionError):
    """A YAML file that cannot be used: names the file, the field and what to do."""

    def __init__(self, detail: str) -> None:
        super().__init__("source_definition", detail)


class UnknownRegionError(IngestionError):
    """A region that the source does not have; the text names those that it has."""


class FetchError(IngestionError):
    """The source could not be read; nothing of the answer is at hand.

    `status` is the HTTP status where there was one.
    """

    def __init__(self, code: str, detail: str, *, status: int | None = None) -> None:
        super().__init__(code, detail)
        self.status = status


class UnreadableAnswer(IngestionError):
    """A file or answer whose records cannot be told apart: it is kept whole.

    `content` are its bytes, as a stream that is read once: a file may not fit into memory.
    `is_end_told` is False when nobody tells whether there were more of them.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        content: bytes | BinaryIO,
        name: str,
        is_end_told: bool = True,
    ) -> None:
        super().__init__(code, detail)
        self.is_end_told = is_end_told
        self.content: BinaryIO = io.BytesIO(content) if isinstance(content, bytes) else content
        self.name = name


class RecordError(IngestionError):
    """One record that cannot land; `field` is the source's field that is to blame."""

    def __init__(self, code: str, detail: str, *, field: str | None = None) -> None:
        super().__init__(code, detail)
        self.field = field


class ContractBroken(IngestionError):
    """A value of a wrong type under a frozen contract: the load stops, nothing of it lands."""

    def __init__(self, cause: RecordError) -> None:
        super().__init__("contract_frozen", cause.detail)
        self.cause = cause


def catalogue() -> str:
    """Every code with what happened and what to do, as the page docs/errors.md."""
    lines = [
        "# Error codes",
        "",
        "What stands in `ops.loads.error_class` and `ops.quarantine.error_code`. The page is made",
        "by `python -m ingestion.errors`; a test holds it to the code.",
        "",
        "| Code | What happened | What to do |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{code}` | {text.happened} | {text.remedy} |"
        for code, text in sorted(ERROR_TEXTS.items())
    ]
    return "\n".join(lines).replace("\\|", "|") + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(catalogue())
