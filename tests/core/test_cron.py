"""Cron expressions in local time, also on the days when the clocks are set."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proffer.core.cron import OFF, check_cron, next_run
from proffer.core.errors import Invalid

STOCKHOLM = ZoneInfo("Europe/Stockholm")
ZONES = [STOCKHOLM, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Kolkata"), UTC]


def runs(expression: str, first: str, count: int, zone=STOCKHOLM) -> list[str]:
    """Return the next runs after a local time, in local time."""
    at, found = datetime.fromisoformat(first).replace(tzinfo=zone), []
    for _ in range(count):
        at = next_run(expression, at, zone)
        found.append(at.astimezone(zone).strftime("%m-%d %H:%M %z"))
    return found


def test_every_night_at_two_in_winter_and_in_summer():
    assert runs("0 2 * * *", "2026-01-01T01:00", 2) == ["01-01 02:00 +0100", "01-02 02:00 +0100"]
    assert runs("0 2 * * *", "2026-07-01T02:00", 1) == ["07-02 02:00 +0200"]


@pytest.mark.parametrize("minute", ["0", "30", "59"])
def test_a_night_without_that_hour_has_its_run_right_after_the_gap_once(minute: str):
    found = runs(f"{minute} 2 * * *", "2026-03-28T12:00", 2)
    assert found == ["03-29 03:00 +0200", f"03-30 02:{minute:>02} +0200"]


@pytest.mark.parametrize("minute", ["0", "30", "59"])
def test_a_night_with_that_hour_twice_has_one_run(minute: str):
    found = runs(f"{minute} 2 * * *", "2026-10-24T12:00", 2)
    assert found == [f"10-25 02:{minute:>02} +0200", f"10-26 02:{minute:>02} +0100"]


def test_asked_in_the_middle_of_the_repeated_hour_there_is_no_second_run():
    for at in ("2026-10-25T00:31:00+00:00", "2026-10-25T01:00:00+00:00", "2026-10-25T01:29:00+00:00"):
        found = next_run("30 2 * * *", datetime.fromisoformat(at), STOCKHOLM)
        assert found == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_off_never_comes():
    assert next_run(OFF, datetime(2026, 1, 1, tzinfo=UTC), UTC) is None
    assert check_cron(OFF, "schedule.home") == OFF


@given(
    at=st.integers(1_577_836_800, 2_051_222_400),
    expression=st.sampled_from(["0 2 * * *", "30 2 * * *", "15 1 * * *", "0 0 * * *", "59 23 * * *", "30 1 * * *"]),
    zone=st.sampled_from(ZONES),
)
def test_a_daily_plan_comes_once_for_each_local_day(at: int, expression: str, zone):
    moment, days = datetime.fromtimestamp(at, UTC), []
    for _ in range(4):
        following = next_run(expression, moment, zone)
        assert moment < following <= moment + timedelta(hours=26)
        # Asked at any time before it, the answer is the same.
        assert next_run(expression, moment + (following - moment) / 2, zone) == following
        moment = following
        days.append(moment.astimezone(zone).date())
    assert days == sorted(set(days))
    assert (days[-1] - days[0]).days == 3


@pytest.mark.parametrize(
    "wrong",
    ["", "x", "daily", "@daily", "0 2 * *", "0 2 * * * *", "60 2 * * *", "0 24 * * *", "0 2 0 * *", "0 2 30 2 *",
     "0 2 * 13 *", "0 2 * * 9", "-1 2 * * *", "0 2 * * \x00", "a" * 10_000, "0 2 * * * off", "Off"],
)  # fmt: skip
def test_what_cannot_be_followed_names_the_field_and_an_example(wrong: str):
    with pytest.raises(Invalid) as caught:
        check_cron(wrong, "schedule.home")
    assert caught.value.field == "schedule.home"
    assert '"0 2 * * *"' in caught.value.remedy
    assert len(caught.value.message) < 200
