"""Counts and times for Prometheus; a token sees those of its workspace and of the process."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric

from proffer.engine import skew

if TYPE_CHECKING:
    from proffer.engine.engine import Engine

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """What the server counts itself, beside what its engines counted."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("workspace", "operation")
        self._requests = Counter(
            "proffer_http_requests", "Requests by operation and status.", (*labels, "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "proffer_http_request_seconds", "Time to the answer.", labels, buckets=BUCKETS, registry=self.registry
        )
        ProcessCollector(registry=self.registry)

    def answered(self, workspace: str, operation: str, status: int, seconds: float) -> None:
        """Count a request; before authentication its workspace is empty."""
        self._requests.labels(workspace, operation, str(status)).inc()
        self._seconds.labels(workspace, operation).observe(seconds)

    def text(self, engines: Mapping[str, "Engine"]) -> bytes:
        """Return the exposition for somebody who may see these engines."""
        return generate_latest(_Visible(self.registry, engines))


class _Visible:
    """A registry that shows the samples of some workspaces and of none."""

    def __init__(self, registry: CollectorRegistry, engines: Mapping[str, "Engine"]) -> None:
        self.registry = registry
        self.engines = engines

    def collect(self) -> Iterator[Metric]:
        """Yield metrics with what may be seen of them."""
        for metric in self.registry.collect():
            shown = [s for s in metric.samples if s.labels.get("workspace", "") in ("", *self.engines)]
            metric.samples = shown
            yield metric
        yield from engine_metrics(self.engines)


def engine_metrics(engines: Mapping[str, "Engine"]) -> Iterable[Metric]:
    """Return what the engines counted, as of now."""
    receipts = CounterMetricFamily("proffer_receipts", "Rows received, by verdict.", labels=("workspace", "verdict"))
    decisions = CounterMetricFamily(
        "proffer_decisions", "Decisions by pipeline, model and fallback.",
        labels=("workspace", "pipeline", "model", "fallback"),
    )  # fmt: skip
    seconds = CounterMetricFamily("proffer_decision_seconds", "Time spent on decisions.", labels=("workspace",))
    explored = CounterMetricFamily(
        "proffer_explored_places", "Places filled by exploration, by pipeline.", labels=("workspace", "pipeline")
    )
    dropped = CounterMetricFamily("proffer_decisions_dropped", "Decisions not logged.", labels=("workspace",))
    logged = GaugeMetricFamily("proffer_log_position", "Last sequence of the log.", labels=("workspace",))
    folded = GaugeMetricFamily("proffer_folded_position", "Last sequence folded.", labels=("workspace",))
    rows = GaugeMetricFamily("proffer_state_rows", "State rows, by scope.", labels=("workspace", "scope"))
    size = GaugeMetricFamily("proffer_state_bytes", "Bytes of state rows, by scope.", labels=("workspace", "scope"))
    trainings = CounterMetricFamily(
        "proffer_trainings", "Trainings that ended, by pipeline and state.", labels=("workspace", "pipeline", "state")
    )
    spent = CounterMetricFamily("proffer_training_seconds", "Time spent on trainings.", labels=("workspace",))
    active = GaugeMetricFamily("proffer_trainings_active", "Trainings that wait or run.", labels=("workspace",))
    reached = GaugeMetricFamily(
        "proffer_log_reached", "Whether the log that several processes share could be reached.", labels=("workspace",)
    )
    live = GaugeMetricFamily(
        "proffer_live_ndcg", "NDCG@10 of the lists the serving model made and people answered.",
        labels=("workspace", "pipeline"),
    )  # fmt: skip
    watched = skew_metrics(engines)
    for name, engine in engines.items():
        for (pipeline, state), number in list(engine.jobs.ended.items()):
            trainings.add_metric((name, pipeline, state), number)
        spent.add_metric((name,), engine.jobs.seconds)
        active.add_metric((name,), engine.jobs.active)
        for pipeline, quality in list(engine.jobs.live.items()):
            if quality.ndcg is not None:
                live.add_metric((name, pipeline), quality.ndcg.value)
        counts = engine.counters.received
        for verdict in ("accepted", "duplicates", "conflicts", "quarantined"):
            receipts.add_metric((name, verdict), getattr(counts, verdict))
        for (pipeline, model, fallback), number in list(engine.counters.decisions.items()):
            decisions.add_metric((name, pipeline, model, str(fallback).lower()), number)
        for pipeline, number in list(engine.counters.explored.items()):
            explored.add_metric((name, pipeline), number)
        seconds.add_metric((name,), engine.counters.seconds)
        dropped.add_metric((name,), engine.stores.decisions.dropped())
        if engine.tail.running:
            reached.add_metric((name,), not engine.tail.away)
        # A database that is lost must not hide everything else.
        logged.add_metric((name,), engine.state.position if engine.tail.away else engine.stores.log.last())
        folded.add_metric((name,), engine.state.position)
        for scope, figures in engine.state.sizes().items():
            rows.add_metric((name, scope), figures["rows"])
            size.add_metric((name, scope), figures["bytes"])
    counted = (receipts, decisions, explored, seconds, dropped, logged, folded, rows, size, trainings, spent, active)
    return (*counted, live, reached, *watched)


def skew_metrics(engines: Mapping[str, "Engine"]) -> Iterable[Metric]:
    """Return what the skew watch found so far."""
    checked = CounterMetricFamily("proffer_skew_checked", "Decisions replayed and compared.", labels=("workspace",))
    mismatches = CounterMetricFamily(
        "proffer_skew_mismatches", "Decisions that came out otherwise when replayed.", labels=("workspace",)
    )
    left_out = CounterMetricFamily(
        "proffer_skew_left_out", "Decisions that could not be compared, by reason.", labels=("workspace", "reason")
    )
    at = GaugeMetricFamily(
        "proffer_skew_last_look_timestamp_seconds", "When the last look for skew ended.", labels=("workspace",)
    )
    for name, engine in engines.items():
        if engine.home is None:
            continue
        known = skew.kept(engine.home / engine.workspace)
        checked.add_metric((name,), known.checked)
        mismatches.add_metric((name,), known.mismatched)
        for reason, number in known.incomparable.items():
            left_out.add_metric((name, reason), number)
        if known.looked_at is not None:
            at.add_metric((name,), known.looked_at.timestamp())
    return checked, mismatches, left_out, at
