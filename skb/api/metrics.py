"""Counts and latencies, for Prometheus."""

from collections.abc import Iterator
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from skb.machines.registry import Machines

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0)
"""Bounds of the histograms' buckets."""


class Metrics:
    """What the service has done since it started. Every application has its own."""

    def __init__(self, machines: Machines) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Engines(machines))
        self._seconds = Histogram(
            "skb_request_seconds",
            "Time from a request to the end of its answer, by endpoint.",
            ("method", "path", "status"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._refused = Counter(
            "skb_requests_refused",
            "Requests refused for want of a token, scope or rate.",
            ("status",),
            registry=self._registry,
        )
        self._child = lru_cache(maxsize=512)(self._seconds.labels)

    def request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count a request. `path` is the endpoint's, with names for what varies."""
        self._child(method, path, str(status)).observe(seconds)
        if status in (401, 403, 429):
            self._refused.labels(str(status)).inc()

    def text(self) -> tuple[bytes, str]:
        """Give the text format, and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


class _Engines(Collector):
    """What the pools say, when asked."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        revision = GaugeMetricFamily("skb_revision", "The latest revision of a machine's facts.", labels=("machine",))
        engines = GaugeMetricFamily("skb_engines", "Engine processes.", labels=("machine", "state"))
        waiting = GaugeMetricFamily("skb_engine_queue", "Requests that wait for an engine.", labels=("machine",))
        restarts = CounterMetricFamily("skb_engine_restarts", "Engines that were replaced.", labels=("machine",))
        inferences = CounterMetricFamily("skb_inferences", "Logical inferences of all goals.", labels=("machine",))
        seconds = HistogramMetricFamily(
            "skb_engine_request_seconds",
            "Time from giving a request to an engine to its last answer, by engine: those there are at a time are numbered from 0.",
            labels=("machine", "engine"),
        )
        for name, known in self._machines.opened():
            pool = known.pool
            revision.add_metric((name,), known.revision)
            for state, count in pool.states().items():
                engines.add_metric((name, state), count)
            waiting.add_metric((name,), pool.waiting)
            restarts.add_metric((name,), pool.restarts)
            inferences.add_metric((name,), known.inferences)
            for number, latency in sorted(pool.latencies.items()):
                seconds.add_metric((name, str(number)), latency.buckets(), latency.sum)
        yield from (revision, engines, waiting, restarts, inferences, seconds)
