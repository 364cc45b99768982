from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.wire.conversation import MediaBytes
from weighbridge.wire.data_urls import data_url, parse_data_url


@pytest.mark.parametrize(
    ("url", "media"),
    [
        ("data:image/png;base64,QQ==", MediaBytes("QQ==", "image/png")),
        ("DATA:image/png;base64,QQ==", MediaBytes("QQ==", "image/png")),
        ("data:;base64,QQ==", MediaBytes("QQ==", "text/plain")),
        ("data:text/plain;charset=utf-8;base64,QQ==", MediaBytes("QQ==", "text/plain;charset=utf-8")),
    ],
)
def test_a_data_url_is_its_bytes_and_their_type(url, media):
    assert parse_data_url(url) == media


@pytest.mark.parametrize("url", ["https://a.example/x.png", "data:text/plain,hello", "data:", "", "gs://a/b"])
def test_another_url_is_none(url):
    assert parse_data_url(url) is None


@given(st.from_regex(r"[a-z]{1,8}/[a-z0-9.+-]{1,8}", fullmatch=True), st.from_regex(r"[A-Za-z0-9+/]*={0,2}", fullmatch=True))
def test_bytes_survive_writing_and_reading(kind, base64):
    media = MediaBytes(base64, kind)
    assert parse_data_url(data_url(media)) == media
