"""How the fields of reference data are read."""

from datetime import datetime

import polars as pl
import pytest

from message_tracking.loading.reference_tables import BIGINT, BOOLEAN, INTEGER, TEXT, TIME, ReferenceTable, typed

TABLE = ReferenceTable(
    "things",
    {"thing_id": BIGINT, "name": TEXT, "code": INTEGER, "is_good": BOOLEAN, "modified_at": TIME},
    key=("thing_id",),
)


def read(**fields: str) -> dict[str, object]:
    row = {"thing_id": "1", "name": "", "code": "", "is_good": "", "modified_at": ""} | fields
    return typed(TABLE, pl.DataFrame([row])).row(0, named=True)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-05T10:20:30Z", datetime(2026, 1, 5, 10, 20, 30)),  # noqa: DTZ001  (UTC without saying so)
        ("2026-01-05T10:20:30", datetime(2026, 1, 5, 10, 20, 30)),  # noqa: DTZ001
        ("2026-01-05 10:20", datetime(2026, 1, 5, 10, 20)),  # noqa: DTZ001
        ("2026-01-05", datetime(2026, 1, 5)),  # noqa: DTZ001
        ("2026-01-05T10:20:30.5+02:00", datetime(2026, 1, 5, 8, 20, 30, 500_000)),  # noqa: DTZ001
        ("2026-01-05T10:20:30,123456789-0530", datetime(2026, 1, 5, 15, 50, 30, 123_456)),  # noqa: DTZ001
        ("2026-01-01T00:30:00+01", datetime(2025, 12, 31, 23, 30)),  # noqa: DTZ001
        ("0900-01-01T00:00:00Z", datetime(900, 1, 1)),  # noqa: DTZ001
    ],
)
def test_times(text: str, instant: datetime) -> None:
    row = read(modified_at=text)
    assert (row["modified_at"], row["reject_reason"]) == (instant, None)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30",
        "2026-13-01",
        "2026-01-05T25:00:00",
        "2026-01-05T10",
        "05/01/2026",
        "2026-01-05T10:00:00+25:00",
        " 2026-01-05",
        "2026-01-05Z",
        "٢026-01-05",
        "0000-01-01",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
    ],
)
def test_what_is_no_time(text: str) -> None:
    assert read(modified_at=text)["reject_reason"] == "modified_at_not_a_time"


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("-5", -5), ("+7", 7), ("007", 7), ("9223372036854775807", 2**63 - 1)]
)
def test_numbers(text: str, number: int) -> None:
    row = read(thing_id=text)
    assert (row["thing_id"], row["reject_reason"]) == (number, None)


@pytest.mark.parametrize("text", ["1.0", "1e3", "0x1", " 1", "9223372036854775808", "--1", "1,0", "٣"])
def test_what_is_no_number(text: str) -> None:
    assert read(thing_id=text)["reject_reason"] == "thing_id_not_a_number"


def test_an_integer_has_32_bits() -> None:
    assert read(code="-2147483648")["code"] == -(2**31)
    assert read(code="2147483648")["reject_reason"] == "code_not_a_number"


def test_empty_fields_are_null_but_for_text_and_the_key_must_be_there() -> None:
    assert read() == {
        "thing_id": 1,
        "name": "",
        "code": None,
        "is_good": None,
        "modified_at": None,
        "reject_reason": None,
    }
    assert read(thing_id="")["reject_reason"] == "thing_id_missing"


def test_every_part_of_a_key_must_be_there() -> None:
    table = ReferenceTable(
        "wishes", {"person_id": BIGINT, "wish": TEXT, "is_met": BOOLEAN, "at": TIME}, key=("person_id", "wish", "at")
    )
    good = {"person_id": "1", "wish": "rest", "is_met": "", "at": "2026-01-05"}
    faults = [{}, {"person_id": ""}, {"wish": ""}, {"wish": "a\0b"}, {"at": ""}, {"at": "x"}]
    rows = typed(table, pl.DataFrame([good | fault for fault in faults]))
    assert rows["reject_reason"].to_list() == [
        None,
        "person_id_missing",
        "wish_missing",
        "wish_holds_nul",
        "at_missing",
        "at_not_a_time",
    ]


def test_the_first_wrong_column_is_the_reason() -> None:
    assert read(code="x", is_good="maybe", modified_at="now")["reject_reason"] == "code_not_a_number"
    assert read(is_good="maybe")["reject_reason"] == "is_good_not_a_boolean"
    assert read(name="a\0b")["reject_reason"] == "name_holds_nul"
