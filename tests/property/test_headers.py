"""Headers with arbitrary bytes are encoded as valid text without loss."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.codec.headers import decode_headers, encode_headers, name_bytes

NAMES = st.binary(max_size=6) | st.text(max_size=6).map(str.encode)
NAMED = st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=6)), max_size=5)


@given(NAMED)
def test_headers_are_encoded_as_valid_text_and_restored(named: list[tuple[bytes, bytes | None]]) -> None:
    headers = tuple((name.decode("utf-8", "surrogateescape"), value) for name, value in named)
    assert [name_bytes(name) for name, _ in headers] == [name for name, _ in named]
    shown, names = encode_headers(headers)
    for text, _ in shown:
        text.encode()
    assert decode_headers(shown, names) == headers
    assert bool(names) == any(name.decode("utf-8", "replace").encode() != name for name, _ in named)
