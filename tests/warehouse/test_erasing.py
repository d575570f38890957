"""Erasing persons: nothing of them is left anywhere, every figure is as it was, and what comes later is turned away."""

import gzip
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import execute, temporary_home
from tests.warehouse.archive import JudgedArchive
from tests.warehouse.conftest import Landing, Pipeline, published_rows

from message_tracking.embedded import DATABASE, SUPERUSER, EmbeddedServer
from message_tracking.erasing.erasure import Erasure, erase
from message_tracking.errors import HeldError
from message_tracking.migrating import migrate
from message_tracking.pipeline import recompute_everything
from message_tracking.publication import abandon_open, open_candidate, rollback
from message_tracking.sample import SampleOptions, generate_sample
from message_tracking.settings import Settings
from message_tracking.warehouse import Warehouse, fetch_all

PERSONS = 3
LATE = "2026-01-04T11:00:00"
QUOTING = "0x00000000000A0002.log"
"""A log that quotes an address, and no number by which it could be known when it comes again."""
REQUESTER = "0x00000000000A0007.log"
"""A log that comes after the erasure, of no message, with the UUID of a person."""
WITH_PERSONS = ("tracking_events", "message_engagement", "recipients")
"""Relations whose rows say who it was, by a number or more; the others hold figures."""
PICK = """
    select recipient_id, array_agg(distinct message_id), array_agg(distinct requester_uuid), array_agg(distinct client_ip)
    from raw.messages
    inner join raw.recipients using (recipient_id)
    inner join raw.events using (message_id)
    where
        requester_uuid <> '' and email <> ''
        and recipient_id not in (select recipient_id from raw.consents)
        and client_ip not in (
            select client_ip from raw.events inner join raw.messages using (message_id)
            group by client_ip having count(distinct recipient_id) > 1
        )
    group by recipient_id
    having count(*) > 3 and count(distinct url_id) > 1
    order by count(*) desc, recipient_id
    limit %s
"""


@dataclass
class Story:
    """A warehouse from which persons were erased, and what it was like before and after."""

    home: Path
    pipeline: Pipeline
    persons: list[int]
    words: list[str]
    """Addresses, UUIDs and IPs of theirs."""
    before: dict[str, list[str]]
    erasure: Erasure
    after: dict[str, list[str]]
    differences: dict[str, tuple[int, int]]
    turned_away: Counter[str]
    later: dict[str, list[str]]

    def query(self, query: str) -> list[tuple[Any, ...]]:
        """Run a query with the pipeline's rights."""
        return rows_of(self.pipeline.warehouse, query)


def rows_of(warehouse: Warehouse, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run a query with the pipeline's rights."""
    with closing(warehouse.connect("test")) as connection:
        return fetch_all(connection, query, parameters)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The folder of a server of this module's own, whose files are searched at the end."""
    with temporary_home() as folder:
        yield folder


@pytest.fixture(scope="module")
def story(home: Path) -> Story:
    """Load a sample in two publications, erase three persons, then let all their files come again."""
    (home / "sources.yml").write_text(
        "sources:\n  - name: campaign\n    kind: folder\n    path: landing/campaign\n    reject_limit: 1\n"
    )
    server, settings = EmbeddedServer(home), Settings(home, None, home / "sources.yml")
    pipeline = Pipeline(Warehouse(server.start()), settings)
    migrate(pipeline.warehouse, settings)
    landing = home / "landing" / "campaign"
    generate_sample(SampleOptions(lines=3_000, deliveries=3), landing)
    pipeline.run()

    picked = rows_of(pipeline.warehouse, PICK, PERSONS)
    persons = [row[0] for row in picked]
    emails = rows_of(pipeline.warehouse, "select email from raw.recipients where recipient_id = any(%s)", persons)
    words = [word for row in picked for word in (*row[2], *row[3])] + [email for (email,) in emails]
    assert len(picked) == PERSONS, "the sample has too few people who can be told apart"
    plant(landing, picked, words)
    note = home / "logs" / "noted.log"
    note.parent.mkdir(exist_ok=True)
    note.write_text(f"Somebody wrote {words[0]} and {words[-1].upper()} here.\nNobody here.\n")
    pipeline.run()

    kept = home.parent / f"{home.name}-sent-again"
    shutil.copytree(landing, kept)
    before = published_rows(pipeline.warehouse)
    done = erase(pipeline.warehouse, settings, persons)
    after = published_rows(pipeline.warehouse)
    differences = recompute_everything(pipeline.warehouse, settings, dry_run=True, report=print, detail=print)

    shutil.rmtree(landing)
    shutil.move(kept, landing)
    (landing / "logs" / "edge-z" / QUOTING).unlink()
    for file in landing.rglob("*.*"):
        file.touch()
    add_late_lines(landing, picked)
    turned_away = Counter({"lines": 0})
    for summary in pipeline.load():
        turned_away["logs" if summary.server else "exports"] += summary.erased
    pipeline.publish()
    return Story(
        home,
        pipeline,
        persons,
        words,
        before,
        done,
        after,
        differences,
        turned_away,
        published_rows(pipeline.warehouse),
    )


def plant(landing: Path, picked: list[tuple[Any, ...]], words: list[str]) -> None:
    """Write traces where they are rare: a line that is rejected, one that quotes an address, and a gzip of both."""
    (_, messages, uuids, addresses) = picked[0]
    broken = f"50x00000000000A0001\tno date\t{_hex(messages[0])}\t0\t1\t0\t{uuids[0]}\th\t\tMozilla/5.0\t{addresses[0]}"
    quoting = f"50x00000000000A0002\t{LATE}\t0\t0\t1\t0\t\th\t\tMozilla/5.0 {words[-1]}"
    folder = landing / "logs" / "edge-z"
    folder.mkdir()
    (folder / "0x00000000000A0001.log").write_text(f"{broken}\n")
    (folder / QUOTING).write_text(f"{quoting}\n")
    with gzip.open(folder / "0x00000000000A0003.log.gz", "wt") as packed:
        packed.write(broken.replace("A0001", "A0003") + "\n")


def add_late_lines(landing: Path, picked: list[tuple[Any, ...]]) -> None:
    """Write a click of each person that nobody has seen, one of somebody with a person's UUID, and one of nobody."""
    uuids = picked[0][2]
    lines = [
        f"50x{0xA0004 + place:016X}\t{LATE}\t{_hex(row[1][0])}\t1\t2\t0\t\th\t\tMozilla/5.0\t203.0.113.9"
        for place, row in enumerate(picked)
    ]
    lines.append(f"50x00000000000A0008\t{LATE}\t0\t1\t2\t0\t\th\t\tMozilla/5.0\t203.0.113.9")
    folder = landing / "logs" / "edge-z"
    (folder / "0x00000000000A0004.log").write_text("".join(f"{line}\n" for line in lines))
    stranger_s = f"50x00000000000A0007\t{LATE}\t0\t1\t2\t0\t{uuids[0].upper()}\th\t\tMozilla/5.0\t203.0.113.9\n"
    (folder / REQUESTER).write_text(stranger_s)


def _hex(number: int) -> str:
    """An id as logs write it."""
    return f"{number & 0xFFFFFFFF:x}"


def test_figures_stay(story: Story) -> None:
    """No relation of figures has changed by a row, those with persons in them not in number, and a recount agrees."""
    assert not story.differences
    for relation in story.before.keys() - set(WITH_PERSONS):
        assert story.after[relation] == story.before[relation], relation
    for relation in ("tracking_events", "message_engagement"):
        assert len(story.after[relation]) == len(story.before[relation])
    assert len(story.before["recipients"]) - len(story.after["recipients"]) == PERSONS


def test_receipt_says_what_was_done_and_names_nobody(story: Story) -> None:
    """Each kind of place is counted, and the receipt is in ops."""
    for place in (
        "raw.events",
        "raw.messages",
        "raw.recipients",
        "raw.rejected_lines",
        "mart_store.recipients",
        "exports",
    ):
        assert story.erasure.counts[place] > 0, place
    assert story.erasure.counts["log files"] >= 2
    assert story.erasure.counts["other files"] == 1
    ((count, told),) = story.query(
        f"select recipient_count, erasures::text from ops.erasures where erasure_id = {story.erasure.erasure_id}"
    )
    assert count == PERSONS
    assert not [word for word in story.words if word in str(told)]


def test_what_comes_later_is_turned_away(story: Story) -> None:
    """Exports and lines that come again are counted as erased, nothing of them is shown, and others' lines are taken."""
    assert story.turned_away["exports"] >= 2 * PERSONS
    # Three clicks, one with a person's UUID, and lines that were rejected before.
    assert story.turned_away["logs"] >= 4
    assert story.query("select count(*) from raw.events where counter between 655364 and 655368") == [(1,)]
    assert story.later["recipients"] == story.after["recipients"]
    sums = "sum(line_count - accepted_count - rejected_count - already_loaded_count - erased_count), sum(erased_count)"
    ((missing, erased),) = story.query(f"select {sums} from ops.file_ledger")
    assert missing == 0
    assert erased == story.turned_away["logs"] + story.turned_away["exports"]
    assert story.query("select gap_count from marts.source_freshness where server = 'edge-z'") == [(0,)]


def test_rollback_brings_nobody_back(story: Story) -> None:
    """An earlier publication is without them too."""
    rollback(story.pipeline.warehouse)
    shown = published_rows(story.pipeline.warehouse)
    assert shown["recipients"] == story.after["recipients"]
    numbers = {str(person) for person in story.persons}
    assert not [row for row in shown["tracking_events"] if numbers & set(row.strip("()").split(","))]


def test_nothing_of_them_is_in_any_file(story: Story) -> None:
    """Neither in the data folder of the stopped server nor in any other file: not even in what came again."""
    # After the erasure a UUID is known by a hash only: the event is turned away, the file is whoever's who sent it.
    (story.home / "landing" / "campaign" / "logs" / "edge-z" / REQUESTER).unlink()
    erase(story.pipeline.warehouse, story.pipeline.settings)
    server = EmbeddedServer(story.home)
    for database in (DATABASE, "postgres"):
        url = server.url(SUPERUSER).rpartition("/")[0] + f"/{database}"
        execute(url, "vacuum (full, analyze)")
    execute(
        server.url(SUPERUSER),
        "alter system set wal_recycle = off",
        "alter system set min_wal_size = '32MB'",
        "select pg_reload_conf()",
        "select pg_switch_wal()",
        "checkpoint",
        "select pg_switch_wal()",
        "checkpoint",
    )
    server.stop()
    found = [
        f"{file}: {word}"
        for file in story.home.rglob("*")
        if file.is_file() and not file.is_symlink()
        for word in words_in(file.read_bytes(), story.words)
    ]
    assert not found


def words_in(data: bytes, words: list[str]) -> list[str]:
    """Find words, in whatever case, that are no part of a longer one."""
    text = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).lower()
    there = [word for word in words if word.lower().encode() in text]
    return [
        word
        for word in there
        if re.search(rb"(?<![0-9a-z.])" + re.escape(word.lower().encode()) + rb"(?![0-9a-z])", text)
    ]


@contextmanager
def closed_archive(archive: JudgedArchive) -> Iterator[Pipeline]:
    """A copy of the archive's warehouse in which nobody builds."""
    with archive.copy() as pipeline:
        abandon_open(pipeline.warehouse)
        yield pipeline


def test_erasure_waits_for_a_build(archive: JudgedArchive) -> None:
    """Rows that a build has read would be written after it; a candidate whose holder is gone is undone."""
    with closed_archive(archive) as pipeline:
        with closing(pipeline.warehouse.connect("a build")) as session:
            open_candidate(pipeline.warehouse, "a build", session=session)
            with pytest.raises(HeldError, match="A build is going on: a build"):
                erase(pipeline.warehouse, pipeline.settings, [100])
        assert erase(pipeline.warehouse, pipeline.settings, [100]).recipient_count == 1


def test_listed_persons_are_erased_and_unknown_ones_noted(archive: JudgedArchive) -> None:
    """An export names them; one of them was never here, and is turned away all the same when it comes."""
    with closed_archive(archive) as pipeline:
        landing = Landing(pipeline.settings.home / "landing" / "campaign")
        asked = landing.write_export("erasures", "recipient_id,requested_at", ["100,2026-01-02T00:00:00Z", "999,"])
        try:
            pipeline.load()
            would = erase(pipeline.warehouse, pipeline.settings, listed=True, dry_run=True)
            assert (would.erasure_id, would.recipient_count) == (None, 2)
            assert rows_of(pipeline.warehouse, "select count(*) from raw.recipients where recipient_id = 100") == [(1,)]
            assert erase(pipeline.warehouse, pipeline.settings, listed=True).recipient_count == 2
            assert erase(pipeline.warehouse, pipeline.settings, listed=True).recipient_count == 0
        finally:
            asked.unlink()
        gone = "select recipient_id from raw.recipients where recipient_id in (100, 999)"
        assert rows_of(pipeline.warehouse, gone) == []
        assert rows_of(pipeline.warehouse, "select recipient_id from ops.erased_recipients order by 1") == [
            (100,),
            (999,),
        ]


def test_what_is_loaded_before_its_message_is_known_is_erased_next_time(archive: JudgedArchive) -> None:
    """A click on a message that is named later, and then as an erased person's."""
    with closed_archive(archive) as pipeline:
        erase(pipeline.warehouse, pipeline.settings, [100])
        execute(
            pipeline.settings.warehouse_url,
            "update raw.events set requester_uuid = 'A-visitor', message_id = 777 where counter = 1",
            "insert into ops.erased_messages (message_id) values (777)",
        )
        erase(pipeline.warehouse, pipeline.settings)
        assert rows_of(pipeline.warehouse, "select count(*) from raw.events where requester_uuid = 'A-visitor'") == [
            (0,)
        ]
        assert rows_of(pipeline.warehouse, "select count(*) from ops.erased_messages where erasure_id is null") == [
            (0,)
        ]
