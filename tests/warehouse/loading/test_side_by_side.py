"""Several files of one server loaded at once: what comes of it is what one after the other gives."""

import psycopg2
import pytest
from tests.warehouse.loading.test_tracking_logs import Landing, log_line, log_text

from message_tracking.loading import tracking_logs
from message_tracking.loading.ledger import finish_pull

FILE_COUNT = 6
STEP = 2_000
"""Each file repeats half of the one before."""


@pytest.fixture
def landing(warehouse, tmp_path, monkeypatch):
    monkeypatch.setattr(tracking_logs, "SIDE_BY_SIDE_BYTES", 0)
    monkeypatch.setattr(tracking_logs, "cpu_count", lambda: 3)
    landing = Landing(warehouse, tmp_path)
    for number in range(FILE_COUNT):
        landing.write(file_text(number), f"0x{number:016X}.log")
    return landing


def file_text(number: int) -> bytes:
    """Two steps of good lines, the second of which the next file begins with, and a bad one in each."""
    first = number * STEP
    return b"".join(log_text(range(start, start + STEP)) + bad_line(start) for start in (first, first + STEP))


def bad_line(start: int) -> bytes:
    return log_line(start + 10**9, f2="yesterday").encode()


def is_balanced(landing: Landing) -> bool:
    """Whether every counter and every bad line is there once, and the ledger's sums say so."""
    steps = FILE_COUNT + 1
    (sums,) = landing.query(
        "select sum(line_count), sum(accepted_count), sum(rejected_count), sum(already_loaded_count) "
        "from ops.file_ledger where status = 'loaded'"
    )
    assert landing.counters() == list(range(steps * STEP))
    assert landing.query("select count(*), count(distinct raw_line) from raw.rejected_lines") == [(steps, steps)]
    assert landing.query("select loaded_ids::text from ops.id_ranges") == [(f"{{[0,{steps * STEP})}}",)]
    return [int(value) for value in sums] == [
        FILE_COUNT * 2 * (STEP + 1),
        steps * STEP,
        steps,
        (FILE_COUNT - 1) * (STEP + 1),
    ]


@pytest.mark.parametrize("block_size", [10_000, 10_000_000])
def test_files_that_overlap(landing, block_size):
    sessions = []
    summary = landing.load(progress=lambda _: sessions.append(loading_sessions(landing)), block_size=block_size)
    # Three lanes with two connections each, as long as there are files for all.
    assert max(sessions) == 6
    assert is_balanced(landing)
    assert (summary.files, summary.line_count) == (FILE_COUNT, FILE_COUNT * 2 * (STEP + 1))
    assert (summary.accepted, summary.rejected) == ((FILE_COUNT + 1) * STEP, FILE_COUNT + 1)
    assert landing.load().line_count == 0


def loading_sessions(landing: Landing) -> int:
    (row,) = landing.query(
        "select count(*) from pg_stat_activity where datname = current_database() and application_name like '%% load %%'"
    )
    return row[0]


def test_files_that_are_refused_are_told_in_their_order(landing):
    for number in (4, 1):
        landing.write(b"no line\n" * 2_000, f"0x{number:016X}.log")
    summary = landing.load()
    assert summary.files == FILE_COUNT - 2
    assert [failed.file_name[-7:] for failed in summary.failed_files] == ["001.log", "004.log"]
    for number in (4, 1):
        landing.write(file_text(number), f"0x{number:016X}.log")
    landing.load()
    assert is_balanced(landing)


def test_an_error_of_one_ends_all_and_nothing_is_lost(landing, monkeypatch):
    pulled = []

    def fail_at_third(cursor, load_id, record):
        pulled.append(load_id)
        if len(pulled) == 3:
            raise psycopg2.OperationalError("the server has gone")
        finish_pull(cursor, load_id, record)

    with monkeypatch.context() as patch:
        patch.setattr(tracking_logs.ledger, "finish_pull", fail_at_third)
        with pytest.raises(psycopg2.OperationalError, match="has gone"):
            landing.load()
    assert 2 <= len(landing.ledger("load_id")) < FILE_COUNT
    landing.load()
    assert is_balanced(landing)


def test_little_is_loaded_one_after_the_other(landing, monkeypatch):
    monkeypatch.setattr(tracking_logs, "SIDE_BY_SIDE_BYTES", 1 << 40)
    sessions = []
    landing.load(progress=lambda _: sessions.append(loading_sessions(landing)))
    assert max(sessions) == 2
    assert landing.ledger("file_name") == [(f"0x{number:016X}.log",) for number in range(FILE_COUNT)]
