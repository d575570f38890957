"""Message bodies into raw: versions, links, the ledger, and what the models see of them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from tests.warehouse.conftest import folder_source

from message_tracking.loading import contents
from message_tracking.loading.delivery_data import load_delivery_data
from message_tracking.loading.summary import LoadSummary
from message_tracking.source_files import SourceFiles
from message_tracking.waiting_loads import has_waiting_loads
from message_tracking.warehouse import Warehouse, fetch_all

BODY = b'<a href="https://a.example/?x=1&amp;y=2">A</a> <a href=https://a.example/?x=1&y=2>A</a> <a href=#>B</a>'

Load = Callable[..., LoadSummary]
Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def load(warehouse: Warehouse, tmp_path: Path) -> Load:
    """Write bodies by file name and load the source they are of."""

    def write_and_load(bodies: dict[str, bytes] | None = None, source: str = "campaign") -> LoadSummary:
        folder = tmp_path / source / "contents"
        folder.mkdir(parents=True, exist_ok=True)
        for name, body in (bodies or {}).items():
            (folder / name).write_bytes(body)
        return load_delivery_data(warehouse, folder_source(folder.parent, source))

    return write_and_load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "campaign" / "contents"


@pytest.fixture
def query(connection: Connection) -> Query:
    def run(statement: str) -> list[tuple[Any, ...]]:
        try:
            return fetch_all(connection, statement)
        finally:
            connection.rollback()

    return run


CURRENT = (
    "select delivery_id, content_part, convert_from(body, 'UTF8') from raw.contents "
    "where superseded_by_load_id is null order by 1, 2"
)
LINKS = (
    "select contents.delivery_id, links.content_part, source_url, link_count from raw.content_links as links "
    "inner join raw.contents using (load_id) where superseded_by_load_id is null order by 1, 2, 3"
)
LEDGER = (
    "select file_name, status, line_count, accepted_count, already_loaded_count, to_offset = file_size "
    "from ops.file_ledger where kind = 'contents' order by load_id"
)


def test_bodies_and_their_links_are_loaded(load: Load, query: Query) -> None:
    summary = load({"5.html": BODY, "5.txt": b"See https://a.example/.", "-7.html": b"", "8.txt": b"\xff\0"})
    assert (summary.files, summary.line_count, summary.accepted, summary.failed_files) == (4, 4, 4, [])
    assert [
        (delivery_id, part, bytes(body))
        for delivery_id, part, body in query("select delivery_id, content_part, body from raw.contents order by 1, 2")
    ] == [
        (-7, "html", b""),
        (5, "html", BODY),
        (5, "text", b"See https://a.example/."),
        (8, "text", b"\xff\0"),
    ]
    assert query(LINKS) == [
        (5, "html", "#", 1),
        (5, "html", "https://a.example/?x=1&y=2", 2),
        (5, "text", "https://a.example/", 1),
    ]
    assert query("select count(*), count(distinct position), count(distinct load_id) from ops.file_ledger") == [
        (4, 4, 4)
    ]
    assert {row[1:] for row in query(LEDGER)} == {("loaded", 1, 1, 0, True)}


def test_what_did_not_change_changes_nothing(load: Load, folder: Path, query: Query) -> None:
    load({"5.html": BODY, "6.html": BODY})
    assert load().files == 0
    os.utime(folder / "5.html", (1, 1))
    summary = load()
    assert (summary.files, summary.accepted, summary.already_loaded, summary.is_new) == (1, 0, 1, False)
    assert query(LEDGER)[-1] == ("5.html", "loaded", 1, 0, 1, True)
    assert query("select count(*), count(superseded_by_load_id) from raw.contents") == [(2, 0)]
    assert load().files == 0


def test_a_body_that_changed_replaces_the_old_one_and_one_that_is_gone_stays(
    load: Load, folder: Path, query: Query
) -> None:
    load({"5.html": b"<a href=1>", "6.html": b"<a href=2>"})
    (folder / "6.html").unlink()
    assert load({"5.html": b"<a href=1> <a href=3>"}).accepted == 1
    assert query(CURRENT) == [(5, "html", "<a href=1> <a href=3>"), (6, "html", "<a href=2>")]
    assert query(LINKS) == [(5, "html", "1", 1), (5, "html", "3", 1), (6, "html", "2", 1)]
    assert query(
        "select old.superseded_by_load_id = new.load_id from raw.contents as old, raw.contents as new "
        "where old.superseded_by_load_id is not null and new.delivery_id = 5 and new.superseded_by_load_id is null"
    ) == [(True,)]


def test_of_two_sources_the_one_read_later_counts(load: Load, query: Query) -> None:
    load({"5.html": b"first"})
    assert load({"5.html": b"second"}, source="other").accepted == 1
    assert query(CURRENT) == [(5, "html", "second")]
    assert load().files == 0
    assert query(CURRENT) == [(5, "html", "second")]


def test_other_files_are_listed_once(load: Load, folder: Path, query: Query) -> None:
    assert load({"5.html": b"", "readme.md": b"", "005.html": b"", "5.htm": b""}).ignored == 3
    assert load({"new.png": b""}).ignored == 1
    assert load().ignored == 0
    assert [name for name, status, *_ in query(LEDGER) if status == "ignored"] == [
        "005.html",
        "5.htm",
        "readme.md",
        "new.png",
    ]


def test_thousands_of_other_files_and_names_of_any_bytes_are_listed(load: Load, folder: Path, query: Query) -> None:
    folder.mkdir(parents=True)
    for number in range(8_000):
        (folder / f"picture-{number}.png").touch()
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.html")).touch()
    assert load().ignored == 8_001
    assert load().ignored == 0
    assert [name for name, *_ in query(LEDGER) if name.startswith("caf")] == [r"caf\xe9.html"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"<i>" * 100_001, "more than 100,000 tags"), (b"x" * 2_001, "2,001 bytes are more than")],
)
def test_a_file_that_is_no_body_is_refused_until_it_is_mended_and_the_others_go_on(
    load: Load, folder: Path, query: Query, monkeypatch: pytest.MonkeyPatch, body: bytes, reason: str
) -> None:
    monkeypatch.setattr(contents, "LARGEST_BODY", 2_000 if body.startswith(b"x") else contents.LARGEST_BODY)
    for _ in range(2):
        summary = load({"4.html": b"4", "5.html": body, "6.html": b"6"})
        assert [failed.file_name for failed in summary.failed_files] == [str(folder / "5.html")]
        assert reason in summary.failed_files[0].reason
        assert str(folder / "5.html") in summary.failed_files[0].reason
    assert [row[:3] for row in query(LEDGER) if row[1] == "failed"] == [("5.html", "failed", 0)]
    assert [delivery for delivery, *_ in query(CURRENT)] == [4, 6]
    load({"5.html": b"5"})
    assert [row for row in query(LEDGER) if row[0] == "5.html"] == [("5.html", "loaded", 1, 1, 0, True)]


def test_a_file_that_vanishes_while_it_is_read_is_refused(
    load: Load, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir(parents=True)
    (folder / "5.html").write_bytes(b"5")
    list_files = SourceFiles.content_files

    def list_and_delete(files: SourceFiles) -> list[Any]:
        found = list_files(files)
        (folder / "5.html").unlink()
        return found

    monkeypatch.setattr(SourceFiles, "content_files", list_and_delete)
    summary = load({"6.html": b"6"})
    assert "5.html cannot be read: [Errno 2] No such file" in summary.failed_files[0].reason
    assert summary.accepted == 1


@pytest.mark.parametrize(("limit", "value"), [("_BATCH_FILES", 2), ("_BATCH_BYTES", 1)])
def test_a_load_that_is_broken_off_leaves_whole_files_and_goes_on(
    load: Load, query: Query, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(contents, limit, value)
    copy, calls = contents.copy_rows, []

    def copy_until_the_fourth(cursor: Any, table: tuple[str, str], *rows: Any) -> None:
        calls.append(table)
        if len(calls) == 4:
            raise KeyboardInterrupt
        copy(cursor, table, *rows)

    bodies = {f"{number}.html": b"<a href=%d>" % number for number in range(1, 6)}
    with monkeypatch.context() as patch:
        patch.setattr(contents, "copy_rows", copy_until_the_fourth)
        with pytest.raises(KeyboardInterrupt):
            load(bodies)
    kept = {"_BATCH_FILES": 2, "_BATCH_BYTES": 1}[limit]
    assert len(query(CURRENT)) == len(query(LINKS)) == len(query(LEDGER)) == kept
    assert load().accepted == 5 - kept
    assert query(LINKS) == [(number, "html", str(number), 1) for number in range(1, 6)]
    assert len(query(LEDGER)) == 5


def test_thousands_of_bodies(load: Load, query: Query) -> None:
    assert load({f"{number}.html": b"<a href=%d>" % number for number in range(3_000)}).accepted == 3_000
    assert query("select count(*), min(load_id) = max(load_id) from raw.contents") == [(3_000, False)]
    assert load().files == 0


def test_a_body_alone_makes_a_publication_due(load: Load, warehouse: Warehouse) -> None:
    load({"5.html": BODY})
    assert has_waiting_loads(warehouse, "campaign")
