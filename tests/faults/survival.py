"""A home whose runs are killed again and again, and one that is left in peace: they come out equal."""

from contextlib import closing
from pathlib import Path

from tests.faults.killing import Killer, Reader
from tests.faults.slices import lay_slice

from message_tracking.embedded import open_warehouse
from message_tracking.migrating import migrate
from message_tracking.settings import PROJECT, Settings
from message_tracking.warehouse import fetch_all

CASE = PROJECT / "tests" / "fixtures" / "golden" / "second-case"
STEPS = ("load", "build", "validate", "publish")

COMPARED = {
    "raw.events": """
        select events.*::text from (
            select source_id, occurred_at, prefix, counter, message_id, delivery_id, url_id, has_replaced_bytes, field_6,
                requester_uuid, requester_type, parameters, client_ip, field_12, user_agent, browser, device
            from raw.events join raw.user_agents using (user_agent_id)
        ) as events
    """,
    "raw.rejected_lines": """
        select lines::text from (
            select kind, server, file_name, line_number, byte_offset, reason, raw_line
            from raw.rejected_lines join ops.file_ledger using (load_id)
        ) as lines
    """,
    **{
        f"raw.{name}": f"select (to_jsonb(rows) - 'load_id')::text from raw.{name} as rows where superseded_by_load_id is null"
        for name in ("deliveries", "messages", "tracked_urls", "recipients", "exclusions", "consents")
    },
    "ops.file_ledger": """
        select sums::text from (
            select kind, server, file_name, status, sum(line_count), sum(accepted_count), sum(rejected_count),
                sum(already_loaded_count), max(to_offset), max(newest_event_at)
            from ops.file_ledger
            group by kind, server, file_name, status
        ) as sums
    """,
    "ops.id_ranges": "select ranges::text from ops.id_ranges as ranges",
}
LEFT_OVERS = {
    "an open candidate": "select from ops.publication_state where candidate_publication is not null",
    "temporary tables": "select from pg_class where relpersistence = 't' and relkind = 'r'",
    "locks": "select from pg_locks where locktype = 'advisory'",
}


def contents(home: Path) -> dict[str, list[str]]:
    """Everything of raw, ops and the marts that does not hang on numbers and times of runs."""
    with closing(open_warehouse(Settings(home, None, home / "sources.yml")).connect("test")) as connection:
        for what, query in LEFT_OVERS.items():
            assert fetch_all(connection, query) == [], what
        stores = fetch_all(
            connection,
            "select relname::text from pg_class where relnamespace = 'mart_store'::regnamespace and relkind = 'r'",
        )
        marts = {
            f"mart_store.{store}": (
                f"select (to_jsonb(rows) - '{{valid_from,valid_to}}'::text[])::text from mart_store.{store} as rows "
                "where valid_to = 2147483647"
            )
            for (store,) in stores
        }
        newest = "(select max(publication_id) from ops.publications where status = 'published')"
        for (store,) in stores:
            left = f"select from mart_store.{store} where valid_from > {newest} or valid_to between {newest} + 1 and 2147483646"
            assert fetch_all(connection, left) == [], store
        return {
            name: sorted(row for (row,) in fetch_all(connection, query)) for name, query in (COMPARED | marts).items()
        }


def survive(home: Path, other_home: Path, seed: int, rounds: int) -> tuple[Killer, Reader]:
    """Bring files slice by slice into a home, with a kill in each step of each round, and at once into another one.

    Both homes are empty folders. Returns what was killed and what a reader saw meanwhile. Raises AssertionError where
    the reader saw a mixture or an error, or the two warehouses differ.
    """
    killer, reader = _kill_through(home, seed, rounds)
    assert reader.errors == []
    assert reader.mixtures == {}
    assert reader.read_count > 0
    found, expected = contents(home), _undisturbed(home, other_home)
    assert found.keys() == expected.keys()
    for name, rows in expected.items():
        assert found[name] == rows, name
    return killer, reader


def _kill_through(home: Path, seed: int, rounds: int) -> tuple[Killer, Reader]:
    sources = _write_sources(home, home / "landing")
    killer = Killer(home, sources, seed)
    killer.server.start()
    for victim in ("cli", "server"):
        killer.kill_in("migrate", victim)
    assert killer.start("migrate").end() == 0
    with Reader(killer.server) as reader:
        slices = iter(range(1, rounds * len(STEPS) + 1))
        for _ in range(rounds):
            is_published = True
            for step in STEPS:
                if is_published:
                    lay_slice(CASE, home / "landing", next(slices), rounds * len(STEPS))
                is_published = killer.kill_in(step)
            killer.finish()
        lay_slice(CASE, home / "landing", 1, 1)
        killer.finish()
    return killer, reader


def _undisturbed(home: Path, other_home: Path) -> dict[str, list[str]]:
    """Feed a home's files at once into another one, with the same secret behind `person_id`."""
    sources = _write_sources(other_home, home / "landing")
    settings = Settings(other_home, None, sources)
    warehouse = open_warehouse(settings)
    migrate(warehouse, settings)
    with closing(open_warehouse(Settings(home, None, home / "sources.yml")).connect("test")) as connection:
        ((secret,),) = fetch_all(connection, "select encode(key, 'hex') from ops.person_key")
    with closing(warehouse.connect("test")) as connection, connection, connection.cursor() as cursor:
        cursor.execute("update ops.person_key set key = decode(%s, 'hex')", (secret,))
    Killer(other_home, sources, 0).finish()
    return contents(other_home)


def _write_sources(home: Path, folder: Path) -> Path:
    file = home / "sources.yml"
    file.write_text(f"sources: [{{name: campaign, kind: folder, path: '{folder}'}}]\n")
    return file
