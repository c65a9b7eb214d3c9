"""Plans of repeated work as cron expressions."""

from datetime import UTC, datetime, timedelta, tzinfo

from proffer.core.errors import Invalid

OFF = "off"
FIELDS = 5
EXAMPLE = 'Send minute, hour, day, month and weekday like "0 2 * * *" (each day at 02:00), or "off".'


def next_run(expression: str, after: datetime, zone: tzinfo) -> datetime | None:
    """Return the first moment of the plan later than an aware time, in UTC; None where the plan is "off".

    The fields are read in the local time of `zone`, as in cron(8) of Debian: a time that the clocks skip in spring
    comes right after the gap, one that they repeat in autumn comes once. Raises Invalid with an example.

    >>> next_run("0 2 * * *", datetime(2026, 1, 1, 12, tzinfo=UTC), UTC).isoformat()
    '2026-01-02T02:00:00+00:00'
    """
    from cronsim import CronSim, CronSimError

    if expression == OFF:
        return None
    if len(expression.split()) != FIELDS:
        raise _unreadable(expression, f"it has {len(expression.split())} fields, not {FIELDS}")
    # From noon of the day before: no clock is set at noon, so the beginning is never one of two equal hours.
    noon = after.astimezone(zone).replace(hour=12, minute=0, second=0, microsecond=0, fold=0) - timedelta(days=1)
    try:
        for moment in CronSim(expression, noon):
            if moment.astimezone(UTC) > after:
                return moment.astimezone(UTC)
    except (CronSimError, ValueError) as error:
        raise _unreadable(expression, str(error)) from None
    raise _unreadable(expression, "it names a day that never comes")


def check_cron(expression: str, field: str) -> str:
    """Return a cron expression or "off" that can be followed. Raises Invalid naming the field, with an example."""
    try:
        next_run(expression, datetime(2026, 1, 1, tzinfo=UTC), UTC)
    except Invalid as error:
        raise Invalid(error.message, field=field, remedy=error.remedy) from None
    return expression


def _unreadable(expression: str, why: str) -> Invalid:
    said = why[:1].lower() + why[1:]
    return Invalid(f"{expression[:60]!r} is no cron expression: {said}", field="schedule", remedy=EXAMPLE)
