"""Columns of a Parquet file of every type, as the fields of reference data."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from message_tracking.errors import UnreadableFileError
from message_tracking.loading.export_rows import ExportRows, read_rows
from message_tracking.loading.reference_tables import BIGINT, BOOLEAN, INTEGER, TEXT, TIME, ReferenceTable
from message_tracking.transports.local import LocalFile

TABLE = ReferenceTable(
    "things",
    {"thing_id": BIGINT, "name": TEXT, "code": INTEGER, "is_good": BOOLEAN, "modified_at": TIME},
    key=("thing_id",),
)
NEW_YEAR = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)

Read = Callable[..., ExportRows]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write one column of the table, the others null, and read the file; the key counts from 1 unless it is that."""

    def write_and_read(column: str, values: pa.Array) -> ExportRows:
        columns = {name: pa.nulls(len(values)) for name in TABLE.columns}
        columns |= {"thing_id": pa.array(range(1, len(values) + 1))} | {column: values}
        pq.write_table(pa.table(columns), tmp_path / "things.parquet")
        (rows,) = read_rows(LocalFile(tmp_path / "things.parquet"), TABLE, {}, [])
        return rows

    return write_and_read


INTEGER_TYPES = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]


@pytest.mark.parametrize(
    "values",
    [
        *(pa.array([5, None], kind) for kind in INTEGER_TYPES),
        pa.array([5.0, None]),
        pa.array([Decimal("5.00"), None], pa.decimal128(38, 2)),
        pa.array([Decimal(5), None], pa.decimal256(70, 0)),
        *(pa.array(["5", None], kind) for kind in (pa.string(), pa.large_string(), pa.string_view())),
        pa.array([b"5", None], pa.binary()),
        pa.array(["5", ""]),
        pa.array(["5", None]).dictionary_encode(),
        pa.array([5, None]).dictionary_encode(),
    ],
    ids=lambda values: str(values.type),
)
@pytest.mark.parametrize("column", ["thing_id", "code", "name"])
def test_numbers(read: Read, column: str, values: pa.Array) -> None:
    rows = read(column, values)
    null = "" if column == "name" else None
    if column == "thing_id":
        assert [reason for _, _, reason, _ in rows.rejected] == ["thing_id_missing"]
        assert rows.good[column].to_list() == [5]
    else:
        assert rows.good[column].to_list() == ["5" if column == "name" else 5, null]


@pytest.mark.parametrize(
    ("column", "values", "raw_lines"),
    [
        ("thing_id", pa.array([2**63], pa.uint64()), ['"thing_id": 9223372036854775808']),
        ("code", pa.array([2**31, -(2**31) - 1]), ['"code": 2147483648', '"code": -2147483649']),
        ("code", pa.array([1.5, float("nan"), float("inf")]), ['"code": "1.5"', '"code": "nan"', '"code": "inf"']),
        ("thing_id", pa.array([2.0**53 + 2]), ['"thing_id": "9.007199254740994e+15"']),
        ("code", pa.array([Decimal("1.50")]), ['"code": "1.50"']),
        ("code", pa.array(["5.0", " 5"]), ['"code": "5.0"', '"code": " 5"']),
        ("code", pa.array([True]), ['"code": true']),
        ("code", pa.array([NEW_YEAR]), ['"code": "2026-01-01 00:30:00.000000"']),
    ],
)
def test_what_is_no_number(read: Read, column: str, values: pa.Array, raw_lines: list[str]) -> None:
    rows = read(column, values)
    assert rows.good.is_empty()
    assert [rejected[:3] for rejected in rows.rejected] == [
        (row + 1, 0, f"{column}_not_a_number") for row in range(len(values))
    ]
    assert all(part in raw.decode() for part, (*_, raw) in zip(raw_lines, rows.rejected, strict=True))


@pytest.mark.parametrize(
    "values",
    [pa.array([[5]]), pa.array([{"a": 5}]), pa.array([5.0], pa.float32()), pa.array([5], pa.duration("s"))],
    ids=lambda values: str(values.type),
)
def test_a_column_of_another_type_refuses_the_file(read: Read, values: pa.Array) -> None:
    with pytest.raises(UnreadableFileError) as refusal:
        read("code", values)
    assert f"things.parquet: the column code is of type {values.type}." in str(refusal.value).replace("element", "item")


@pytest.mark.parametrize(
    "values",
    [
        *(pa.array([NEW_YEAR], pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")),
        *(pa.array([NEW_YEAR], pa.timestamp(unit, "UTC")) for unit in ("s", "ms", "us", "ns")),
        *(pa.array([NEW_YEAR], pa.timestamp("us", zone)) for zone in ("Europe/Paris", "-05:30", "Nowhere/Land")),
        pa.array(["2026-01-01T01:30:00+01:00"]),
        pa.array(["2026-01-01 00:30"]).dictionary_encode(),
    ],
    ids=lambda values: str(values.type),
)
def test_times(read: Read, values: pa.Array) -> None:
    assert read("modified_at", values).good["modified_at"].to_list() == [NEW_YEAR.replace(tzinfo=None)]


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_dates(read: Read, kind: pa.DataType) -> None:
    assert read("modified_at", pa.array([date(2026, 1, 1), None], kind)).good["modified_at"].to_list() == [
        datetime(2026, 1, 1),  # noqa: DTZ001  (UTC without saying so)
        None,
    ]


def test_what_is_finer_than_a_microsecond_is_cut(read: Read) -> None:
    values = pa.array([1_999, -1], pa.int64()).view(pa.timestamp("ns"))
    assert read("modified_at", values).good["modified_at"].dt.epoch("us").to_list() == [1, -1]


@pytest.mark.parametrize(
    "values",
    [
        *(pa.array([2**62], pa.int64()).view(pa.timestamp(unit)) for unit in ("ms", "us")),
        pa.array([-62_135_596_801], pa.int64()).view(pa.timestamp("s")),
        pa.array([253_402_300_800], pa.int64()).view(pa.timestamp("s")),
        pa.array([2**31 - 1], pa.int32()).view(pa.date32()),
        pa.array([1_767_225_600]),
        pa.array([1_767_225_600.0]),
        pa.array([True]),
        pa.array(["soon"]),
    ],
    ids=str,
)
def test_what_is_no_time(read: Read, values: pa.Array) -> None:
    assert [reason for _, _, reason, _ in read("modified_at", values).rejected] == ["modified_at_not_a_time"]


def test_booleans(read: Read) -> None:
    assert read("is_good", pa.array([True, False, None])).good["is_good"].to_list() == [True, False, None]
    assert read("is_good", pa.array([1, 0], pa.int8())).good["is_good"].to_list() == [True, False]
    assert read("is_good", pa.array(["T", "false", ""])).good["is_good"].to_list() == [True, False, None]
    rows = read("is_good", pa.array([2]))
    assert [reason for _, _, reason, _ in rows.rejected] == ["is_good_not_a_boolean"]


@pytest.mark.parametrize("kind", [pa.string(), pa.binary()])
def test_text_that_cannot_be_kept_is_rejected_with_what_stands_there(read: Read, kind: pa.DataType) -> None:
    values = pa.array([b"a\xffb", b"a\0b", b"\xc3\xa9", None], pa.binary())
    rows = read("name", values.view(kind))
    assert rows.good.rows() == [(2, 3, "é", None, None, None, None), (3, 4, "", None, None, None, None)]
    assert [rejected[:3] for rejected in rows.rejected] == [(1, 0, "not_utf8"), (2, 0, "name_holds_nul")]
    assert [raw for *_, raw in rows.rejected] == [
        rb'{"thing_id": 1, "name": "a\\xffb", "code": null, "is_good": null, "modified_at": null}',
        rb'{"thing_id": 2, "name": "a\u0000b", "code": null, "is_good": null, "modified_at": null}',
    ]
