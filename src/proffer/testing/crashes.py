"""Crashes under load: clients that keep what they were told, a fault, and whether everything told still holds."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import msgspec

from proffer.testing.clients import ASKERS, BASE, PAUSE, Ask, Told, asker, at_work, liked, send
from proffer.testing.deployments import Deployment, Fault, await_ready

ENOUGH, MORE = (50, 400), 100
PATIENCE, JOB_PATIENCE, GRACE = 40.0, 150.0, 12.0
READY_SECONDS = 5.0
LAST_MOMENT = 1.0
"""Seconds before a crash whose decisions may be lost: they are written behind the answers."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a crash did: how much was told before and after, and what of it did not hold.

    `gap_s` is from the fault until each server acknowledged an event and said that it is ready, `ready_s` the part of
    it after what died had been started again (a database: after it took connections again). `decisions_lost` are those
    of the last moment, `wrong` names what must not be, `job` what became of the training that the fault met.
    """

    store: str
    fault: Fault
    seed: int
    acknowledged: int
    resent: int
    lost: int
    doubled: int
    decided: int
    decisions_lost: int
    replayed: int
    equal: int
    gap_s: float
    ready_s: float
    orphans: int
    job: str = ""
    wrong: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether everything that was told holds, and the service was ready again in time."""
        kept = not (self.lost or self.doubled or self.orphans or self.wrong)
        return kept and self.replayed == self.equal and self.ready_s <= READY_SECONDS


def crash(deployment: Deployment, fault: Fault, seed: int, *, replays: int = 10, decision: bool = True) -> Outcome:
    """Let clients write and ask, strike at a moment drawn by the seed, go on, then look at all that was told.

    `decision` says whether slates are asked for, `replays` how many of them are replayed.
    """
    rng = random.Random(f"{deployment.store} {fault} {seed}")
    told, ask = Told(), asker(deployment)
    before = ask("GET", "/stats")
    with at_work(deployment, told, f"{fault}{seed}", ASKERS if decision else 0):
        job = ask("POST", "/train", {"budget": 2, "seed": seed})["id"] if fault == "worker" else None
        _meet(deployment, job, rng)
        _grown(told, rng.randint(*ENOUGH))
        time.sleep(rng.random() * 0.05)
        struck = time.monotonic()
        deployment.strike(fault)()
        back = time.monotonic()
        _answered(deployment, told, f"{fault}{seed}")
        gap = time.monotonic() - struck
        _grown(told, MORE)
    ended = "" if job is None else _over(ask, job)
    orphans = _orphans(deployment)
    events = list(_events(ask, before["last_sequence"]))
    _count(ask, before, len(events), told)
    seen = dict(events)
    early = {id for id, at in told.decided.items() if at < struck - LAST_MOMENT or at > struck + gap}
    there = {id for id in told.decided if _there(ask, id)}
    told.wrong += [f"decision {id} is lost" for id in sorted(early - there)[:5]]
    told.wrong += [f"event {id} was never sent" for id in sorted(seen.keys() - told.sent)[:5]]
    drawn = _drawn(there, {id for id in there if told.decided[id] > struck}, replays, rng)
    return Outcome(
        store=deployment.store, fault=fault, seed=seed, acknowledged=len(told.acknowledged), resent=told.resent,
        lost=len(told.acknowledged.items() - seen.items()), doubled=len(events) - len(seen),
        decided=len(told.decided), decisions_lost=len(told.decided.keys() - there), replayed=len(drawn),
        equal=sum(_equal(ask, id, told) for id in drawn), gap_s=round(gap, 2),
        ready_s=round(struck + gap - back, 2), orphans=len(orphans), job=ended,
        wrong=tuple(told.wrong[:20]),
    )  # fmt: skip


def _meet(deployment: Deployment, job: str | None, rng: random.Random) -> None:
    """Wait until the trainer of a job runs, and a while that is drawn by chance."""
    if job is None:
        return
    _until(lambda: bool(deployment.trainers()), "no trainer runs")
    time.sleep(rng.uniform(0.0, 1.5))


def _grown(told: Told, by: int) -> None:
    goal = len(told.acknowledged) + by
    _until(lambda: len(told.acknowledged) >= goal, "nothing more is acknowledged")


def _until(so: Callable[[], bool], otherwise: str, seconds: float = PATIENCE) -> None:
    patience = time.monotonic() + seconds
    while not so():
        if time.monotonic() > patience:
            raise RuntimeError(otherwise)
        time.sleep(PAUSE)


def _answered(deployment: Deployment, told: Told, name: str) -> None:
    """Wait until each server has acknowledged an event again and says that it is ready."""
    for place in range(len(deployment.urls)):
        row = liked(f"{name}-probe-{place}", name, "p1")
        told.sent.add(row["id"])
        with httpx.Client(
            base_url=deployment.urls[place] + BASE, headers=deployment.headers, timeout=2, trust_env=False
        ) as client:
            _until(lambda client=client, row=row: send(client, [row], told), "the service does not come back")  # type: ignore[misc]
        await_ready(deployment.urls[place])


def _drawn(there: set[str], later: set[str], replays: int, rng: random.Random) -> list[str]:
    """Return decisions of before and of after the fault, as many of each where there are.

    Those of after it also show that whoever lived on or came back has folded every event once.
    """
    after = rng.sample(sorted(later), min(len(later), replays // 2))
    rest = sorted(there - set(after))
    return after + rng.sample(rest, min(len(rest), replays - len(after)))


def _over(ask: Ask, job: str) -> str:
    """Return how a training ended."""

    def over() -> bool:
        return ask("GET", f"/jobs/{job}")["state"] not in ("queued", "running")

    # Of a worker that was killed another one takes it over when the lease has ended.
    _until(over, f"job {job} is not over", JOB_PATIENCE)
    return str(ask("GET", f"/jobs/{job}")["state"])


def _events(ask: Ask, after: int | None) -> Iterator[tuple[str, int]]:
    """Yield id and sequence of what the log holds after a place."""
    while after is not None:
        page = ask("GET", "/events", limit=1000, after=after)
        yield from ((event["id"], event["sequence"]) for event in page["events"])
        after = page["next"]


def _count(ask: Ask, before: Mapping[str, int], events: int, told: Told) -> None:
    """Note where the counts do not say what the log holds."""
    patience = time.monotonic() + READY_SECONDS
    while (now := ask("GET", "/stats"))["folded"] != now["last_sequence"] and time.monotonic() < patience:
        time.sleep(PAUSE)
    if now["accepted"] - before["accepted"] != events:
        told.wrong.append(f"{now['accepted'] - before['accepted']} were counted, the log holds {events}")
    if now["folded"] != now["last_sequence"]:
        told.wrong.append(f"folded up to {now['folded']} of {now['last_sequence']}")


def _there(ask: Ask, decision: str) -> bool:
    try:
        return bool(ask("GET", f"/decisions/{decision}"))
    except httpx.HTTPStatusError as error:
        if error.response.status_code == 404:
            return False
        raise


def _equal(ask: Ask, decision: str, told: Told) -> bool:
    try:
        verdict = ask("POST", f"/decisions/{decision}/replay", {})["verdict"]
    except httpx.HTTPStatusError as error:
        verdict = f"{error.response.status_code}: {error.response.text[:200]}"
    if verdict != "exact":
        told.wrong.append(f"decision {decision} replays: {verdict}")
    return bool(verdict == "exact")


def _orphans(deployment: Deployment) -> list[int]:
    """Return the processes of this home that none of the running ones started, after a grace."""
    patience = time.monotonic() + GRACE
    while (found := _strays(deployment)) and time.monotonic() < patience:
        time.sleep(PAUSE)
    return found


def _strays(deployment: Deployment) -> list[int]:
    mains = deployment.mains()
    return [pid for pid in deployment.processes() if not mains & set(_line(pid))]


def _line(pid: int) -> Iterator[int]:
    """Yield a process and those above it."""
    while pid > 1:
        yield pid
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return
