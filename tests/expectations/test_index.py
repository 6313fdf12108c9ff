"""The index of checks is complete and says what each check means and what to do."""

from __future__ import annotations

from expectations.check import Check, Severity
from expectations.index import INDEX, catalogue, render_index


def _all() -> list[Check]:
    return [check for checks in catalogue().values() for check in checks.values()]


def test_the_index_in_the_repository_is_what_the_checks_say() -> None:
    assert INDEX.read_text(encoding="utf-8") == render_index(), (
        "run python -m expectations.index and commit expectations/INDEX.md"
    )


def test_every_check_stands_in_the_index_with_its_code() -> None:
    text = INDEX.read_text(encoding="utf-8")
    assert [check.code for check in _all() if f"`{check.code}`" not in text] == []


def test_every_check_says_what_it_means_and_what_to_do() -> None:
    for check in _all():
        assert len(check.meaning) > 20, check.code
        assert len(check.action) > 20, check.code


def test_codes_are_not_used_twice() -> None:
    codes = [check.code for check in _all()]
    assert len(codes) == len(set(codes))


def test_checks_of_personal_data_and_of_both_identities_are_critical() -> None:
    critical = {check.code for check in _all() if check.severity is Severity.CRITICAL}
    assert {
        "masked_no_phone",
        "masked_no_email",
        "load_identity",
        "ledger_covers_raw",
        "ledger_equals_appeals",
    } <= critical
