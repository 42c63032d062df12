"""One GET against a real server that misbehaves: every wait ends, and no error tells an address or a key."""

import time

import pytest
from scripted import serving

from jupyter_carbon.grid.providers import NoAnswer, Request, gb
from jupyter_carbon.grid.providers.http import LARGEST_BYTES, fetch

SECRET = "k3y-that-nobody-may-see"
SOON_S = 0.4


@pytest.fixture
def server():
    with serving() as server:
        yield server


def ask(server, *, deadline_s=SOON_S):
    request = Request(f"{server.origin}/path?api_key={SECRET}", {"auth-token": SECRET})
    return fetch(request, deadline_s=deadline_s)


def refusal(server):
    with pytest.raises(NoAnswer) as raised:
        ask(server)
    told = str(raised.value) + repr(raised.value) + repr(raised.value.__cause__)
    assert SECRET not in told
    assert "127.0.0.1" not in told
    return raised.value


def test_an_answer_and_the_server_s_clock(server):
    server.script((200, {"Date": "Sat, 21 Nov 2026 10:00:00 GMT"}, b'{"a": 1}'))
    response = ask(server)
    assert (response.body, response.server_s) == (b'{"a": 1}', 1795255200.0)
    headers = {name.casefold(): value for name, value in server.asked[0][1].items()}
    assert headers["auth-token"] == SECRET


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "90"}, 90.0),
        ({"Retry-After": "Sat, 21 Nov 2026 10:02:00 GMT", "Date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 120.0),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_429_says_when_to_come_back(server, headers, seconds):
    server.script((429, headers, b"slow down"))
    refused = refusal(server)
    assert (refused.retry_after_s, refused.denied) == (seconds, False)


@pytest.mark.parametrize(("status", "denied"), [(401, True), (403, True), (404, False), (500, False), (503, False)])
def test_a_refused_key_is_told_from_a_bad_day(server, status, denied):
    server.script((status, {}, b"<html>no</html>"))
    assert refusal(server).denied is denied


@pytest.mark.parametrize("step", ["hang", "drip", "drip headers"])
def test_a_server_that_never_ends_is_left_at_the_deadline(server, step):
    server.script(step)
    started_s = time.monotonic()
    refusal(server)
    assert time.monotonic() - started_s < SOON_S + 1.0


def test_a_cut_body_is_no_answer(server):
    server.script((200, {"Content-Length": "1000"}, b'{"data": ['))
    assert "cut" in str(refusal(server))


def test_an_answer_without_end_is_left(server):
    server.script((200, {}, b" " * (LARGEST_BYTES + 1)))
    with pytest.raises(NoAnswer, match="too large"):
        ask(server, deadline_s=20.0)


def test_a_redirect_is_not_followed_with_the_key(server):
    server.script((302, {"Location": f"{server.origin}/elsewhere"}, b""))
    refusal(server)
    assert len(server.asked) == 1


def test_nobody_listens():
    with serving() as gone:
        pass
    assert "refused" in str(refusal(gone))


def test_a_key_that_no_header_can_hold_is_not_quoted(server):
    with pytest.raises(NoAnswer) as raised:
        fetch(Request(server.origin, {"auth-token": f"{SECRET}\nX: y"}), deadline_s=SOON_S)
    assert SECRET not in str(raised.value)


def test_what_is_meant_for_one_origin_can_be_sent_to_another(server):
    server.script(b"{}")
    fetch(Request(f"{gb.ROOT}/intensity/x"), deadline_s=SOON_S, hosts={gb.ROOT: server.origin})
    assert server.paths() == ["/intensity/x"]
