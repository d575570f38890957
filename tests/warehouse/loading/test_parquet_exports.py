"""Reference data from Parquet exports into raw: the same as from CSV, row for row, and what is refused."""

import base64
import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from pyarrow import csv as arrow_csv
from pyarrow.parquet import encryption
from tests.warehouse.conftest import folder_source

from message_tracking.loading import parquet_rows
from message_tracking.loading.delivery_data import load_delivery_data
from message_tracking.loading.reference_tables import REFERENCE_TABLES
from message_tracking.loading.summary import LoadSummary
from message_tracking.sources import Source
from message_tracking.transports.opening import open_source
from message_tracking.warehouse import Warehouse, fetch_all

Load = Callable[..., LoadSummary]

RECIPIENTS = {
    "recipient_id": [1, 2],
    "first_name": ["A", None],
    "last_name": ["B", "C"],
    "email": ["a@b.example", ""],
    "email_format": [1, None],
    "modified_at": ["2026-01-01", None],
}


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "exports").mkdir()
    return Source(name="campaign", kind="folder", path=tmp_path)


@pytest.fixture
def load(warehouse: Warehouse, source: Source) -> Load:
    """Write `recipients.parquet`, if a table is given, and load the source."""

    def write_and_load(table: pa.Table | None = None, **options: Any) -> LoadSummary:
        if table is not None:
            pq.write_table(table, source.path / "exports" / "recipients.parquet", **options)
        return load_delivery_data(warehouse, open_source(source))

    return write_and_load


def test_columns_by_the_names_that_the_sources_file_gives_them(
    load: Load, warehouse: Warehouse, source: Source, connection: Connection
) -> None:
    renamed = {"Id" if name == "recipient_id" else name: values for name, values in RECIPIENTS.items()}
    load(pa.table({name: values for name, values in renamed.items() if name != "email_format"}))
    named = source.model_copy(update={"columns": {"recipients": {"recipient_id": "Id", "email_format": None}}})
    assert load_delivery_data(warehouse, open_source(named)).accepted == 2
    assert fetch_all(connection, "select recipient_id, email_format from raw.recipients order by 1") == [
        (1, None),
        (2, None),
    ]


def refusal(summary: LoadSummary) -> str:
    (failed,) = summary.failed_files
    assert failed.file_name.endswith("/exports/recipients.parquet")
    assert "exports/recipients.parquet" in failed.reason
    return failed.reason


def stored(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the reference tables, without the load that brought it."""
    return {
        table.name: fetch_all(
            connection, f"select {', '.join(table.columns)} from raw.{table.name} order by {', '.join(table.key)}"
        )
        for table in REFERENCE_TABLES
    }


ARROW_TYPES = {
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "text": pa.string(),
    "boolean": pa.bool_(),
    "timestamptz": pa.timestamp("us", "UTC"),
}


@pytest.mark.parametrize("as_text", [False, True], ids=["typed", "all text"])
def test_parquet_is_loaded_like_csv(
    warehouse: Warehouse,
    connection: Connection,
    source: Source,
    golden: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    as_text: bool,
) -> None:
    monkeypatch.setattr(parquet_rows, "BATCH_ROWS", 7)
    exports = golden("second-case") / "exports"
    tables = [table for table in REFERENCE_TABLES if (exports / f"{table.name}.csv").exists()]
    for table in tables:
        kinds = {name: pa.string() if as_text else ARROW_TYPES[kind] for name, kind in table.columns.items()}
        options = arrow_csv.ConvertOptions(column_types=kinds, strings_can_be_null=not as_text, null_values=[""])
        content = arrow_csv.read_csv(exports / f"{table.name}.csv", convert_options=options)
        pq.write_table(content, source.path / "exports" / f"{table.name}.parquet", row_group_size=50)
    summary = load_delivery_data(warehouse, open_source(source))
    assert (summary.files, summary.rejected, summary.already_loaded) == (5, 0, 0)
    from_parquet = stored(connection)
    assert {table.name: len(from_parquet[table.name]) for table in tables} == {
        table.name: len(list(csv.DictReader((exports / f"{table.name}.csv").open()))) for table in tables
    }

    from_csv = load_delivery_data(warehouse, folder_source(golden("second-case"), "again", contents="none"))
    assert (from_csv.files, from_csv.accepted, from_csv.already_loaded) == (5, 0, summary.accepted)
    connection.rollback()
    assert stored(connection) == from_parquet


def test_consents_of_both_formats_are_one_history(connection: Connection, source: Source, load: Load) -> None:
    rows = {
        "recipient_id": [1, 1, None],
        "purpose": ["tracking", b"tracking", "tracking"],
        "is_allowed": [False, True, True],
        "effective_at": [datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC), None],
    }
    pq.write_table(
        pa.table(rows | {"purpose": pa.array(rows["purpose"], pa.binary())}),
        source.path / "exports" / "consents.parquet",
    )
    (source.path / "exports" / "consents.csv").write_text(
        ",".join(rows)
        + "\n1,tracking,true,2026-01-05T01:00:00+01:00\n1,profiling,true,2026-01-05\n1,,true,2026-01-05\n"
    )
    summary = load()
    assert summary.reject_reasons == {"purpose_missing": 1, "recipient_id_missing": 1}
    assert fetch_all(
        connection,
        "select purpose, extract(day from effective_at at time zone 'UTC')::integer, is_allowed from raw.consents "
        "where superseded_by_load_id is null order by 1, 2",
    ) == [("profiling", 5, True), ("tracking", 5, False), ("tracking", 6, True)]


def test_csv_is_read_before_parquet(connection: Connection, source: Source, load: Load) -> None:
    (source.path / "exports" / "recipients.csv").write_text(",".join(RECIPIENTS) + "\n1,A,B,csv,1,\n")
    load(pa.table(RECIPIENTS | {"email": ["parquet", "parquet"], "modified_at": pa.nulls(2)}))
    assert fetch_all(
        connection,
        "select email, file_name from raw.recipients inner join ops.file_ledger using (load_id) "
        "where superseded_by_load_id is null order by recipient_id",
    ) == [("parquet", "recipients.parquet"), ("parquet", "recipients.parquet")]


def test_the_later_of_undated_rows_wins_across_batches(
    connection: Connection, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_rows, "BATCH_ROWS", 2)
    rows = RECIPIENTS | {"email": ["a", "b"], "modified_at": pa.nulls(2)}
    load(pa.concat_tables([pa.table(rows | {"recipient_id": [9, 1]}), pa.table(rows | {"recipient_id": [1, 8]})]))
    assert fetch_all(connection, "select email from raw.recipients where recipient_id = 1") == [("a",)]


def test_an_unchanged_file_is_passed_over_and_a_changed_one_read_again(load: Load) -> None:
    assert load(pa.table(RECIPIENTS)).accepted == 2
    assert load().files == 0
    summary = load(pa.table(RECIPIENTS | {"email": ["a@b.example", "new"]}))
    assert (summary.files, summary.accepted, summary.already_loaded) == (1, 1, 1)


def test_rows_that_cannot_be_read_are_rejected(
    connection: Connection, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_rows, "BATCH_ROWS", 2)
    rows = {name: [*values, values[0], values[0]] for name, values in RECIPIENTS.items()}
    rows |= {"recipient_id": ["1", "2", "x", None], "first_name": ["é", "a\0b", "", None]}
    summary = load(pa.table(rows))
    assert (summary.line_count, summary.accepted, summary.rejected) == (4, 1, 3)
    assert summary.warnings[0].endswith("which counts from 1000 rows on.")
    found = fetch_all(
        connection,
        "select line_number, byte_offset, reason, raw_line from raw.rejected_lines order by line_number",
    )
    assert [(*place, json.loads(bytes(raw))["recipient_id"]) for *place, raw in found] == [
        (2, 0, "first_name_holds_nul", "2"),
        (3, 0, "recipient_id_not_a_number", "x"),
        (4, 0, "recipient_id_missing", None),
    ]
    assert fetch_all(
        connection, "select line_count, accepted_count, rejected_count, to_offset = file_size from ops.file_ledger"
    ) == [(4, 1, 3, True)]


def test_what_spark_writes_is_read(connection: Connection, load: Load) -> None:
    """Ids as decimals of a large scale, whose zero Arrow writes 0E-10, and times as INT96, which wraps in nanoseconds."""
    ids = pa.array([Decimal(0), Decimal(7)], pa.decimal128(38, 10))
    times = pa.array([datetime(9999, 12, 31, tzinfo=UTC), datetime(1600, 1, 1, tzinfo=UTC)], pa.timestamp("us"))
    table = pa.table(RECIPIENTS | {"recipient_id": ids, "modified_at": times})
    assert load(table, use_deprecated_int96_timestamps=True).rejected == 0
    assert fetch_all(
        connection, "select recipient_id, to_char(modified_at, 'YYYY-MM-DD') from raw.recipients order by 1"
    ) == [(0, "9999-12-31"), (7, "1600-01-01")]


def test_a_rejected_share_above_the_limit_fails_the_file(connection: Connection, load: Load) -> None:
    bad = pa.table(RECIPIENTS | {"recipient_id": ["1", "x"]})
    assert "500 of 1000 rows were rejected (recipient_id_not_a_number 500)" in refusal(
        load(pa.concat_tables([bad] * 500))
    )
    assert fetch_all(connection, "select count(*) from raw.recipients") == [(0,)]
    assert fetch_all(connection, "select status, jsonb_array_length(sample_rejects) from ops.file_ledger") == [
        ("failed", 20)
    ]


def test_a_wrong_header_refuses_the_file_and_unknown_columns_warn(load: Load) -> None:
    table = pa.table(RECIPIENTS)
    assert "the column email is missing; found: recipient_id, first_name, last_name, email_format" in refusal(
        load(table.drop_columns(["email"]))
    )
    assert "the column email is there twice" in refusal(load(table.append_column("email", [["a", "b"]])))
    nested = table.set_column(1, "first_name", [[["A"], ["B"]]])
    assert "the column first_name is of type list<" in refusal(load(nested))
    summary = load(table.append_column("note", [["a", "b"]]).select([*reversed([*RECIPIENTS, "note"])]))
    assert (summary.accepted, summary.warnings) == (2, ["recipients.parquet: unknown columns were ignored: note"])


@pytest.mark.parametrize("damage", ["empty", "cut short", "another file", "broken inside"])
def test_a_broken_file_is_refused_and_the_others_go_on(source: Source, load: Load, damage: str) -> None:
    load(pa.table(RECIPIENTS))
    path = source.path / "exports" / "recipients.parquet"
    content = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "cut short": content[:-20],
            "another file": b"recipient_id,first_name\n1,A\n",
            "broken inside": content[:4] + bytes(40) + content[44:],
        }[damage]
    )
    (source.path / "exports" / "recipients.csv.gz").write_bytes(b"no gzip")
    (source.path / "contents").mkdir()
    (source.path / "contents" / "1.txt").write_text("Hello")
    summary = load()
    assert [Path(failed.file_name).name for failed in summary.failed_files] == [
        "recipients.csv.gz",
        "recipients.parquet",
    ]
    assert "recipients.parquet cannot be read as Parquet" in summary.failed_files[1].reason
    assert summary.accepted == 1


class OpenKeys(encryption.KmsClient):
    """Wraps keys by not wrapping them."""

    def __init__(self, connection: Any) -> None:
        super().__init__()

    def wrap_key(self, key: bytes, name: str) -> bytes:
        return base64.b64encode(key)


@pytest.mark.parametrize("has_plaintext_footer", [False, True])
def test_an_encrypted_file_is_refused(source: Source, load: Load, has_plaintext_footer: bool) -> None:
    configuration = encryption.EncryptionConfiguration(
        "footer", column_keys={"column": ["email"]}, plaintext_footer=has_plaintext_footer
    )
    properties = encryption.CryptoFactory(OpenKeys).file_encryption_properties(
        encryption.KmsConnectionConfig(), configuration
    )
    table = pa.table(RECIPIENTS)
    with pq.ParquetWriter(
        source.path / "exports" / "recipients.parquet", table.schema, encryption_properties=properties
    ) as writer:
        writer.write_table(table)
    assert "not encrypted" in refusal(load())
