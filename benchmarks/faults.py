"""How many kills leave no trace: `bench: faults_survived <n> kills`. Ends at the first that does."""

import click
from tests.conftest import temporary_home
from tests.faults.survival import survive

ROUNDS = 2


@click.command()
@click.option("--kills", default=20, show_default=True, help="Ten in a warehouse.")
@click.option("--seed", default=1, show_default=True, help="Of the first warehouse; the next has the next.")
def main(kills: int, seed: int) -> None:
    """SIGKILL loads, builds, checks, publications and the server; compare with a warehouse that was left in peace."""
    survived = 0
    while survived < kills:
        with temporary_home() as home, temporary_home() as other_home:
            killer, reader = survive(home, other_home, seed, ROUNDS)
        survived += len(killer.record)
        seed += 1
        click.echo(f"{killer.table()}\n{reader.read_count} reads, none mixed; {survived} kills survived", err=True)
    click.echo(f"bench: faults_survived {survived} kills")


if __name__ == "__main__":
    main()
