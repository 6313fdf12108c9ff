"""What the generator promises about the world itself."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta

import pytest

from ingestion.sandbox.catalog import BLOCKS
from ingestion.sandbox.regions import NO_ROSTER, REGIONS
from ingestion.sandbox.terms import load_terms
from ingestion.sandbox.texts import STREETS
from ingestion.sandbox.world import Case, World, build_world, normalised


def _key(case: Case) -> tuple[str, str, str]:
    return case.source_code, case.region_code, case.native_id


def test_nothing_is_later_than_as_of_or_older_than_two_years(world: World) -> None:
    for case in world.cases:
        now = world.local_as_of[case.region_code]
        assert world.first_day[case.region_code] <= case.received_at.date()
        moments = [case.received_at, *(event.at for event in case.events)]
        moments += [cycle.closed_at for cycle in case.cycles if cycle.closed_at]
        assert max(moments) <= now
    assert all(
        now.date() - world.first_day[code] == timedelta(days=730)
        for code, now in world.local_as_of.items()
    )


def test_an_as_of_without_an_offset_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="offset"):
        build_world(seed=1, as_of=world.as_of.replace(tzinfo=None), cases=10)


def test_the_size_is_about_what_was_asked_for(world: World) -> None:
    cases = sum(case.is_case and not case.is_bad for case in world.cases)
    assert 0.85 * 1500 < cases < 1.15 * 1500


def test_native_ids_are_unique_within_a_source_and_region(world: World) -> None:
    keys = Counter(_key(case) for case in world.cases if case.native_id)
    assert keys.most_common(1)[0][1] == 1


def test_a_later_as_of_extends_and_does_not_reshuffle(world: World, later_world: World) -> None:
    later = {_key(case): case for case in later_world.cases if case.native_id}
    compared = 0
    for case in world.cases:
        if not case.native_id or case.served_on < later_world.first_day[case.region_code]:
            continue
        if case.parent_id and case.parent_id // 100000 < 1790:
            # Comments under a post that has left the window have left with it.
            continue
        same = later[_key(case)]
        assert same.text == case.text
        assert same.received_at == case.received_at
        assert same.duplicate_of == case.duplicate_of
        assert same.events[: len(case.events)] == case.events
        compared += 1
    assert compared > 1300
    assert len(later_world.cases) != len(world.cases)


def test_checked_replies_and_rosters_of_the_past_stay_as_they_were(
    world: World, later_world: World
) -> None:
    first = max(later_world.first_day.values()) + timedelta(days=100)
    old = {row for row in world.checked_replies if row.checked_at > first}
    assert old
    assert old <= set(later_world.checked_replies)
    weeks = {row for row in world.rosters if row.week_start > first}
    assert weeks <= set(later_world.rosters)


def test_another_seed_makes_another_world(world: World) -> None:
    other = build_world(seed=8, as_of=world.as_of, cases=200)
    assert not {case.text for case in other.cases if case.is_case and case.text} & {
        case.text for case in world.cases if case.is_case and case.text
    }


def test_cases_that_are_no_copies_never_share_a_text(world: World) -> None:
    texts = Counter(
        (case.region_code, normalised(case.text))
        for case in world.cases
        if case.is_case and case.duplicate_of is None and not case.is_deleted
    )
    assert texts.most_common(1)[0][1] == 1


def test_no_template_repeats_word_for_word(world: World) -> None:
    """A text without numbers, names of places and streets, contacts: what a template would be."""
    places = {place.settlement for found in world.catalog.places.values() for place in found}
    places |= {
        place.settlement_locative for found in world.catalog.places.values() for place in found
    }
    streets = {name for pair in STREETS for name in pair}
    names = sorted(places | streets, key=len, reverse=True)
    known = re.compile("|".join(map(re.escape, names)), re.IGNORECASE)
    frames: Counter[str] = Counter()
    for case in world.cases:
        if case.is_case and case.duplicate_of is None and case.text:
            frame = known.sub(" ", re.sub(r"\S+@\S+|[\d+()/-]+\w?", " ", case.text))
            frames[" ".join(re.findall(r"\w+", frame.lower()))] += 1
    assert frames.most_common(1)[0][1] <= 2
    repeated = sum(count for count in frames.values() if count > 1)
    assert repeated < 0.01 * sum(frames.values())


def test_every_topic_has_at_least_twelve_ways_to_say_it(world: World) -> None:
    topics = world.catalog.topics.values()
    assert len(topics) >= 60
    assert {topic.block_code for topic in topics} == {*BLOCKS, "OTHER"}
    for topic in topics:
        assert len({phrase.text for phrase in topic.phrases}) >= 12, topic.code


def test_no_slot_of_the_grammar_is_left_open(world: World) -> None:
    assert not [case.text for case in world.cases if re.search(r"[{}]", case.text)]
    assert not [case.reply_text for case in world.cases if re.search(r"[{}]", case.reply_text)]


def test_some_texts_carry_phones_mail_and_names(world: World) -> None:
    texts = [case.text for case in world.cases if case.is_case]
    assert sum("@" in text for text in texts) > 20
    assert sum(bool(re.search(r"9\d\d\D{0,2}\d{3}\D?\d\d\D?\d\d", text)) for text in texts) > 60
    assert sum("С уважением" in text for text in texts) > 20


def test_the_five_regions_and_four_case_sources_all_have_cases(world: World) -> None:
    found = Counter((case.region_code, case.source_code) for case in world.cases)
    for region in REGIONS:
        for source in ("pos", "municipal_register", "open311", "vk"):
            assert found[region, source] > 5


def test_deadlines_of_pos_follow_the_rule_of_the_day(world: World) -> None:
    """DOMAIN.md 2.1: 30 days, fast 10 (8 from December 2025), moved off days without work; an
    extension of thirty days counts only if approved and told before the first term."""
    terms = load_terms()
    seen: Counter[str] = Counter()
    for case in world.cases:
        if case.source_code != "pos":
            continue
        for cycle in case.cycles:
            assert cycle.due_at is not None
            assert cycle.source_due_at is not None
            opened = cycle.opened_at.date()
            fast = 8 if opened >= date(2025, 12, 1) else 10
            first_due = planned = opened + timedelta(days=fast if case.is_fast_track else 30)
            while not terms.is_working(first_due):
                first_due += timedelta(days=1)
            own = [event for event in case.events if event.cycle_no == cycle.cycle_no]
            told = {event.event for event in own if event.at.date() <= first_due}
            rightful = {"extension_approved", "extension_notified"} <= told
            approved = any(event.event == "extension_approved" for event in own)
            longer = planned + timedelta(days=30)
            assert cycle.is_extended == rightful
            assert cycle.source_due_at.date() == (longer if approved else planned)
            assert cycle.due_at.date() == (longer if rightful else first_due)
            seen["wrongful"] += approved and not rightful
            seen["rightful"] += rightful
            seen["moved"] += first_due != planned
    assert seen["rightful"] > 5
    assert seen["wrongful"] > 0
    assert seen["moved"] > 50


@pytest.mark.parametrize(
    ("start", "due"),
    [
        # 30 days from 13.05.2026 end on Friday 12.06, a holiday: the next working day is Monday.
        (date(2026, 5, 13), date(2026, 6, 15)),
        # 30 days from 02.12.2025 end on 01.01.2026; the holidays last up to 11.01 (ПП № 1466).
        (date(2025, 12, 2), date(2026, 1, 12)),
        (date(2026, 9, 1), date(2026, 10, 1)),
    ],
)
def test_a_term_that_ends_on_a_day_off_moves_on(start: date, due: date) -> None:
    terms = load_terms()
    rule = terms.rule(regime="message", is_fast_track=False, start=start)
    assert terms.due(rule, start) == due


def test_fast_track_is_only_for_eligible_topics_and_some_eligible_go_the_ordinary_way(
    world: World,
) -> None:
    messages = [case for case in world.cases if case.source_code == "pos" and case.topic]
    eligible = {topic.code for topic in world.catalog.topics.values() if topic.is_fast_track["pos"]}
    assert {case.topic.code for case in messages if case.is_fast_track and case.topic} <= eligible
    assert any(
        not case.is_fast_track for case in messages if case.topic and case.topic.code in eligible
    )


def test_status_follows_from_due_and_closing(world: World) -> None:
    for case in world.cases:
        now = world.local_as_of[case.region_code]
        for cycle in case.cycles:
            due, closed = cycle.due_at, cycle.closed_at
            told = {"pos": ("withdrawn", "rejected"), "municipal_register": ("withdrawn",)}
            gone = case.outcome in told.get(case.source_code, ())
            if due is None or gone:
                expected = "undefined"
            elif closed is None:
                expected = "overdue_open" if due < now else "open"
            elif case.source_code == "pos":
                expected = "on_time" if closed.date() <= due.date() else "late"
            else:
                expected = "on_time" if closed <= due else "late"
            assert cycle.deadline_status == expected


def test_between_a_tenth_and_a_fifth_is_late_and_bodies_differ(world: World) -> None:
    late: Counter[str] = Counter()
    done: Counter[str] = Counter()
    for case in world.cases:
        for cycle in case.cycles:
            if cycle.closed_at and cycle.due_at:
                done[cycle.body_code] += 1
                late[cycle.body_code] += cycle.deadline_status == "late"
    assert 0.10 < late.total() / done.total() < 0.20
    shares = [late[body] / done[body] for body in done if done[body] >= 30]
    assert max(shares) - min(shares) > 0.1


def test_a_life_has_its_turns(world: World) -> None:
    kinds = Counter(event.event for case in world.cases for event in case.events)
    for kind in (
        "transferred",
        "interim_reply",
        "extension_requested",
        "extension_approved",
        "extension_notified",
        "rated",
        "reopened",
        "withdrawn",
        "rejected",
        "closed",
    ):
        assert kinds[kind] > 0, kind
    ratings = {case.rating for case in world.cases if case.rating is not None and not case.is_bad}
    assert ratings == {1, 2, 3, 4, 5}


def test_events_of_a_case_stand_in_the_order_of_time(world: World) -> None:
    for case in world.cases:
        moments = [event.at for event in case.events]
        assert moments == sorted(moments), case.native_id


def test_copies_point_to_an_earlier_record_of_another_channel(world: World) -> None:
    records = {(case.region_code, case.source_code, case.native_id): case for case in world.cases}
    copies = [case for case in world.cases if case.duplicate_of is not None]
    assert any(case.external_number for case in copies)
    assert any(not case.external_number for case in copies)
    for copy in copies:
        assert copy.duplicate_of is not None
        source, number = copy.duplicate_of
        first = records[copy.region_code, source, number]
        assert source != copy.source_code
        assert first.duplicate_of is None
        assert not first.is_bad
        assert timedelta(0) < copy.received_at - first.received_at < timedelta(days=5)
        if copy.external_number:
            assert (source, number) == ("pos", copy.external_number)
        else:
            assert normalised(copy.text) == normalised(first.text)
            assert len(normalised(copy.text)) >= 40


def test_thirty_replies_of_a_body_and_quarter_are_checked_or_all_there_are(world: World) -> None:
    answers: Counter[tuple[str, int, int]] = Counter()
    for case in world.cases:
        if not case.is_case or case.is_bad or case.duplicate_of is not None:
            continue
        for event in case.events:
            if event.event == "answered":
                day = event.at.date()
                answers[event.body_code, day.year, (day.month - 1) // 3] += 1
    checked = Counter(
        (row.body_code, row.checked_at.year, (row.checked_at.month - 1) // 3)
        for row in world.checked_replies
    )
    assert answers
    for key, count in answers.items():
        assert min(30, count) <= checked[key] <= count


def test_one_block_has_no_roster_and_one_person_is_shared(world: World) -> None:
    rostered = {(row.region_code, row.block_code) for row in world.rosters}
    expected = {(region, block) for region in REGIONS for block in BLOCKS} - NO_ROSTER
    assert rostered == expected
    rows: dict[tuple[str, object, str], list[tuple[str, float, float | None]]] = defaultdict(list)
    for row in world.rosters:
        rows[row.region_code, row.week_start, row.staff].append(
            (row.block_code, row.hours, row.share)
        )
        assert row.week_start.weekday() == 0
    shared = {key: found for key, found in rows.items() if len(found) > 1}
    assert {region for region, _, _ in shared} == set(REGIONS)
    for (region, _, _), found in shared.items():
        shares = [share for _, _, share in found if share is not None]
        # In Pskov nobody declares how a person's time is divided.
        assert shares == [] if region == "pskov" else sum(shares) == pytest.approx(1)
        assert len({hours for _, hours, _ in found}) == 1


def test_bad_rows_are_few_and_each_has_its_reason(world: World) -> None:
    reasons = Counter((case.source_code, case.bad_reason) for case in world.cases if case.is_bad)
    assert {"impossible_date", "wrong_rating", "empty_number", "year_3020"} == {
        reason for _, reason in reasons
    }
    assert reasons.total() < 200
    assert all(not case.is_case for case in world.cases if case.is_bad)


def test_every_checked_reply_has_a_number_of_its_own(world: World) -> None:
    numbers = [row.native_id for row in world.checked_replies]
    assert len(numbers) == len(set(numbers)) > 0


def test_a_message_of_the_last_minutes_is_not_registered_yet_and_has_its_cycle() -> None:
    as_of = datetime.fromisoformat("2026-03-01T06:00:00+03:00")
    world = build_world(seed=38, as_of=as_of, cases=2500)
    fresh = [
        case
        for case in world.cases
        if case.source_code == "pos" and {event.event for event in case.events} == {"received"}
    ]
    assert fresh
    for case in fresh:
        (cycle,) = case.cycles
        assert (cycle.opened_at, cycle.closed_at) == (case.events[0].at, None)
