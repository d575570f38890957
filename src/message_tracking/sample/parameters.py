"""What web and transaction tags add to an event (spec §3.5), and what of it counts (design §4.3)."""

import numpy as np
import numpy.typing as npt
import polars as pl

from message_tracking.sample.deliveries import Flags

NONE, PLAIN = -1, -2
"""Stand in the column `parameters` for nothing, and for amount and article as `cents` and `articles` say."""

ODD_PARAMETERS: list[tuple[str, int, int]] = [
    ("", 0, 0),
    ("amount=19.99", 1_999, 0),
    ("article=3", 0, 3),
    ("amount=1e5&article=1", 0, 1),
    ("amount=1234567890123456&article=1", 0, 1),
    ("amount=12.5000000000000000000000&article=1234567890", 1_250, 0),
    ("amount=12%2E50&%61rticle=2", 1_250, 2),
    ("amount=10.00&article=1&amount=99.00&article=9", 1_000, 1),
    ("amount=-5.00&article=-1", 0, 0),
    ("Amount=8.00&ARTICLE=4", 0, 0),
    ("amount=12,50&article=", 0, 0),
    ("amount=.50&article=1.0", 0, 0),
]
"""Transactions that do not simply say amount and article: their text, and the cents and articles that count."""
_ODD_SHARE = 0.15
_PAGE_SHARE = 0.05


def drawn_parameters(
    generator: np.random.Generator, transacts: Flags, visits: Flags, *, odd: bool
) -> dict[str, npt.NDArray[np.int64]]:
    """The columns `parameters`, `cents` and `articles` for events of which some are transactions or visited pages.

    What a visited page says of amounts does not count.
    """
    count = transacts.size
    cents = np.where(transacts, generator.integers(500, 30_000, count), 0)
    articles = np.where(transacts, generator.integers(1, 6, count), 0)
    parameters = np.where(transacts, PLAIN, NONE)
    if odd:
        drawn = generator.random(count)
        places = np.flatnonzero(transacts & (drawn < _ODD_SHARE))
        chosen = np.arange(places.size) % len(ODD_PARAMETERS)
        parameters[places] = chosen
        cents[places] = np.array([row[1] for row in ODD_PARAMETERS])[chosen]
        articles[places] = np.array([row[2] for row in ODD_PARAMETERS])[chosen]
        parameters[visits & (drawn < _PAGE_SHARE)] = 1
    return {"parameters": parameters, "cents": cents, "articles": articles}


def parameter_texts(events: pl.DataFrame) -> pl.Series:
    """Field 9 of each event."""
    cents = events["cents"]
    plain = pl.format(
        "amount={}.{}&article={}", cents // 100, (cents % 100).cast(pl.String).str.zfill(2), events["articles"]
    )
    places = events["parameters"]
    odd = pl.Series([row[0] for row in ODD_PARAMETERS]).gather(places.clip(0))
    return pl.select(
        pl.when(places == PLAIN).then(plain).when(places == NONE).then(pl.lit("")).otherwise(pl.lit(odd))
    ).to_series()
