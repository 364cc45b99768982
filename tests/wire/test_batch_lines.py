from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from weighbridge.wire.batch_lines import BatchLines

KIND = "multipart/form-data; boundary=xyz"


def form(*parts, end=b"--xyz--\r\n"):
    """As httpx writes it."""
    return b"".join(b'--xyz\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % part for part in parts) + end


def purpose(said=b"batch"):
    return (b"purpose", b"", said)


def file(content):
    return (b"file", b'; filename="b.jsonl"\r\nContent-Type: application/octet-stream', content)


def seen(*pieces, kind=KIND):
    lines = []
    scanner = BatchLines(kind, lines.append)
    for piece in pieces:
        scanner.feed(piece)
    scanner.finish()
    return scanner.is_sound, lines


def test_every_line_of_the_file_is_taken_and_nothing_else():
    body = form(purpose(), (b"expires_after[anchor]", b"", b"created_at"), file(b'{"a":1}\n{"b":2}\r\n\n{"c":3}'))
    assert seen(body) == (True, [b'{"a":1}', b'{"b":2}', b'{"c":3}'])


@given(st.lists(st.text("ab{}\\ \r-", min_size=1, max_size=12).filter(str.strip), min_size=1, max_size=6), st.data())
@example(["{}"], None)
def test_any_split_of_the_bytes_gives_the_same_lines(lines, data):
    content = "\n".join(lines).encode()
    body = form(purpose(), file(content))
    cut = data.draw(st.integers(0, len(body))) if data is not None else 7
    assert seen(body[:cut], body[cut:]) == seen(body)
    is_sound, found = seen(body)
    assert is_sound
    assert [line.rstrip(b"\r") for line in found] == [line.encode().rstrip(b"\r") for line in lines]


@pytest.mark.parametrize(
    "body",
    [
        form(purpose(b"fine-tune"), file(b"{}")),
        form(file(b"{}"), purpose()),  # before anybody knows what it is
        form(purpose()),
        form(purpose(), (b"file", b"\r\nContent-Transfer-Encoding: base64", b"e30=")),
        b"",
        # What another parser may read in another way.
        form(purpose(), file(b"{}"), file(b"{}")),
        form(purpose(), purpose(b""), file(b"{}")),
        form(purpose(), (b"other", b'; filename="x; name=file"', b"{}")),
        form(purpose(), (b"file", b"; name=other", b"{}")),
        form(purpose(), file(b"{}\n--xyz\r\ncontent-disposition: form-data; name=x\r\n\r\n{}")),
        form(purpose(), file(b"{}\r\n--xyz and more")),
        form(purpose(), file(b"{}")) + b"{}",
        b"{}\r\n" + form(purpose(), file(b"{}")),
        form(purpose(), file(b"{}"), end=b""),
        form(purpose(), file(b"{}")).replace(b"\r\nContent-Type", b"\nContent-Type"),
    ],
)
def test_what_is_no_file_of_requests_or_hides_them_is_not_sound(body):
    assert seen(body)[0] is False


def test_without_a_boundary_nothing_is_seen():
    assert seen(form(purpose(), file(b"{}")), kind="application/json") == (False, [])


def test_a_line_without_end_is_given_up_and_not_held():
    scanner = BatchLines(KIND, lambda _line: None)
    scanner.feed(form(purpose(), end=b'--xyz\r\ncontent-disposition: form-data; name="file"\r\n\r\n'))
    for _ in range(17):
        scanner.feed(b"x" * 1024 * 1024)
    assert not scanner.is_sound
    assert not scanner._coming
