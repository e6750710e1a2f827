"""Fetches the jars of Apache Kafka once into the user's cache folder, and checks each by its SHA-256.

`jars.txt` names every jar with its exact version, because resolving Kafka's dependencies again could yield versions
that the broker was not tried with.
"""

import hashlib
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from schemas.errors import UsageError
from streams.process.extras import extra

KAFKA_VERSION = "4.3.1"
PARALLEL_FETCHES = 4
FETCH_TIMEOUT_S = 30

FetchProgress = Callable[[int, int], None]
"""Called with the bytes fetched so far and those of all jars."""


class EmbeddedKafkaError(UsageError):
    """The embedded broker cannot be started; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Jar:
    """A jar: its Maven coordinates, SHA-256 (hexadecimal) and size in bytes."""

    group: str
    artifact: str
    version: str
    sha256: str
    size: int

    @property
    def file_name(self) -> str:
        """The file name in the cache folder."""
        return f"{self.artifact}-{self.version}.jar"

    def is_in(self, folder: Path) -> bool:
        """Return whether `folder` has this jar, complete and unchanged."""
        file = folder / self.file_name
        return file.exists() and _sha256(file) == self.sha256


def listed_jars() -> list[Jar]:
    """Return the jars that the broker needs, from the packaged list."""
    text = resources.files("streams.embedded_kafka").joinpath("jars.txt").read_text(encoding="ascii")
    rows = (line.replace(":", " ").split() for line in text.splitlines())
    return [Jar(group, artifact, version, sha256, int(size)) for group, artifact, version, sha256, size in rows]


def ensure_jars(cache_dir: Path, progress: FetchProgress | None = None) -> Path:
    """Return the folder with all jars; fetches those that are missing or damaged.

    Several processes may do this at once, because a jar gets its name only when it is complete. Raises
    EmbeddedKafkaError if a jar cannot be fetched or its content differs from the list.
    """
    jars = listed_jars()
    folder = cache_dir / f"kafka-{KAFKA_VERSION}"
    missing = [jar for jar in jars if not jar.is_in(folder)]
    total = sum(jar.size for jar in jars)
    present = total - sum(jar.size for jar in missing)
    if missing:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _fetch(missing, folder, lambda fetched: progress and progress(present + fetched, total))
        except PermissionError as error:
            raise EmbeddedKafkaError(f"cannot write Kafka's jars to {folder}: {error.strerror}") from error
    return folder


def _fetch(jars: list[Jar], folder: Path, report: Callable[[int], object]) -> None:
    """Fetch jars into a folder; calls `report` with the bytes fetched so far after each jar."""
    report(0)
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix="fetching-") as scratch,
        ThreadPoolExecutor(PARALLEL_FETCHES) as pool,
    ):
        fetched = 0
        for size in pool.map(lambda jar: _fetch_one(jar, Path(scratch), folder), jars):  # a failure cancels the others
            fetched += size
            report(fetched)


def _fetch_one(jar: Jar, scratch: Path, folder: Path) -> int:
    """Fetch a jar into a folder and return its size."""
    with extra("embedded", "fetching Kafka"):
        from jgo.maven import MavenContext  # noqa: PLC0415 - belongs to the extra `embedded`
    name = f"{jar.group}:{jar.artifact}:{jar.version}"
    context = MavenContext(repo_cache=scratch, timeout=FETCH_TIMEOUT_S)
    try:
        fetched = context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    except (OSError, RuntimeError) as error:
        reason = type(error).__name__
        raise EmbeddedKafkaError(f"cannot fetch {name} from the Maven repository ({reason})") from error
    if (sha256 := _sha256(fetched)) != jar.sha256:
        raise EmbeddedKafkaError(f"{name} was fetched with SHA-256 {sha256}, expected {jar.sha256}")
    fetched.replace(folder / jar.file_name)
    return jar.size


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
