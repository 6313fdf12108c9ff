"""JSON, read value by value: memory does not grow with the document.

Each value is read by the standard library, so that it is what a small document or a line of JSON
Lines gives: parsers that stream by themselves turn half of a surrogate pair into `?` and refuse a
whole document for one long number.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any, BinaryIO

from ingestion.errors import UnreadableAnswer
from ingestion.formats.delivered import LONGEST_RECORD, Refuse

_CHUNK = 1 << 20
_SPACE = re.compile(r"[ \t\n\r]*")
# How the parser calls a text without an end, and what it may otherwise stop before when it has
# seen only half of it: a literal, an escape.
_OPEN = "Unterminated"
_TOKEN = 16
# Behind a number that goes on with `.5` or `e+5` there may be less than this to be seen of it.
_LEFT = 3


def _number(text: str) -> float | str:
    """A number beyond all floats stays the text that it was: JSON has no other way to tell it."""
    value = float(text)
    return value if isfinite(value) else text


_standard = json.JSONDecoder(parse_float=_number, parse_constant=str)
_read = _standard.raw_decode


def parse(text: str) -> Any:
    """A value as the standard library reads it, `NaN` and `1e400` as texts. ValueError."""
    return _standard.decode(text)


class JsonText:
    """A document in UTF-8, with or without a mark, from its first value to its last.

    What goes wrong is what `refuse(code, detail)` makes: `not_json`, `encoding_mismatch`,
    `record_too_large`. `lists` were begun, `count` of their elements were given.
    """

    def __init__(self, stream: BinaryIO, refuse: Refuse) -> None:
        self._stream = stream
        self._refuse = refuse
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        self._let_go = 0
        self._taken = 0
        self._is_over = False
        self.lists = self.count = 0

    @property
    def position(self) -> int:
        """How many characters have been read."""
        return self._let_go + self._at

    def peek(self) -> str:
        """The character that the next value begins with; empty at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def value(self) -> Any:
        """The next value, whole."""
        self.peek()
        begun = self._taken
        while True:
            reason, place = "", 0
            try:
                value, end = _read(self._text, self._at)
            except json.JSONDecodeError as error:
                reason, place = error.msg, error.pos
            except RecursionError:
                raise self._broken("it is nested too deep", self._at) from None
            else:
                if self._is_over or self._text[end - 1] in '"]}' or end + _LEFT <= len(self._text):
                    self._at = end
                    return value
            if self._taken - begun > LONGEST_RECORD:
                if reason and not reason.startswith(_OPEN) and place < len(self._text) - _TOKEN:
                    raise self._broken(reason, place)
                raise self._refuse(
                    "record_too_large", f"no record ended within {LONGEST_RECORD >> 20} MB"
                )
            place += self._let_go
            if not self._more() and reason:
                raise self._broken(reason, place - self._let_go)

    def elements(self) -> Iterator[Any]:
        """The elements of the list that begins here."""
        self._take("[")
        self.lists += 1
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            value = self.value()
            # Only now it is whole: of a number there may have been more.
            mark = self._take(",]")
            self.count += 1
            yield value
            if mark == "]":
                return

    def members(self) -> Iterator[str]:
        """The names in the object that begins here; the caller takes the value of each."""
        self._take("{")
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            if self.peek() != '"':
                raise self._broken("Expecting a name in double quotes", self._at)
            name = self.value()
            self._take(":")
            yield name
            if self._take(",}") == "}":
                return

    def end(self) -> None:
        """The document ends here."""
        if self.peek():
            raise self._broken("Extra data", self._at)

    def _take(self, expected: str) -> str:
        found = self.peek()
        if not found or found not in expected:
            wanted = " or ".join(f"'{one}'" for one in expected)
            raise self._broken(f"Expecting {wanted}", self._at)
        self._at += 1
        return found

    def _more(self) -> bool:
        """Read on, and let go of what was taken. False at the end."""
        if self._is_over:
            return False
        rest = self._text[self._at :]
        # Twice as much each time, so that a long value is not tried again for every chunk of it.
        try:
            chunk = self._stream.read(max(_CHUNK, len(rest)))
        except UnicodeDecodeError as error:  # of a stream that recodes what it reads
            told = f"after {self.count} records: {error.reason}"
            raise self._refuse("encoding_mismatch", told) from None
        self._is_over = not chunk
        pending = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(chunk)
        except UnicodeDecodeError as error:
            place = self._taken - pending + error.start
            raise self._refuse("encoding_mismatch", f"byte {place} is not UTF-8") from None
        if self._taken == pending:
            text = text.removeprefix("\ufeff")
        if self._is_over and pending:
            text = "\ufffd"  # the document breaks off within a character
        self._taken += len(chunk)
        self._let_go += self._at
        self._text, self._at = rest + text, 0
        return bool(text) or not self._is_over

    def _broken(self, reason: str, place: int) -> UnreadableAnswer:
        told = f"{reason} at character {self._let_go + place}"
        return self._refuse("not_json", f"after {self.count} records: {told}")


def elements_at(text: JsonText, path: Sequence[str]) -> Iterator[Any]:
    """The elements of the list that a path of names leads to."""
    start = text.peek()
    if not path and start == "[":
        yield from text.elements()
    elif path and start == "{":
        for name in text.members():
            if name == path[0]:
                yield from elements_at(text, path[1:])
            else:
                text.value()
    else:
        text.value()
