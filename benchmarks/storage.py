"""How many bytes of disk an event costs with everything that is made of it: `storage_bytes_per_event`.

The whole database counts, empty catalogs and all, after the first publication; divided by the events in `raw.events`.
"""

import click
from benchmarks.measuring import report, say
from benchmarks.warehouses import lines_option, new_warehouse, sample_options

RELATIONS = """
    select
        nspname || '.' || relname,
        pg_relation_size(pg_class.oid),
        pg_indexes_size(pg_class.oid),
        case when reltoastrelid = 0 then 0 else pg_total_relation_size(reltoastrelid) end
    from pg_class
    inner join pg_namespace on relnamespace = pg_namespace.oid
    where relkind in ('r', 'm') and nspname <> 'pg_toast'
    order by pg_total_relation_size(pg_class.oid) desc
"""
"""Relations with storage of their own: size of their rows, of their indexes and of what is stored beside them."""


@click.command()
@lines_option(200_000)
@click.option("--shown", type=click.IntRange(min=0), default=25, show_default=True, help="Relations in the table.")
def main(lines: int, shown: int) -> None:
    """Print the size of the database by event, and a table of the largest relations."""
    with new_warehouse() as bench:
        say(f"Load and publish {lines} events")
        bench.add_sample(sample_options(lines))
        bench.load()
        bench.pipeline.publish()
        bench.settle()
        ((events, size),) = bench.query(
            "select count(*), (select pg_database_size(current_database())) from raw.events"
        )
        relations = bench.query(RELATIONS)
    if not events:
        raise SystemExit("Nothing was loaded.")
    click.echo(f"{'bytes per event':<44}{'rows':>10}{'indexes':>10}{'toast':>10}{'together':>10}", err=True)
    rest = [sum(sizes) for sizes in zip((0, 0, 0), *(sizes for _, *sizes in relations[shown:]), strict=True)]
    for name, *sizes in [*relations[:shown], (f"{len(relations[shown:])} others", *rest)]:
        columns = "".join(f"{size / events:10.1f}" for size in (*sizes, sum(sizes)))
        click.echo(f"{name:<44}{columns}", err=True)
    say(f"{size / 2**20:.0f} MiB for {events} events")
    report("storage_bytes_per_event", [size / events], "bytes")


if __name__ == "__main__":
    main()
