"""Reference data from CSV exports into raw: what is accepted, replaced, refused."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from tests.warehouse.conftest import folder_source

from message_tracking.loading.delivery_data import load_delivery_data
from message_tracking.loading.summary import LoadSummary
from message_tracking.sample import WORKED_EXAMPLE
from message_tracking.warehouse import Warehouse, fetch_all

HEADER = "recipient_id,first_name,last_name,email,email_format,modified_at"

Query = Callable[[str], list[tuple[Any, ...]]]
Load = Callable[..., LoadSummary]


@pytest.fixture
def query(connection: Connection) -> Query:
    def run(statement: str) -> list[tuple[Any, ...]]:
        try:
            return fetch_all(connection, statement)
        finally:
            connection.rollback()

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "exports").mkdir()
    return tmp_path / "exports"


@pytest.fixture
def load(warehouse: Warehouse, folder: Path) -> Load:
    """Write one recipients file (text or bytes; header only if given) and load the source."""

    def write_and_load(*rows: str, header: str = HEADER, name: str = "recipients.csv", **source: Any) -> LoadSummary:
        (folder / name).write_bytes("".join(f"{line}\n" for line in (header, *rows)).encode())
        return load_delivery_data(warehouse, folder_source(folder.parent, **source))

    return write_and_load


CURRENT = "select recipient_id, email from raw.recipients where superseded_by_load_id is null order by 1"


def test_every_table_of_the_worked_example_is_loaded_with_its_types(warehouse: Warehouse, query: Query) -> None:
    source = folder_source(WORKED_EXAMPLE, "golden")
    summary = load_delivery_data(warehouse, source)
    assert (summary.files, summary.line_count, summary.accepted, summary.warnings) == (5, 13, 13, [])
    assert query("select count(*) from raw.messages where event_at = '2012-02-20T15:00:05Z' and not is_seed") == [(4,)]
    assert query("select campaign_id, delivery_code, to_deliver_count from raw.deliveries") == [(None, "", 4)]
    assert query("select label, offer_id from raw.tracked_urls order by 1") == [
        ("L1", None),
        ("L2", None),
        ("L3", None),
    ]
    assert query("select count(*), count(distinct position) from ops.file_ledger where status = 'loaded'") == [(5, 5)]

    again = load_delivery_data(warehouse, source)
    assert (again.files, again.line_count, again.is_new) == (0, 0, False)
    assert query("select count(*) from ops.file_ledger") == [(5,)]


def test_no_exports_folder_is_no_error(warehouse: Warehouse, tmp_path: Path) -> None:
    assert load_delivery_data(warehouse, folder_source(tmp_path)).files == 0


def test_quoted_fields_byte_order_mark_and_return_line_ends(warehouse: Warehouse, folder: Path, query: Query) -> None:
    content = f'\ufeff{HEADER}\r\n1,"Anna ""Annie""","Smith, Jr.\r\n(née X)",a@b.example,2,\r\n\r\n2,,"",,,\r\n'
    (folder / "recipients.csv").write_bytes(content.encode())
    summary = load_delivery_data(warehouse, folder_source(folder.parent))
    assert (summary.accepted, summary.rejected) == (2, 0)
    assert query(
        "select first_name, last_name, email, email_format, modified_at from raw.recipients order by recipient_id"
    ) == [
        ('Anna "Annie"', "Smith, Jr.\r\n(née X)", "a@b.example", 2, None),
        ("", "", "", None, None),
    ]


def test_gzip_and_a_last_row_without_line_feed(warehouse: Warehouse, folder: Path, query: Query) -> None:
    (folder / "recipients.csv.gz").write_bytes(gzip.compress(f"{HEADER}\n7,A,B,c@d.example,1,2026-01-01".encode()))
    summary = load_delivery_data(warehouse, folder_source(folder.parent))
    assert summary.accepted == 1
    assert query("select file_name, line_count from ops.file_ledger") == [("recipients.csv.gz", 1)]


def test_columns_by_the_names_that_the_sources_file_gives_them(
    load: Load, query: Query, warehouse: Warehouse, folder: Path
) -> None:
    named = {"recipients": {"recipient_id": "Id", "email": "Address", "last_name": "Address", "email_format": None}}
    header = "Id,email,Address,first_name,modified_at"
    summary = load("5,old@b.example,a@b.example,A,", header=header, columns=named)
    assert summary.warnings == ["recipients.csv: unknown columns were ignored: email"]
    assert query("select recipient_id, last_name, email, email_format from raw.recipients") == [
        (5, "a@b.example", "a@b.example", None)
    ]
    # A file that has not changed is read again where its columns have other names by now.
    others = {"recipients": named["recipients"] | {"email": "email"}}
    for names, files in ((named, 0), (others, 1), (others, 0)):
        assert load_delivery_data(warehouse, folder_source(folder.parent, columns=names)).files == files
    assert query("select email from raw.recipients where superseded_by_load_id is null") == [("old@b.example",)]
    (failed,) = load("1", header=HEADER, columns=named).failed_files
    assert "the column Id is missing; found: recipient_id, first_name" in failed.reason


def test_columns_in_any_order_and_unknown_ones_ignored_with_a_warning(load: Load, query: Query) -> None:
    summary = load(
        "a@b.example,x,2026-01-01T00:00:00Z,A,1,y,B,5",
        header="email,note,modified_at,first_name,email_format,note,last_name,recipient_id",
    )
    assert query("select recipient_id, first_name, last_name from raw.recipients") == [(5, "A", "B")]
    assert summary.warnings == ["recipients.csv: unknown columns were ignored: note, note"]
    assert query("select warnings from ops.file_ledger") == [(summary.warnings,)]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (HEADER.replace("email,", ""), "column email is missing; found: recipient_id, first_name"),
        (HEADER.replace("email_format", "format"), "column email_format is missing; found:"),
        (HEADER + ",email", "column email is there twice"),
        (HEADER.replace(",", ";"), "column recipient_id is missing; found: recipient_id;first_name"),
    ],
)
def test_a_wrong_header_refuses_the_file(load: Load, query: Query, header: str, message: str) -> None:
    summary = load("1,A,B,a@b.example,1,", header=header)
    assert [Path(failed.file_name).name for failed in summary.failed_files] == ["recipients.csv"]
    assert message in summary.failed_files[0].reason
    assert query("select status, strpos(error, 'recipients.csv: the column') > 0 from ops.file_ledger") == [
        ("failed", True)
    ]
    assert query("select count(*) from raw.recipients") == [(0,)]


def test_an_empty_file_is_refused(warehouse: Warehouse, folder: Path) -> None:
    (folder / "messages.csv").write_bytes(b"")
    summary = load_delivery_data(warehouse, folder_source(folder.parent))
    assert "the file is empty" in summary.failed_files[0].reason


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('2,"A,B,a@b.example,1,', "line 3: the quote that is opened"),
        ('2,A "B" C,B,a@b.example,1,', "line 3: a quote stands inside a field"),
        ('2,"A"B,B,a@b.example,1,', "line 3: a quote stands inside a field"),
    ],
)
def test_broken_quotes_refuse_the_file(load: Load, query: Query, row: str, message: str) -> None:
    summary = load("1,A,B,a@b.example,1,", row, "3,A,B,a@b.example,1,")
    assert message in summary.failed_files[0].reason
    assert query("select count(*) from raw.recipients") == [(0,)]


def test_a_broken_gzip_refuses_the_file_and_the_others_go_on(
    warehouse: Warehouse, folder: Path, load: Load, query: Query
) -> None:
    (folder / "messages.csv.gz").write_bytes(gzip.compress(b"message_id\n" * 1000)[:-9])
    summary = load("1,A,B,a@b.example,1,")
    assert summary.accepted == 1
    assert "messages.csv.gz cannot be read" in summary.failed_files[0].reason


def test_rows_that_cannot_be_read_are_rejected_byte_for_byte(warehouse: Warehouse, folder: Path, query: Query) -> None:
    rows = [
        b"1,A,B,a@b.example,1,2026-01-01",
        b"x,A,B,a@b.example,1,",
        b',A,B,"a\n@b.example",1,',
        b"9223372036854775808,A,B,,1,",
        b"2,A,B,,2147483648,",
        b"3,A,B,,1,2026-02-30",
        b"4,A,B,,1,01/02/2026",
        b"5,A,B",
        b"6,A,B,,1,,",
        b"7,\xff,B,,1,",
        b"8,A\x00,B,,1,",
        b"9,A,B\r,,1,",
        b"10,A,B,,1,2026-01-01T10:00:00+02:00",
    ]
    (folder / "recipients.csv").write_bytes(HEADER.encode() + b"\n" + b"\n".join(rows))
    summary = load_delivery_data(warehouse, folder_source(folder.parent))
    assert (summary.line_count, summary.accepted, summary.rejected) == (13, 2, 11)
    assert summary.warnings[0].endswith("which counts from 1000 rows on.")
    stored = query("select line_number, byte_offset, reason, raw_line from raw.rejected_lines order by line_number")
    assert [(line, reason) for line, _, reason, _ in stored] == [
        (3, "recipient_id_not_a_number"),
        (4, "recipient_id_missing"),
        (6, "recipient_id_not_a_number"),
        (7, "email_format_not_a_number"),
        (8, "modified_at_not_a_time"),
        (9, "modified_at_not_a_time"),
        (10, "field_count"),
        (11, "field_count"),
        (12, "not_utf8"),
        (13, "first_name_holds_nul"),
        (14, "field_count"),
    ]
    assert [bytes(raw) for *_, raw in stored] == rows[1:-1]
    content = (folder / "recipients.csv").read_bytes()
    assert all(content[offset : offset + len(raw)] == bytes(raw) for _, offset, _, raw in stored)
    assert query("select modified_at = '2026-01-01T08:00:00Z' from raw.recipients where recipient_id = 10") == [(True,)]
    assert query("select line_count, accepted_count, rejected_count, already_loaded_count from ops.file_ledger") == [
        (13, 2, 11, 0)
    ]


def test_a_rejected_share_above_the_limit_fails_the_file(load: Load, query: Query) -> None:
    good = [f"{number},A,B,,1," for number in range(900)]
    summary = load(*good, *(["x,A\x00,B,,1,"] * 101), reject_limit=0.1)
    assert (
        "101 of 1001 rows were rejected (recipient_id_not_a_number 101), the limit is 10.0%"
        in summary.failed_files[0].reason
    )
    assert query("select count(*) from raw.recipients") == [(0,)]
    assert query("select count(*) from raw.rejected_lines") == [(0,)]
    assert query(
        "select status, line_count, rejected_count, jsonb_array_length(sample_rejects) from ops.file_ledger"
    ) == [("failed", 1001, 101, 20)]
    assert load(*good, reject_limit=0.1).accepted == 900
    assert query("select status from ops.file_ledger") == [("loaded",)]


@pytest.mark.parametrize(
    ("stored", "arriving", "winner"),
    [
        ("2026-01-01", "2026-01-02", "new"),
        ("2026-01-02", "2026-01-01", "old"),
        ("2026-01-01", "2026-01-01", "new"),
        ("", "2026-01-01", "new"),
        ("2026-01-01", "", "new"),
        ("", "", "new"),
        ("2026-01-01T01:00:00+02:00", "2025-12-31T22:59:59Z", "old"),
    ],
)
@pytest.mark.parametrize("in_one_file", [True, False])
def test_the_newer_row_wins_within_a_file_and_across_files(
    load: Load, query: Query, stored: str, arriving: str, winner: str, in_one_file: bool
) -> None:
    rows = [f"1,A,B,old,1,{stored}", f"1,A,B,new,1,{arriving}"]
    if in_one_file:
        summary = load(*rows)
        assert (summary.line_count, summary.accepted, summary.already_loaded) == (2, 1, 1)
    else:
        load(rows[0])
        summary = load(rows[1], "2,A,B,two,1,")
        assert (summary.accepted, summary.already_loaded) == ((2, 0) if winner == "new" else (1, 1))
        versions = query(
            "select email, superseded_by_load_id is null from raw.recipients where recipient_id = 1 order by 1 desc"
        )
        assert versions == ([("old", False), ("new", True)] if winner == "new" else [("old", True)])
    assert query(CURRENT)[0] == (1, winner)


def test_an_undated_row_cuts_off_what_stands_before_it(load: Load, query: Query) -> None:
    load("1,A,B,stored,1,2026-01-09")
    load("1,A,B,newest,1,2026-01-10", "1,A,B,undated,1,", "1,A,B,third,1,2026-01-02", "1,A,B,fourth,1,2026-01-01")
    assert query(CURRENT) == [(1, "third")]


def test_an_identical_row_changes_nothing(load: Load, query: Query) -> None:
    rows = ["1,A,B,a@b.example,1,2026-01-01", "2,A,B,,,"]
    load(*rows)
    summary = load(*rows, "3,A,B,,,")
    assert (summary.accepted, summary.already_loaded) == (1, 2)
    assert query("select count(*) from raw.recipients where superseded_by_load_id is not null") == [(0,)]


def test_a_key_of_another_source_follows_the_same_rule(warehouse: Warehouse, tmp_path: Path, query: Query) -> None:
    for name, email, day in (("first", "old", 2), ("second", "new", 3), ("third", "older", 1)):
        (tmp_path / name / "exports").mkdir(parents=True)
        (tmp_path / name / "exports" / "recipients.csv").write_text(f"{HEADER}\n1,A,B,{email},1,2026-01-0{day}\n")
        load_delivery_data(warehouse, folder_source(tmp_path / name, name))
    assert query(CURRENT) == [(1, "new")]


def test_rows_without_modified_at_follow_the_order_of_reading(warehouse: Warehouse, folder: Path, query: Query) -> None:
    header = "url_id,delivery_id,type,label,category,source_url,occurrence,content_part,offer_id"
    for label in ("one", "two"):
        (folder / "tracked_urls.csv").write_text(f"{header}\n5,1,1,x,,u,0,html,\n5,1,1,{label},,u,0,html,7\n")
        load_delivery_data(warehouse, folder_source(folder.parent))
    assert query("select label, offer_id from raw.tracked_urls where superseded_by_load_id is null") == [("two", 7)]


def test_a_key_of_several_columns_is_one_key(warehouse: Warehouse, folder: Path, query: Query) -> None:
    header = "delivery_id,recipient_id,reason,modified_at"
    exports = [
        ["1,7,empty,2026-01-02", "2,7,empty,2026-01-02", "1,8,duplicate,", "1,7,older,2026-01-01", "1,,empty,"],
        ["1,7,denylist,2026-01-03", "2,7,older,2026-01-01", "1,8,quarantine,", "1,9,duplicate,"],
    ]
    for rows in exports:
        (folder / "exclusions.csv").write_text("\n".join([header, *rows]))
        load_delivery_data(warehouse, folder_source(folder.parent))
    current = (
        "select delivery_id, recipient_id, reason from raw.exclusions where superseded_by_load_id is null order by 1, 2"
    )
    assert query(current) == [
        (1, 7, "denylist"),
        (1, 8, "quarantine"),
        (1, 9, "duplicate"),
        (2, 7, "empty"),
    ]
    assert query("select count(*) from raw.exclusions where superseded_by_load_id is not null") == [(2,)]
    assert query("select reason from raw.rejected_lines") == [("recipient_id_missing",)]
    assert query("select accepted_count, already_loaded_count from ops.file_ledger order by position") == [
        (3, 1),
        (3, 1),
    ]


def test_booleans_in_all_their_forms(warehouse: Warehouse, folder: Path, query: Query) -> None:
    header = "message_id,delivery_id,recipient_id,address_domain,status,failure_reason,is_seed,event_at,modified_at"
    words = ["true", "FALSE", "1", "0", "t", "F", "", "yes"]
    rows = [f"{number},1,1,d,1,0,{word},," for number, word in enumerate(words)]
    (folder / "messages.csv").write_text("\n".join([header, *rows]))
    summary = load_delivery_data(warehouse, folder_source(folder.parent))
    assert summary.reject_reasons == {"is_seed_not_a_boolean": 1}
    stored = [is_seed for (is_seed,) in query("select is_seed from raw.messages order by message_id")]
    assert stored == [True, False, True, False, True, False, None]


def test_a_changed_file_with_nothing_new_is_recorded_and_then_skipped(load: Load, folder: Path, query: Query) -> None:
    load("1,A,B,,1,2026-01-02")
    summary = load("1,A,B,older,1,2026-01-01")
    assert (summary.files, summary.is_new, summary.already_loaded) == (1, False, 1)
    assert query("select count(*) from ops.file_ledger where status = 'loaded'") == [(2,)]


def test_rows_across_blocks(load: Load, query: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("message_tracking.loading.csv_rows.BLOCK_BYTES", 97)
    rows = [f'{number},"A ""{number}""","x\ny",a{number}@b.example,1,2026-01-01' for number in range(50)]
    summary = load(*rows, "x,A,B,,1,")
    assert (summary.accepted, summary.rejected) == (50, 1)
    assert query("select line_number from raw.rejected_lines") == [(102,)]
    assert query("select count(*), count(distinct first_name), min(last_name), max(last_name) from raw.recipients") == [
        (50, 50, "x\ny", "x\ny")
    ]
    assert query("select first_name from raw.recipients where recipient_id = 31") == [('A "31"',)]
