"""Files of lines are read whatever their compression, completely or not at all, in bounded memory."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec.limits import TRUNCATED_BYTES
from schemas.errors import UsageError
from streams.files.reading import Line, _split, read_lines

LINE_BYTES_MAX = 3_000
LINES = [b'{"a": 1}', b"", b"x" * LINE_BYTES_MAX, b'{"b": 2}']
TEXT = b"\n".join(LINES) + b"\n"
Pack = Callable[[bytes], bytes]


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def skippable(data: bytes) -> bytes:
    """Return a frame that decompressors skip; parallel compressors write one before each of their frames."""
    return b"\x5e\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


def lines_of(path: Path) -> list[bytes]:
    return [content for content, _ in read_lines(str(path), LINE_BYTES_MAX)]


def make_file(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("day.jsonl", TEXT),
        ("day.jsonl", TEXT[:-1]),
        ("day.jsonl", TEXT.replace(b"\n", b"\r\n")),
        ("day.jsonl", codecs.BOM_UTF8 + TEXT),
        ("day.jsonl.gz", gzip.compress(TEXT)),
        ("day.jsonl.gz", gzip.compress(codecs.BOM_UTF8 + TEXT)),
        ("DAY.JSONL.GZ", gzip.compress(TEXT)),
        ("day.jsonl.gz", gzip.compress(TEXT[:9]) + gzip.compress(b"") + gzip.compress(TEXT[9:])),
        ("day.jsonl.gz", gzip.compress(TEXT) + b"\0" * 512),
        ("day.jsonl", gzip.compress(TEXT)),
        ("day.jsonl.zst", zstd(TEXT)),
        ("day.jsonl.zst", zstd(codecs.BOM_UTF8 + TEXT)),
        ("day.jsonl.zst", zstandard.ZstdCompressor(write_content_size=False).compress(TEXT)),
        ("day.jsonl.zst", zstd(TEXT[:9]) + zstd(b"") + zstd(TEXT[9:])),
        ("day.jsonl.zst", skippable(b"1234") + zstd(TEXT) + skippable(b"")),
        ("day", zstd(TEXT)),
    ],
    ids=[
        "plain",
        "no end of line",
        "ends of line of Windows",
        "byte-order mark",
        "gzip",
        "byte-order mark in gzip",
        "capital letters",
        "several members",
        "padded members",
        "gzip by another name",
        "zstd",
        "byte-order mark in zstd",
        "zstd without sizes",
        "several frames",
        "skippable frames",
        "zstd by another name",
    ],
)
def test_the_same_lines_are_read_from_every_format(tmp_path: Path, name: str, content: bytes) -> None:
    assert lines_of(make_file(tmp_path, name, content)) == LINES


def test_byte_order_marks_of_joined_files_are_dropped(tmp_path: Path) -> None:
    marked = codecs.BOM_UTF8 + b"{}\n"
    assert lines_of(make_file(tmp_path, "two.jsonl", marked + marked)) == [b"{}", b"{}"]


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    assert lines_of(make_file(tmp_path, "empty.jsonl", b"")) == []
    assert lines_of(make_file(tmp_path, "empty.jsonl.gz", gzip.compress(b""))) == []
    assert lines_of(make_file(tmp_path, "empty.jsonl.zst", zstd(b""))) == []


def damaged(packed: bytes) -> dict[str, bytes]:
    middle = len(packed) // 2
    return {
        "empty": b"",
        "truncated in the header": packed[:3],
        "truncated in the middle": packed[:middle],
        "truncated at the end": packed[:-1],
        "without its checksum": packed[:-4],
        "wrong checksum": packed[:-5] + bytes([packed[-5] ^ 1, *packed[-4:]]),
        "a bad block": packed[:middle] + b"\xff" * 40 + packed[middle + 40 :],
        "second member truncated": packed + packed[:middle],
        "garbage after the end": packed + b"garbage",
    }


# Long, and without repetition.
LONG = b"".join(b'{"n": "%s"}\n' % hashlib.sha256(b"%d" % number).hexdigest().encode() for number in range(2_000))
DAMAGED = [
    pytest.param(f"day.jsonl{suffix}", content, id=f"{suffix} {how}")
    for suffix, pack in ((".gz", gzip.compress), (".zst", zstd))
    for how, content in damaged(pack(LONG)).items()
]
WRONG_FORMAT = [
    pytest.param("day.jsonl.gz", TEXT, id="plain as gzip"),
    pytest.param("day.jsonl.zst", TEXT, id="plain as zstd"),
    pytest.param("day.jsonl.gz", zstd(TEXT), id="zstd as gzip"),
    pytest.param("day.jsonl.zst", gzip.compress(TEXT), id="gzip as zstd"),
    pytest.param("day.jsonl.gz", gzip.compress(gzip.compress(TEXT)), id="compressed twice"),
    pytest.param("day.jsonl", TEXT.decode().encode("utf-16"), id="UTF-16"),
    pytest.param("day.jsonl", TEXT.decode().encode("utf-16-le"), id="UTF-16 without a mark"),
    pytest.param("day.jsonl", codecs.BOM_UTF16_BE + TEXT.decode().encode("utf-16-be"), id="UTF-16, big end first"),
    pytest.param("day.jsonl", TEXT.decode().encode("utf-32"), id="UTF-32"),
    pytest.param("day.jsonl.gz", gzip.compress(TEXT.decode().encode("utf-16")), id="UTF-16 in gzip"),
    pytest.param("day.jsonl", b"BZh91AY&SY", id="bzip2"),
]


@pytest.mark.parametrize(("name", "content"), [*DAMAGED, *WRONG_FORMAT])
def test_a_damaged_or_wrong_file_is_reported_in_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    path = make_file(tmp_path, name, content)
    with pytest.raises(UsageError) as refused:
        lines_of(path)
    assert str(refused.value).startswith(f"{path}: cannot be read: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd], ids=["plain", "gzip", "zstd"])
@pytest.mark.parametrize(
    ("size", "kept"),
    [
        (LINE_BYTES_MAX - 1, LINE_BYTES_MAX - 1),
        (LINE_BYTES_MAX, LINE_BYTES_MAX),
        (LINE_BYTES_MAX + 1, TRUNCATED_BYTES),
        (LINE_BYTES_MAX + 9, TRUNCATED_BYTES),
        (9 * LINE_BYTES_MAX, TRUNCATED_BYTES),
    ],
)
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n{}\n"], ids=["nothing", "LF", "CR LF", "more"])
def test_a_line_that_is_too_long_is_truncated(tmp_path: Path, pack: Pack, size: int, kept: int, end: bytes) -> None:
    long, *others = read_lines(str(make_file(tmp_path, "day", pack(b"y" * size + end))), LINE_BYTES_MAX)
    assert long[0] == b"y" * kept
    assert long[1] in {size, size + end.count(b"\r")}
    assert others == [(b"{}", 2)] * end.count(b"{")


@given(st.lists(st.integers(0, 40).map(b"z".__mul__)), st.sampled_from([b"\n", b"\r\n"]), st.integers(1, 9), st.data())
def test_lines_do_not_depend_on_how_the_content_is_chunked(
    lines: list[bytes], end: bytes, line_bytes_max: int, data: st.DataObject
) -> None:
    text = end.join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    chunks = [text[begin:stop] for begin, stop in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    def read(pieces: list[bytes]) -> list[Line]:
        return list(_split(iter(pieces), line_bytes_max))

    assert read(chunks) == read([text])
    wanted = [line for number, line in enumerate(lines) if line or number < len(lines) - 1]
    assert [content for content, size in read(chunks) if size <= line_bytes_max] == [
        each for each in wanted if len(each) <= line_bytes_max
    ]


ONE_LINE_BYTES = 256 * 1024 * 1024
PEAK_KB_MAX = 150 * 1024
COUNT = """
import re, sys
from pathlib import Path
from streams.files.reading import read_lines
sizes = [size for _, size in read_lines(sys.argv[1], 262_144)]
print(*sizes, *re.findall(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text()))
"""


def one_line(suffix: str) -> bytes:
    whole = io.BytesIO()
    packing = gzip.GzipFile(fileobj=whole, mode="wb", compresslevel=1) if suffix == ".gz" else None
    out = packing or zstandard.ZstdCompressor().stream_writer(whole, closefd=False)
    for _ in range(ONE_LINE_BYTES // (1 << 20)):
        out.write(b"x" * (1 << 20))
    out.close()
    return whole.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_line_of_any_length_is_read_in_bounded_memory(tmp_path: Path, suffix: str) -> None:
    path = make_file(tmp_path, f"one{suffix}", one_line(suffix))
    done = subprocess.run([sys.executable, "-c", COUNT, path], capture_output=True, text=True, check=True)
    size, peak_kb = map(int, done.stdout.split())
    assert size == ONE_LINE_BYTES
    assert peak_kb < PEAK_KB_MAX
