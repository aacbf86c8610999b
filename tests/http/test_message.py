"""HTTP as it is read and written."""

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.http.message import MAX_HEAD, BadRequest, Request, Response, read_request, refusal, write_head


def test_a_request_is_read_once_its_head_is_complete() -> None:
    sent = b"GET /readyz?verbose&x=1 HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n"
    headers = {"host": "a", "accept": "application/json"}
    assert read_request(sent) == Request("GET", "/readyz", {"verbose": "", "x": "1"}, headers)
    assert [read_request(sent[:length]) for length in range(len(sent))] == [None] * len(sent)


REFUSED = {
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": HTTPStatus.BAD_REQUEST,
    b"\x00" * 20: HTTPStatus.BAD_REQUEST,
    b"hello\n": HTTPStatus.BAD_REQUEST,
    b"GET /\r\n\r\n": HTTPStatus.BAD_REQUEST,
    b"GET / SPDY/3\r\n\r\n": HTTPStatus.BAD_REQUEST,
    b"GET /a b HTTP/1.1\r\n\r\n": HTTPStatus.BAD_REQUEST,
    b"GET http://[ HTTP/1.1\r\n\r\n": HTTPStatus.BAD_REQUEST,
    b"GET / HTTP/1.1\r\nnonsense\r\n\r\n": HTTPStatus.BAD_REQUEST,
    b"GET / HTTP/1.1\r\n folded: a\r\n\r\n": HTTPStatus.BAD_REQUEST,
    b"POST / HTTP/1.1\r\n\r\n": HTTPStatus.METHOD_NOT_ALLOWED,
    b"POST / HTTP/1.1\r\nContent-Length: 104857600\r\n\r\n": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    b"GET /" + b"a" * MAX_HEAD: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
}


@pytest.mark.parametrize("sent", REFUSED, ids=lambda sent: sent[:24].decode("latin-1"))
def test_what_is_no_request_that_is_answered_is_refused(sent: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        read_request(sent)
    assert caught.value.status == REFUSED[sent]


def answer_to(sent: bytes) -> bytes:
    try:
        return b"" if (request := read_request(sent)) is None else request.method.encode()
    except BadRequest as error:
        return write_head(refusal(error))


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda middle: b"GET /" + middle + b" HTTP/1.1\r\n\r\n"))
def test_nothing_else_comes_of_any_bytes(sent: bytes) -> None:
    assert answer_to(sent)[:10] in (b"", b"GET", b"HEAD", b"HTTP/1.1 4")


def test_an_answer_ends_the_connection() -> None:
    head = write_head(Response(HTTPStatus.OK, b"ok\n"))
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 3\r\n" in head
    assert head.endswith(b"Connection: close\r\n\r\n")


def test_of_an_answer_that_goes_on_nobody_knows_how_long_it_is() -> None:
    assert b"Content-Length" not in write_head(Response(HTTPStatus.OK, b"ok\n", seen=1))


def test_a_method_that_is_refused_is_told_which_are_not() -> None:
    assert refusal(BadRequest(HTTPStatus.METHOD_NOT_ALLOWED)).headers == {"Allow": "GET, HEAD"}
