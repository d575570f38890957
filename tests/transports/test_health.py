"""The health probes of tracking servers."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from message_tracking.errors import UnreadableFileError
from message_tracking.transports.health import check_health

WELL = "<redir status='OK' date='2026-01-05 10:00:00Z' build='9342' host='t.example' localHost='edge-a'/>"
ANSWERS = {
    "/well/r/test": (200, WELL),
    "/stopped/r/test": (200, "<redir status='KO'/>"),
    "/odd/r/test": (200, "<html><body/></html>"),
    "/page/r/test": (200, "<!DOCTYPE html><html>Welcome</html>"),
    "/broken/r/test": (200, "<redir status='OK'"),
    "/error/r/test": (503, ""),
}


class Probe(BaseHTTPRequestHandler):
    """Answers as several tracking servers would."""

    def do_GET(self) -> None:
        status, text = ANSWERS.get(self.path, (404, ""))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Probe) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_who_is_well_says_who_it_is(address: str) -> None:
    (told,) = check_health([f"{address}/well/r/test"])
    assert told == f"{address}/well/r/test: date 2026-01-05 10:00:00Z, build 9342, host t.example, localHost edge-a"
    assert check_health([]) == []


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("stopped", "it says redir KO"),
        ("odd", "it says html without a status"),
        ("page", "it answers with another page"),
        ("broken", "no element found|unclosed token"),
        ("error", "HTTP Error 503"),
        ("nowhere", "HTTP Error 404"),
    ],
)
def test_who_is_not_well_is_named(address: str, path: str, complaint: str) -> None:
    with pytest.raises(UnreadableFileError, match=f"/{path}/r/test is not well: .*({complaint})") as told:
        check_health([f"{address}/well/r/test", f"{address}/{path}/r/test"])
    assert "/well/" not in str(told.value)


def test_who_does_not_answer_is_named() -> None:
    with pytest.raises(UnreadableFileError, match=r"http://127\.0\.0\.1:9/r/test is not well: .*refused"):
        check_health(["http://127.0.0.1:9/r/test"])
