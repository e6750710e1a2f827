"""Files of lines are written atomically; devices and pipes directly; and never a file that is an input."""

from __future__ import annotations

import errno
import gzip
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zstandard

from schemas.errors import UsageError
from streams.files.reading import read_lines
from streams.files.writing import line_writer

LINES = [b"one", b"", b"three"]
TEXT = b"one\n\nthree\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, *sources: str) -> None:
    with line_writer(name, sources) as write_line:
        for line in LINES:
            write_line(line)


def write_half(name: str, error: type[BaseException]) -> None:
    with line_writer(name) as write_line:
        write_line(LINES[0])
        raise error


def decompressed_zstd(packed: bytes) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(packed).read()


@pytest.mark.parametrize(
    ("name", "decompress"),
    [
        ("out.jsonl", bytes),
        ("out.jsonl.gz", gzip.decompress),
        ("OUT.GZ", gzip.decompress),
        ("out.jsonl.zst", decompressed_zstd),
    ],
)
def test_the_file_name_determines_the_compression(
    folder: Path, name: str, decompress: Callable[[bytes], bytes]
) -> None:
    write(name)
    assert decompress((folder / name).read_bytes()) == TEXT
    assert [line for line, _ in read_lines(name, 9)] == LINES


@pytest.mark.parametrize("name", ["out", "out.gz", "out.zst"])
def test_the_same_lines_give_the_same_bytes(folder: Path, name: str) -> None:
    write(name)
    first = (folder / name).read_bytes()
    write(name)
    assert (folder / name).read_bytes() == first


def test_a_symbolic_link_is_followed(folder: Path) -> None:
    Path("there").mkdir()
    Path("there/out").write_bytes(b"before")
    Path("link").symlink_to("there/out")
    Path("dangling").symlink_to("there/new")
    for name in ("link", "dangling"):
        write(name)
        assert (folder / name).is_symlink()
        assert (folder / name).read_bytes() == TEXT
    assert sorted(path.name for path in Path("there").iterdir()) == ["new", "out"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_a_replaced_file_keeps_its_mode(folder: Path, mode: int) -> None:
    Path("out").write_bytes(b"before")
    Path("out").chmod(mode)
    write("out")
    assert stat.S_IMODE((folder / "out").stat().st_mode) == mode
    assert (folder / "out").read_bytes() == TEXT


def test_a_new_file_has_the_default_mode(folder: Path) -> None:
    Path("other").touch()
    write("out")
    assert (folder / "out").stat().st_mode == (folder / "other").stat().st_mode


def test_a_pipe_is_written_directly(folder: Path) -> None:
    os.mkfifo("pipe")
    with ThreadPoolExecutor() as readers:
        read = readers.submit(Path("pipe").read_bytes)
        write("pipe")
        assert read.result() == TEXT
    assert (folder / "pipe").is_fifo()


def test_an_open_file_is_written_at_its_position(folder: Path) -> None:
    with Path("log").open("ab") as log:
        log.write(b"before\n")
        log.flush()
        write(f"/dev/fd/{log.fileno()}")
        Path("link").symlink_to(f"/dev/fd/{log.fileno()}")
        write("link")
        log.write(b"after\n")
    assert (folder / "log").read_bytes() == b"before\n" + TEXT + TEXT + b"after\n"


WRITE = """
import sys
from streams.files.writing import line_writer
with line_writer(sys.argv[1]) as write_line:
    for line in (b"one", b"", b"three"):
        write_line(line)
"""


def write_elsewhere(name: str, stdout: int) -> bytes:
    return subprocess.run([sys.executable, "-c", WRITE, name], stdout=stdout, check=True).stdout


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="this system has no such names")
@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1"])
def test_standard_output_may_be_anything(folder: Path, name: str) -> None:
    assert write_elsewhere(name, stdout=subprocess.PIPE) == TEXT
    with Path("out").open("wb") as out:
        out.write(b"before\n")
        out.flush()
        write_elsewhere(name, stdout=out.fileno())
        write_elsewhere(name, stdout=out.fileno())
    assert (folder / "out").read_bytes() == b"before\n" + TEXT + TEXT


def full_device() -> str:
    if not Path("/dev/full").is_char_device():
        pytest.skip("this system has no /dev/full")
    return "/dev/full"


def error_of(name: str, *sources: str) -> str:
    with pytest.raises(UsageError) as refused:
        write(name, *sources)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_full_device_is_reported_and_not_replaced() -> None:
    assert error_of(full_device()) == f"/dev/full: cannot be written: {os.strerror(errno.ENOSPC)}"
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("absent/out", errno.ENOENT),
        ("folder", errno.EISDIR),
        ("new/", errno.EISDIR),
        ("file/out", errno.ENOTDIR),
        ("circle", errno.ELOOP),
        ("n" * 300, errno.ENAMETOOLONG),
        ("/dev/fd/1234567", errno.EBADF),
    ],
)
def test_a_file_that_cannot_be_written_is_reported_in_one_line(folder: Path, name: str, error: int) -> None:
    Path("folder").mkdir()
    Path("file").write_bytes(b"kept")
    Path("circle").symlink_to("circle")
    before = sorted(folder.rglob("*"))
    assert error_of(name) == f"{name}: cannot be written: {os.strerror(error)}"
    assert sorted(folder.rglob("*")) == before
    assert (folder / "file").read_bytes() == b"kept"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_write_protected_file_is_not_replaced(folder: Path) -> None:
    Path("out").write_bytes(b"kept")
    Path("out").chmod(0o444)
    assert os.strerror(errno.EACCES) in error_of("out")
    assert (folder / "out").read_bytes() == b"kept"


def test_an_empty_file_name_is_reported() -> None:
    assert error_of("") == f"'': cannot be written: {os.strerror(errno.EISDIR)}"


@pytest.mark.skipif(not Path("/proc/self/comm").is_file(), reason="this system has no /proc")
def test_a_folder_that_accepts_no_file_is_named() -> None:
    folder = Path("/proc/self").resolve()
    assert error_of("/proc/self/comm").startswith(
        f"/proc/self/comm: cannot be written: no file can be made in {folder}: "
    )


@pytest.fixture(params=["itself", "another path", "hard link", "symbolic link", "open file", "link to open file"])
def other_name_of_day(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """Yield another name of the file `day`."""
    with Path("day").open("ab") as day:
        day.write(b"kept")
        day.flush()
        Path("hard").hardlink_to("day")
        Path("symbolic").symlink_to("day")
        Path("opened").symlink_to(f"/dev/fd/{day.fileno()}")
        yield {
            "itself": "day",
            "another path": str(folder / "day"),
            "hard link": "hard",
            "symbolic link": "symbolic",
            "open file": f"/dev/fd/{day.fileno()}",
            "link to open file": "opened",
        }[request.param]


def test_an_input_is_not_overwritten(folder: Path, other_name_of_day: str) -> None:
    assert error_of(other_name_of_day, "absent", "kafka://127.0.0.1:1", "day").endswith("it is the input day")
    assert error_of("day", other_name_of_day).endswith(f"it is the input {other_name_of_day}")
    assert (folder / "day").read_bytes() == b"kept"


def test_a_device_may_be_both_input_and_output() -> None:
    write("/dev/null", "/dev/null")


@pytest.mark.parametrize("before", [None, b"kept"], ids=["new", "existing"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, UsageError, RuntimeError])
def test_an_unfinished_file_leaves_nothing_behind(
    folder: Path, before: bytes | None, error: type[BaseException]
) -> None:
    if before is not None:
        Path("out").write_bytes(before)
    with pytest.raises(error):
        write_half("out", error)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == ({} if before is None else {"out": before})


def test_an_unfinished_compressed_stream_is_recognisable() -> None:
    os.mkfifo("pipe.gz")
    with ThreadPoolExecutor() as readers:
        read = readers.submit(Path("pipe.gz").read_bytes)
        with pytest.raises(KeyboardInterrupt):
            write_half("pipe.gz", KeyboardInterrupt)
        with pytest.raises(EOFError):
            gzip.decompress(read.result())


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_reader_that_stops_raises_broken_pipe() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        with pytest.raises(BrokenPipeError):
            write(f"/dev/fd/{writer}")
    finally:
        os.close(writer)
