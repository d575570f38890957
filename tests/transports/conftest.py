"""A server of each kind, started anew for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.transports.counterparts import COUNTERPARTS, Counterpart

from message_tracking.source_files import SourceFiles
from message_tracking.sources import Source
from message_tracking.transports import retrying
from message_tracking.transports.opening import open_source


@pytest.fixture(params=COUNTERPARTS)
def counterpart(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Counterpart]:
    """A server of each kind."""
    with COUNTERPARTS[request.param](tmp_path / "server") as server:
        yield server


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(retrying, "FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(retrying, "LONGEST_WAIT_SECONDS", 0.01)


@pytest.fixture
def open_it(counterpart: Counterpart) -> Callable[..., SourceFiles]:
    """Open the server as the source `campaign`; what is given goes into the sources file."""

    def open_now(**options: Any) -> SourceFiles:
        options = {"path": Path(counterpart.root)} | options
        source = Source(name="campaign", kind=counterpart.kind, connection="tracking_files", **options)
        return open_source(source, lambda _: counterpart.connection())

    return open_now
