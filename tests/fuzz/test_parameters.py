"""The parameters of web and transaction tags, mutated: Postgres reads of them what Python's URL decoding does."""

from urllib.parse import unquote_plus

from psycopg2.extensions import connection as Connection  # noqa: N812
from tests.fuzz.mutating import Mutations

from message_tracking.sample.parameters import ODD_PARAMETERS
from message_tracking.warehouse import fetch_all

NAMES = ("amount", "article")
TEXTS = [
    *(text for text, _, _ in ODD_PARAMETERS),
    "amount=%31%32%2e5&article=%e9",
    "%61%6D%6f%75nt=1",
    "amount=1+2&article=+",
    "amount=%&article=%2",
    "amount=%g1&article=%%32",
    "amount=%00&article=%2500",
    "amount=%25%32%35&article=%c3%a9é",
    "amount&article",
    "=&==&amount==1&&article=a=b",
]


def decoded(text: str) -> str:
    """Decode as Latin-1; what stands for NUL stays, since no text of Postgres holds that."""
    return unquote_plus(text.replace("%00", "%2500"), encoding="latin-1")


def value_of(parameters: str, name: str) -> str | None:
    pairs = (pair.partition("=") for pair in parameters.split("&"))
    return next((decoded(value) for key, separator, value in pairs if separator and decoded(key) == name), None)


def test_parameters_are_read_as_python_reads_them(connection: Connection):
    mutations = Mutations([text.encode() for text in TEXTS], b"&", 1)
    # A line with a control character is rejected, so that none is in the parameters of an event.
    texts = [text for line in mutations.lines(20_000) if (text := line.decode(errors="replace")).isprintable()]
    expected = [(text, *(value_of(text, name) for name in NAMES)) for text in texts]
    query = "select text, ops.url_parameter(text, %s), ops.url_parameter(text, %s) from unnest(%s) as texts(text)"
    assert fetch_all(connection, query, (*NAMES, texts)) == expected
    assert len({amount for _, amount, _ in expected}) > 100
