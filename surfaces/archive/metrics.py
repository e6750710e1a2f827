"""The metrics of `sop archive`. A test checks docs/operations.md against them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from surfaces.archive.store import ArchiveStore


def archive_metrics(store: ArchiveStore, *, unsigned_files: int) -> Iterator[Metric]:
    """Yield the metrics of a store, and of files that are not in the log yet."""
    yield CounterMetricFamily(
        "sop_archive_records_total", "Records in files that this process has written", store.records_written
    )
    yield CounterMetricFamily("sop_archive_files_total", "Files that this process has written", store.files_written)
    yield GaugeMetricFamily(
        "sop_archive_unwritten_bytes", "Size of the records that are in no file yet", store.bytes_in_memory
    )
    yield GaugeMetricFamily(
        "sop_archive_unwritten_seconds", "How long the oldest of them has waited; 0 if there is none", store.oldest_s
    )
    yield GaugeMetricFamily(
        "sop_archive_unsigned_files", "Files that are not in the log yet, with SOP_AUDIT_KEY_FILE", unsigned_files
    )
