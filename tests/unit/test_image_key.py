"""What makes two images the same: a hash in any letters, else a link normalised by syntax and scheme."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.anomalies.image_key import image_key, normalized_link


@pytest.mark.parametrize(
    ("link", "normalized"),
    [
        ("https://m.example/a.jpg", "https://m.example/a.jpg"),
        (" \u00a0https://m.example/a.jpg\n", "https://m.example/a.jpg"),
        ("HTTPS://M.Example/A.jpg", "https://m.example/A.jpg"),
        ("https://m.example/%7ea%2fb%C3%a9", "https://m.example/~a%2Fb%C3%A9"),
        ("https://m.example/a/./b/../c", "https://m.example/a/c"),
        ("https://m.example/../../a", "https://m.example/a"),
        ("https://m.example/a/..", "https://m.example/"),
        ("https://m.example/a/.", "https://m.example/a/"),
        ("https://m.example//a//", "https://m.example//a//"),
        ("https://m.example", "https://m.example/"),
        ("https://m.example?x", "https://m.example/?x"),
        ("https://m.example:443/a", "https://m.example/a"),
        ("http://m.example:80/a", "http://m.example/a"),
        ("http://m.example:/a", "http://m.example/a"),
        ("http://m.example:443/a", "http://m.example:443/a"),
        ("ftp://m.example:80/a", "ftp://m.example:80/a"),
        ("https://User:Pw@M.example/a", "https://User:Pw@m.example/a"),
        ("https://[2001:DB8::1]:443/a", "https://[2001:db8::1]/a"),
        ("https://%4D.example/a", "https://m.example/a"),
        ("https://m.example/a?q=%7e&p=/../#part", "https://m.example/a?q=~&p=/../"),
        ("https://m.example/a#", "https://m.example/a"),
        ("https://m.example/a?", "https://m.example/a?"),
        ("//m.example/a", "//m.example/a"),
        ("a/../b", "a/../b"),
        ("T-1", "T-1"),
        ("mailto:x", "mailto:x"),
        ("https://[bad", "https://[bad/"),
        ("https://m.example:port/a", "https://m.example:port/a"),
        ("https://m.example/%zz%4", "https://m.example/%zz%4"),
        ("#part", ""),
        (" ", ""),
    ],
)
def test_a_link_is_normalised(link: str, normalized: str) -> None:
    assert normalized_link(link) == normalized


@given(st.text())
def test_any_text_has_a_normal_form_which_stays(link: str) -> None:
    normalized = normalized_link(link)
    assert normalized_link(normalized) == normalized.strip()


def test_a_hash_counts_before_the_link() -> None:
    assert image_key(" AB12 ", "https://m.example/a.jpg") == "ab12"
    assert image_key(None, " https://M.example/a.jpg") == "https://m.example/a.jpg"
    assert image_key(None, "\t") is None
