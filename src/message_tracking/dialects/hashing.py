"""Ids out of a provider's texts. They are SHA-256's, so they are the same in every run, version and machine."""

from hashlib import sha256

import numpy as np
import polars as pl

_SEPARATOR = "\x1f"
_ID_BITS = np.uint64((1 << 62) - 1)
_ID_MARK = np.uint64(1 << 62)


def identity(*parts: pl.Expr | str) -> pl.Expr:
    """Join what an id is made of: columns, and texts, which keep ids of different things apart."""
    texts = [pl.lit(part) if isinstance(part, str) else part.cast(pl.String).fill_null("") for part in parts]
    return pl.concat_str(texts, separator=_SEPARATOR)


def hashed_ids(identities: pl.Series) -> pl.Series:
    """Return an id for each text, from 2^62 to 2^63 - 1: neither 0 nor 1 nor one of Campaign's, which have 32 bits."""
    return _numbered(identities, _ID_BITS, _ID_MARK)


def event_hashes(identities: pl.Series) -> pl.Series:
    """Return a number of all 64 bits for each text; it may be below zero."""
    return _numbered(identities, np.uint64((1 << 64) - 1), np.uint64(0))


def _numbered(identities: pl.Series, kept_bits: np.uint64, mark: np.uint64) -> pl.Series:
    """Hash each distinct text once: neither polars nor numpy has a hash that stays as it is from version to version."""
    distinct = identities.unique()
    digests = b"".join(sha256(text.encode()).digest()[:8] for text in distinct.to_list())
    numbers = ((np.frombuffer(digests, dtype=">u8").astype(np.uint64) & kept_bits) | mark).view(np.int64)
    known = pl.DataFrame({"text": distinct, "number": numbers}, schema_overrides={"number": pl.Int64})
    return identities.to_frame("text").join(known, on="text", how="left", maintain_order="left")["number"]
