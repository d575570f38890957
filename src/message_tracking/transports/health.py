"""The health probe of Campaign's tracking servers (spec §2.6): `GET /r/test` answers `<redir status='OK' …/>`."""

import urllib.request
from collections.abc import Iterable
from http.client import HTTPException
from xml.etree import ElementTree

from message_tracking.errors import UnreadableFileError

_PATIENCE_SECONDS = 10
_LONGEST_ANSWER = 4096
_HINT = "Nothing is tracked where the redirection does not work: look at the web server and at trackinglogd."


def check_health(probes: Iterable[str]) -> list[str]:
    """Ask tracking servers, by the addresses of their probes, how they are; return what each says of itself.

    Raises UnreadableFileError with all that do not answer that they are well.
    """
    answers, faults = [], []
    for address in probes:
        try:
            answers.append(f"{address}: {_ask(address)}")
        except (OSError, HTTPException, ElementTree.ParseError, ValueError) as error:
            faults.append(f"The tracking server {address} is not well: {error}.")
    if faults:
        raise UnreadableFileError("\n".join(faults), _HINT)
    return answers


def _ask(address: str) -> str:
    """Return date, build and host of a server that is well. Raises ValueError with what another one answers."""
    # The sources file has no other addresses than of http and https.
    with urllib.request.urlopen(address, timeout=_PATIENCE_SECONDS) as response:  # noqa: S310
        text = response.read(_LONGEST_ANSWER).decode(errors="replace")
    if "<!" in text:
        raise ValueError("it answers with another page")
    told = ElementTree.fromstring(text)  # noqa: S314  (it declares no entities, as was looked at)
    if told.tag != "redir" or told.get("status") != "OK":
        raise ValueError(f"it says {told.tag} {told.get('status') or 'without a status'}")
    return ", ".join(f"{name} {told.get(name)}" for name in ("date", "build", "host", "localHost") if told.get(name))
