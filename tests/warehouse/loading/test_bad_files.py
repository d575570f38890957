"""Files as they should not be: each is told with what, where and what to do, and the ledger's sums stay true.

What concerns one format alone is tested beside its reader: truncated gzips, lines without end and kills in
test_tracking_logs.py; headers, quotes, byte order marks and field counts in test_delivery_data.py, test_parquet_exports.py
and tests/fuzz; the sources file in tests/unit/test_sources.py.
"""

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.conftest import MEASURED

from message_tracking.cli import main
from message_tracking.loading import log_files
from message_tracking.warehouse import fetch_all

WHOLE = "0x00000000000000AA.log"
BAD = "0x00000000000000BB.log"
DELIVERIES = "delivery_id,internal_name,label"


UNPRIVILEGED = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
"""Lets root run a program that may read only what it has the rights to, as anybody else."""


def line(counter, delivery=1):
    return f"50x{counter:016X}\t2026-01-05T10:00:00\t{counter:x}\t{delivery:x}\t1\t0\t\t\t\tMozilla/5.0\t203.0.113.9"


@pytest.fixture
def environment(pipeline, warehouse):
    """What tells the command line where everything is."""
    return {
        "MESSAGE_TRACKING_HOME": str(pipeline.settings.home),
        "MESSAGE_TRACKING_WAREHOUSE": warehouse.url,
        "MESSAGE_TRACKING_SOURCES": str(pipeline.settings.sources_file),
    }


@pytest.fixture
def load(environment):
    """Run `message-tracking load`."""
    return lambda *arguments: CliRunner().invoke(main, ["load", *arguments], env=environment)


@pytest.fixture
def load_as_a_process(environment):
    """Run `message-tracking load` by another program that is given its command."""

    def run(*program):
        command = [*program, str(Path(sys.executable).with_name("message-tracking")), "load"]
        return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def query(connection):
    def run(text):
        with connection:
            return fetch_all(connection, text)

    return run


@pytest.fixture(autouse=True)
def balance(query):
    """The sums over the ledger: lines, accepted, rejected, already loaded. After each test they are what is in raw."""

    def sums():
        return tuple(
            map(
                int,
                query(
                    "select coalesce(sum(line_count), 0), coalesce(sum(accepted_count), 0), coalesce(sum(rejected_count), 0), "
                    "coalesce(sum(already_loaded_count), 0) from ops.file_ledger where kind = 'tracking_log' and status = 'loaded'"
                )[0],
            )
        )

    yield sums
    lines, accepted, rejected, already_loaded = sums()
    assert lines == accepted + rejected + already_loaded
    assert query("select count(*) from raw.events") == [(accepted,)]
    assert query(
        "select count(*) from raw.rejected_lines join ops.file_ledger using (load_id) where kind = 'tracking_log'"
    ) == [(rejected,)]


@dataclass
class Place:
    """Where a bad file is to be put."""

    path: Path

    def folder(self):
        self.path.mkdir()

    def pipe(self):
        os.mkfifo(self.path)

    def link_to_nowhere(self):
        self.path.symlink_to(self.path.with_name("nowhere"))

    def link_to_itself(self):
        self.path.symlink_to(self.path)

    def device(self):
        self.path.symlink_to("/dev/full")

    def other_bytes(self):
        self.path.write_bytes(b"\x1f\x8b" + b"no gzip at all")


KINDS: dict[str, Callable[[Place], None]] = {
    name: function for name, function in vars(Place).items() if callable(function) and not name.startswith("_")
}


PLACES = (
    "logs/edge/0x00000000000000BB.log.gz",
    "exports/deliveries.csv.gz",
    "exports/messages.parquet",
    "contents/7.html",
)


@pytest.mark.parametrize(
    ("kind", "place"),
    # A body may be any bytes.
    [(kind, place) for kind in KINDS for place in PLACES if (kind, place) != ("other_bytes", PLACES[-1])],
)
def test_what_is_no_readable_file_is_refused_by_name_and_the_others_go_on(
    pipeline, landing, load, balance, kind, place
):
    landing.write_log([line(1)], name=WHOLE)
    path = landing.folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    KINDS[kind](Place(path))
    told = load()
    assert told.exit_code == 1, told.output
    assert f"Refused: {path}" in told.stderr
    assert "Traceback" not in told.output
    assert balance() == (1, 1, 0, 0)
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink()
    assert load().exit_code == 0


@pytest.mark.parametrize("place", PLACES)
def test_what_may_not_be_read_is_refused_by_name_and_the_others_go_on(landing, load, load_as_a_process, balance, place):
    landing.write_log([line(1)], name=WHOLE)
    path = landing.folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    path.chmod(0)
    told = load_as_a_process(*(UNPRIVILEGED if os.geteuid() == 0 else ()))
    assert told.returncode == 1, told.stderr
    assert f"Refused: {path}" in told.stderr
    assert "Permission denied" in told.stderr
    assert "Traceback" not in told.stderr
    assert balance() == (1, 1, 0, 0)
    path.unlink()
    assert load().exit_code == 0


def test_a_source_whose_folder_is_missing(pipeline, load, landing):
    told = load()
    assert told.exit_code == 1
    assert f"The folder of the source campaign is not there: {landing.folder}." in told.stderr
    assert "Mount or make it" in told.stderr
    landing.folder.mkdir(parents=True)
    assert load().exit_code == 0


def test_empty_files_are_files_without_lines(landing, load, balance):
    folder = landing.write_log([], name=BAD).parent
    (folder / "0x00000000000000BC.log.gz").write_bytes(gzip.compress(b""))
    (folder / "0x00000000000000BD.log.gz").write_bytes(gzip.compress(b"") + gzip.compress(f"{line(1)}\n".encode()))
    assert load().exit_code == 0
    assert balance() == (1, 1, 0, 0)


def test_an_empty_gzip_of_no_bytes_is_refused_until_it_is_whole(landing, load, balance):
    path = landing.write_log([], name=f"{BAD}.gz")
    told = load()
    assert (told.exit_code, balance()) == (0, (0, 0, 0, 0))
    path.write_bytes(gzip.compress(f"{line(1)}\n".encode()))
    assert load().exit_code == 0
    assert balance() == (1, 1, 0, 0)


def test_a_file_that_grows_while_it_is_read(landing, load, balance, monkeypatch):
    file = landing.write_log((line(counter) for counter in range(1, 40)), name=BAD)
    read_blocks = log_files.read_blocks

    def grow_between(pull, block_size):
        for block in read_blocks(pull, 500):
            with file.open("a") as stream:
                stream.write(f"{line(1000 + block.offset)}\n")
            yield block

    monkeypatch.setattr("message_tracking.loading.tracking_logs.read_blocks", grow_between)
    assert load().exit_code == 0
    assert balance() == (39, 39, 0, 0)
    monkeypatch.undo()
    assert load().exit_code == 0
    lines = len(file.read_text().splitlines())
    assert lines > 39
    assert balance() == (lines, lines, 0, 0)


def test_a_file_that_is_written_anew_at_the_same_size(landing, load, balance, query):
    file = landing.write_log([line(1), line(2)], name=BAD)
    load()
    os.utime(file, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns + 1))
    load()
    assert balance() == (4, 2, 0, 2)
    load()
    assert balance() == (4, 2, 0, 2)
    file.write_text(f"{line(1)}\n{line(3)}\n")
    os.utime(file, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns + 5))
    load()
    assert query("select counter from raw.events order by 1") == [(1,), (2,), (3,)]


def test_a_rejected_line_is_kept_once_however_often_its_file_is_met(landing, load, balance, query):
    wrong = [line(7).replace("2026-01-05", "2026-13-45"), "", "", "no line", line(8).replace("\t", " ", 1)]
    file = landing.write_log([line(1), *wrong], name=BAD)
    load()
    assert balance() == (6, 1, 5, 0)
    # Replaced by a longer one, then the same bytes written anew.
    file.write_text("\n".join([line(1), *wrong, line(2)]) + "\n")
    os.utime(file, ns=(1, 1))
    load()
    file.write_text("\n".join([line(1), *wrong, line(2)])[::-1][::-1] + "\n")
    os.utime(file, ns=(2, 2))
    load()
    assert query("select count(*) from raw.rejected_lines") == [(5,)]
    # Under another name a line is known by its log id; what has none could be another line.
    landing.write_log([*wrong, line(3)], name=WHOLE)
    load()
    assert query("select line_number from raw.rejected_lines order by rejected_line_id") == [
        (2,), (3,), (4,), (5,), (6,), (2,), (3,), (4,), (5,),
    ]  # fmt: skip
    # The same bytes of another server are another line.
    landing.write_log([wrong[0]], server="other")
    load()
    assert query("select count(*) from raw.rejected_lines") == [(10,)]


def test_two_files_with_the_same_ids_and_other_content(landing, load, balance, query):
    landing.write_log([line(1, delivery=1), line(2, delivery=1)], name=WHOLE)
    landing.write_log([line(2, delivery=2), line(3, delivery=2)], name=BAD)
    assert load().exit_code == 0
    assert balance() == (4, 3, 0, 1)
    assert query("select counter, delivery_id from raw.events order by 1") == [(1, 1), (2, 1), (3, 2)]


@pytest.mark.parametrize(("count", "is_refused"), [(999, False), (1000, True)])
def test_a_file_that_is_all_rejects(landing, load, balance, count, is_refused):
    landing.write_log((f"wrong {number}" for number in range(count)), name=BAD)
    landing.write_log([line(1)], name=WHOLE)
    told = load()
    assert told.exit_code == is_refused
    assert f"{count} of {count} lines (100.0%) were rejected, the limit is 20.0% (field_count {count})" in told.stderr
    assert balance() == ((1, 1, 0, 0) if is_refused else (count + 1, 1, count, 0))


def test_names_that_are_no_utf8(landing, load, query):
    folder = landing.write_log([line(1)], name=WHOLE).parent
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.log")).touch()
    assert "1 file(s) are not named like what is read there" in load().stdout
    assert query(r"select file_name from ops.file_ledger where status = 'ignored'") == [("\\xff.log",)]


@pytest.mark.parametrize("mebibytes", [7, 100])
def test_a_line_of_a_hundred_megabytes_costs_no_memory_beyond_the_limit(
    landing, load_as_a_process, query, balance, mebibytes
):
    landing.write_log([line(1)], name=WHOLE)
    path = landing.write_log([line(2)], name=BAD)
    with path.open("ab") as file:
        for _ in range(mebibytes):
            file.write(b"x" * (1 << 20))
        file.write(f"\n{line(3)}\n".encode())
    loaded = load_as_a_process(sys.executable, "-c", MEASURED)
    peak = int(loaded.stdout.splitlines()[-1])
    assert peak <= 400
    if mebibytes > 8:
        assert loaded.returncode == 1
        assert f"{path}: the line at byte {len(line(2)) + 1} is longer than 8 MiB." in loaded.stderr
        assert "take it out and load again" in loaded.stderr
        assert balance() == (1, 1, 0, 0)
    else:
        assert loaded.returncode == 0
        assert balance() == (4, 3, 1, 0)
        assert query("select octet_length(raw_line), reason from raw.rejected_lines") == [
            (mebibytes << 20, "field_count")
        ]
