"""Cleaning of a text as its source wrote it, before it is cut into tokens.

Sources hand over HTML from editors, entities, VK mentions in brackets, a quotation mark that a
spreadsheet export put in front, emoji and every kind of space. Everything later in the pipeline
sees plain text with single spaces.
"""

from __future__ import annotations

import html
import re
import unicodedata

PERSON = "[ИМЯ]"
LINK = "[ССЫЛКА]"

_SCRIPT = re.compile(r"<(script|style)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(r"<\s*/?\s*(?:br|p|div|li|ul|ol|tr|table|h[1-6])\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z!][^<>]*>")
_PERSON_MENTION = re.compile(r"\[\s*(?:id\d+|id\d+:[^|\]]*)\s*\|[^\]]*\]", re.IGNORECASE)
_GROUP_MENTION = re.compile(
    r"\[\s*(?:(?:club|public|event)\d+[^|\]]*|https?:[^|\]]+)\|[^\]]*\]", re.I
)
_ANY_MENTION = re.compile(r"\[\s*[\w.:/@-]+\s*\|[^\]]*\]")
_ACCOUNT_BEFORE_NAME = re.compile(r"[@*]id\d+\s*\([^)]*\)", re.IGNORECASE)
# A carriage return as Excel escapes it (ECMA-376 part 1, 22.4.2.4).
_ESCAPED = re.compile(r"_x000[9AD]_", re.IGNORECASE)
_LEADING = re.compile(r"^[\s'`>]+")
_LINE_END = re.compile(r"[ \t]*[\r\n]+[ \t]*")
_SPACE = re.compile(r"[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_REPEATED = re.compile(r"([!?.,])\1{3,}")
_DROPPED = {"Cf", "Cc", "Co", "Cs", "So", "Sk", "Cn"}
_KEPT = frozenset("\n\t№°^`")
_PLAIN = re.compile(r"[\u0020-\u007e\u0400-\u04ff№«»–—…“”„\n]*")


def _without_symbols(text: str) -> str:
    """Emoji, control and formatting characters become nothing or, between words, a space."""
    if _PLAIN.fullmatch(text):
        return text
    kept: list[str] = []
    for char in text:
        if char in _KEPT or unicodedata.category(char) not in _DROPPED:
            kept.append(char)
        elif unicodedata.category(char) in {"So", "Sk", "Cn", "Co"}:
            kept.append(" ")
    return "".join(kept)


def clean(text: str) -> str:
    """Plain text of a message; mentions of people become `[ИМЯ]`, of groups `[ССЫЛКА]`.

    Lines stay apart (they end sentences). The result may be empty.
    """
    # Entities may be escaped twice, and a tag may only appear after the first pass.
    for _ in range(2):
        if "&" not in text:
            break
        text = html.unescape(text)
    if "<" in text:
        text = _SCRIPT.sub(" ", text)
        text = _BREAK.sub("\n", text)
        text = _TAG.sub(" ", text)
    if "_x" in text:
        text = _ESCAPED.sub("\n", text)
    text = unicodedata.normalize("NFC", text)
    if "|" in text:
        text = _PERSON_MENTION.sub(f" {PERSON} ", text)
        text = _GROUP_MENTION.sub(f" {LINK} ", text)
        text = _ANY_MENTION.sub(f" {PERSON} ", text)
    if "id" in text:
        text = _ACCOUNT_BEFORE_NAME.sub(f" {PERSON} ", text)
    text = _without_symbols(text)
    text = _SPACE.sub(" ", text)
    text = _LEADING.sub("", text)
    text = _LINE_END.sub("\n", text)
    text = _REPEATED.sub(r"\1\1\1", text)
    return text.strip()
