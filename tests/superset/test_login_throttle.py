"""Guessing a password is slow; an official who mistypes is not shut out for long."""

from __future__ import annotations

from tsur_superset.login_throttle import LoginThrottle


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def throttle(clock: Clock) -> LoginThrottle:
    return LoginThrottle(
        failures_per_login=3, failures_per_address=5, window_seconds=60, clock=clock
    )


def test_after_the_allowed_failures_the_login_waits_until_the_window_ends() -> None:
    clock = Clock()
    limit = throttle(clock)
    for _ in range(3):
        assert limit.seconds_to_wait("official", "10.0.0.1") == 0
        limit.failed("official", "10.0.0.1")
    assert 0 < limit.seconds_to_wait("official", "10.0.0.1") <= 61
    clock.now += 61
    assert limit.seconds_to_wait("official", "10.0.0.1") == 0


def test_another_address_can_still_log_in() -> None:
    limit = throttle(Clock())
    for _ in range(3):
        limit.failed("official", "10.0.0.1")
    assert limit.seconds_to_wait("official", "10.0.0.2") == 0


def test_many_logins_from_one_address_are_stopped_too() -> None:
    limit = throttle(Clock())
    for number in range(5):
        limit.failed(f"guess{number}", "10.0.0.1")
    assert limit.seconds_to_wait("somebody", "10.0.0.1") > 0


def test_a_success_forgets_the_failures_of_that_login() -> None:
    limit = throttle(Clock())
    limit.failed("official", "10.0.0.1")
    limit.failed("official", "10.0.0.1")
    limit.succeeded("official", "10.0.0.1")
    limit.failed("official", "10.0.0.1")
    assert limit.seconds_to_wait("official", "10.0.0.1") == 0
