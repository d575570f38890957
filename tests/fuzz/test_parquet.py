"""Parquet exports with changed bytes: read, or refused by name, and never the end of the process."""

import io
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.fuzz.mutating import changed_bytes

from message_tracking.settings import PROJECT

ROWS = 60


@pytest.fixture(scope="module")
def good() -> bytes:
    """A file with a column of each kind of storage."""
    columns = {
        "recipient_id": pa.array(range(ROWS)),
        "first_name": pa.array(["Ada", "Grace", None] * (ROWS // 3)).dictionary_encode(),
        "last_name": pa.array([b"Lovelace", b"caf\xe9"] * (ROWS // 2), pa.binary()),
        "email": pa.array([f"{number}@example.net" for number in range(ROWS)], pa.large_string()),
        "email_format": pa.array([Decimal("2.00")] * ROWS),
        "modified_at": pa.array([datetime(2026, 1, 5, tzinfo=UTC)] * ROWS, pa.timestamp("us", "Europe/Paris")),
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, row_group_size=ROWS // 3)
    return buffer.getvalue()


def mutated(good: bytes, chance: Random) -> bytes:
    """Change one byte, mostly of the footer, or more."""
    content = bytearray(good)
    place = len(content) - 1 - int(chance.random() ** 2 * len(content))
    content[place] = chance.choice((content[place] ^ 1 << chance.randrange(8), 0, 127, 128, 255))
    return bytes(content) if chance.randrange(4) else changed_bytes(bytes(content), chance)


def outcomes(folder: Path) -> dict[str, str]:
    """What `reading_parquet` says of each file of a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.reading_parquet", folder],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-500:]}\n{done.stderr[-2000:]}"
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def judge_mutated_files(folder: Path, good: bytes, count: int, seed: int) -> Counter[bool]:
    """Read that many mutated files; return how many were read."""
    chance = Random(seed)
    for number in range(count):
        (folder / f"recipients-{number}.parquet").write_bytes(mutated(good, chance))
    found = outcomes(folder)
    assert len(found) == count
    assert all(name in outcome for name, outcome in found.items() if outcome != "rows")
    return Counter(outcome == "rows" for outcome in found.values())


def test_mutated_parquet(tmp_path: Path, good: bytes):
    met = judge_mutated_files(tmp_path, good, 200, 1)
    assert min(met[True], met[False]) > 20, met


@pytest.mark.long
def test_five_thousand_mutated_parquet_files(tmp_path: Path, good: bytes):
    assert judge_mutated_files(tmp_path, good, 5_000, 2).total() == 5_000


def test_column_names_that_are_not_utf8_or_hold_nul(tmp_path: Path, good: bytes):
    (tmp_path / "broken.parquet").write_bytes(good.replace(b"first_name", b"first_nam\xff"))
    (tmp_path / "nul.parquet").write_bytes(good.replace(b"first_name", b"first_nam\0"))
    found = outcomes(tmp_path)
    assert "broken.parquet cannot be read as Parquet" in found["broken.parquet"]
    assert "nul.parquet" in found["nul.parquet"]
