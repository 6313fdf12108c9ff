"""JSON that is read value by value: what a whole reading of it would give, in bounded memory."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.errors import UnreadableAnswer
from ingestion.formats import json_text
from ingestion.formats.json_text import JsonText, elements_at

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
CHUNKS = st.integers(1, 40)


def refuse(code: str, detail: str) -> UnreadableAnswer:
    return UnreadableAnswer(code, detail, content=b"", name="a.json")


class Dribble(io.BytesIO):
    """Gives no more than a few bytes at a time, however many are asked for."""

    def __init__(self, content: bytes, chunk: int) -> None:
        super().__init__(content)
        self._chunk = chunk

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self._chunk)


def read(content: bytes, *path: str, chunk: int = 7) -> list[Any]:
    text = JsonText(Dribble(content, chunk), refuse)
    found = list(elements_at(text, path))
    text.end()
    return found


@given(records=st.lists(VALUES, max_size=5), beside=VALUES, chunk=CHUNKS, escaped=st.booleans())
def test_every_value_is_the_one_that_a_whole_reading_gives(
    records: list[Any], beside: Any, chunk: int, escaped: bool
) -> None:
    bare = json.dumps(records, ensure_ascii=escaped, indent=1).encode("utf-8", "surrogatepass")
    assert read(bare, chunk=chunk) == records
    document = {"beside": beside, "data": {"before": beside, "rows": records, "after": [beside]}}
    wrapped = json.dumps(document, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    assert read(b"\xef\xbb\xbf \n" + wrapped + b"\r\n\t", "data", "rows", chunk=chunk) == records


@given(records=st.lists(VALUES, min_size=1, max_size=4), data=st.data(), chunk=CHUNKS)
def test_a_document_that_breaks_off_gives_what_came_before_and_is_refused(
    records: list[Any], data: st.DataObject, chunk: int
) -> None:
    content = json.dumps(records, ensure_ascii=False).encode()
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    given_before: list[Any] = []
    with pytest.raises(UnreadableAnswer) as caught:
        given_before.extend(elements_at(JsonText(Dribble(cut, chunk), refuse), ()))
    assert caught.value.code == "not_json"
    assert f"after {len(given_before)} records" in caught.value.detail
    assert given_before == records[: len(given_before)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[1] x",
        b"[1][2]",
        b"[1,]",
        b"[1 2]",
        b"[,1]",
        b"[1",
        b"{1: 2}",
        b'{"a" 1}',
        b'{"a": 1,}',
        b'{"a": 1]',
        b"[1}",
        b"[nul]",
        b"[1 /* one */]",
        b'["a\x01"]',
        b'["\\x"]',
        b"[1]\xd0",
        b"[" * 5000 + b"]" * 5000,
    ],
)
@pytest.mark.parametrize("chunk", [1, 10_000])
def test_what_is_no_json_is_refused(content: bytes, chunk: int) -> None:
    with pytest.raises(UnreadableAnswer) as caught:
        read(content, "a", chunk=chunk) if content.startswith(b"{") else read(content, chunk=chunk)
    assert caught.value.code == "not_json"


def test_half_a_pair_and_a_long_number_are_read_as_they_are_written() -> None:
    content = b'[{"a": "x\\ud83dy"}, {"a": "\\ude00"}, {"a": 123456789012345678901234567890}]'
    assert read(content) == json.loads(content)


def test_bytes_that_are_no_text_are_told_by_their_place() -> None:
    good = '[1, "Яма", "'.encode()
    with pytest.raises(UnreadableAnswer) as caught:
        read(good + b'\xff"]', chunk=3)
    assert caught.value.code == "encoding_mismatch"
    assert f"byte {len(good)} is not UTF-8" in caught.value.detail


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ('[{"text": "' + "я" * 4000 + '"}]', "record_too_large"),
        ("[[" + "1," * 4000 + "1]]", "record_too_large"),
        ('[{"text" "' + "я" * 4000 + '"}]', "not_json"),
    ],
)
def test_a_value_without_end_is_told_from_a_broken_one(
    monkeypatch: pytest.MonkeyPatch, content: str, code: str
) -> None:
    monkeypatch.setattr(json_text, "LONGEST_RECORD", 1000)
    with pytest.raises(UnreadableAnswer) as caught:
        read(content.encode(), chunk=100)
    assert caught.value.code == code


class Endless(io.RawIOBase):
    """A list of so many records, made while it is read."""

    def __init__(self, count: int) -> None:
        self._parts = self._made(count)
        self._rest = b""

    @staticmethod
    def _made(count: int) -> Iterator[bytes]:
        yield b'{"rows": ['
        for number in range(count):
            record = {"id": number, "text": "я" * 300}
            yield (b"," if number else b"") + json.dumps(record).encode()
        yield b"]}"

    def read(self, size: int = -1) -> bytes:
        taken = bytearray()
        for part in self._parts:
            taken += part
            if len(taken) > 4096:
                break
        return bytes(taken)


def test_memory_does_not_grow_with_the_document() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        text = JsonText(Endless(count), refuse)  # type: ignore[arg-type]
        assert sum(1 for _ in elements_at(text, ["rows"])) == count
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(5_000) < peak(500) + (1 << 16)
