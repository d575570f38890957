"""Mutated CSV exports: what the loader reads of them, held against RFC 4180, Python's own reader and design §4.2."""

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from tests.fuzz.mutating import PIECES, Mutations, changed_bytes
from tests.oracle.exports import KEYS, TABLES, Reader

from message_tracking.errors import UnreadableFileError
from message_tracking.loading import csv_rows
from message_tracking.loading.export_rows import read_rows
from message_tracking.loading.reference_tables import REFERENCE_TABLES
from message_tracking.transports.local import LocalFile

CORPUS = Path(__file__).with_name("corpus")
"""A CSV file per table: rows of the sample, then every boundary of every type."""

_LONGEST_NAME = 2**17
_BOM = b"\xef\xbb\xbf"
_QUOTED = re.compile(rb'"(?:[^"]|"")*"')
_FIELD = re.compile(rb'"(?:[^"]|"")*"(?:\r[^",\n]*)?|[^",\n]*')
"""A carriage return that ends no line is part of the field; it costs the row, not the file."""


class Rows(NamedTuple):
    """What is read of a file: values in the table's order of columns; line, byte offset, reason and bytes."""

    good: list[tuple[Any, ...]]
    rejected: list[tuple[int, int, str, bytes]]


class DisagreementError(AssertionError):
    """A file of which something else is read, or something is lost."""


class _RefusedError(Exception):
    """Nothing of a file counts."""


class ExportMutations:
    """Exports made of the corpus; equal seeds make equal files."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.headers = {}
        self.rows = {}
        for table in TABLES:
            header, *rows = (CORPUS / f"{table}.csv").read_bytes().splitlines()
            self.headers[table] = Mutations([header], b",", seed)
            self.rows[table] = Mutations(rows, b",", seed, changes=(0, 0, 0, 1, 1, 3))

    def file(self, folder: Path) -> Path:
        """Write one export and return where."""
        chance = self.chance
        table = chance.choice(list(TABLES))
        rows = [self._quoted(row) for row in self.rows[table].lines(chance.randrange(12))]
        header = self.headers[table].corpus[0] if chance.randrange(8) else next(self.headers[table].lines(1))
        line_end = chance.choice((b"\n", b"\n", b"\r\n"))
        content = chance.choice((b"", b"", b"", _BOM, _BOM * 2)) + line_end.join([header, *rows])
        content += chance.choice((b"", line_end, line_end * 3))
        for _ in range(chance.choice((0, 0, 0, 0, 1, 2))):
            content = changed_bytes(content, chance)
        path = folder / f"{table}.csv"
        if not chance.randrange(5):
            path = folder / f"{table}.csv.gz"
            content = gzip.compress(content, 1)
            content = content if chance.randrange(4) else changed_bytes(content, chance)
        path.write_bytes(content)
        return path

    def _quoted(self, row: bytes) -> bytes:
        """Put quotes round some fields, at times with what only stands in quotes."""
        chance = self.chance
        fields = row.split(b",")
        for place in range(len(fields)):
            if not chance.randrange(15):
                within = fields[place] + chance.choice((b"", b",", b"\n", b"\r\n", b"\r", b'"', *PIECES))
                fields[place] = b'"' + within.replace(b'"', b'""') + b'"'
        return b",".join(fields)


def judge_mutated_exports(file_count: int, seed: int, folder: Path) -> Counter[str]:
    """Judge mutated files; return how often each reason, '' and, for files, 'refused' was met. Raises DisagreementError."""
    mutations = ExportMutations(seed)
    met: Counter[str] = Counter()
    for _ in range(file_count):
        path = mutations.file(folder)
        met += judge_export(path, mutations.chance)
        path.unlink()
    return met


def judge_export(path: Path, chance: Random) -> Counter[str]:
    """Read one file in blocks of random size and hold it against what is expected of it."""
    content = b""
    try:
        content = _unpacked(path)
        expected = _expected(content, path.name.split(".")[0])
    except _RefusedError:
        expected = None
    # A row may be as long as four blocks.
    found = _found(path, len(content) // chance.choice((1, 2, 3)) + 1)
    if found != expected:
        raise DisagreementError(f"{path.name}: {path.read_bytes()!r}\n{_difference(expected, found)}")
    if expected is None:
        return Counter(["refused"])
    return Counter(reason for _, _, reason, _ in expected.rejected) + Counter({"": len(expected.good)})


def _difference(expected: Rows | None, found: Rows | None) -> str:
    """Show the first rows that differ, or which of the two refuses the file."""
    if expected is None or found is None:
        return f"expected {'refusal' if expected is None else 'rows'}, found {'refusal' if found is None else 'rows'}"
    pairs = [*zip_longest(expected.good, found.good), *zip_longest(expected.rejected, found.rejected)]
    return "expected {}\nfound    {}".format(*next(pair for pair in pairs if pair[0] != pair[1]))


def _found(path: Path, block_bytes: int) -> Rows | None:
    """Read a file as the loader does; None where it is refused."""
    (table,) = (table for table in REFERENCE_TABLES if table.name == path.name.split(".")[0])
    warnings: list[str] = []
    found = Rows([], [])
    row_count = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_rows, "BLOCK_BYTES", block_bytes)
        try:
            for rows in read_rows(LocalFile(path), table, {}, warnings):
                found.good.extend(rows.good.select(list(table.columns)).rows())
                found.rejected.extend(rows.rejected)
                row_count += rows.count
        except UnreadableFileError as refusal:
            assert path.name in refusal.what  # noqa: PT017  other errors are none to be met
            warnings.append(str(refusal))
            found = None
    # Both are stored: Postgres takes no NUL.
    assert "\0" not in "".join(warnings).encode().decode()
    assert found is None or row_count == len(found.good) + len(found.rejected)
    return found


def _unpacked(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise _RefusedError from error


def _expected(content: bytes, table: str) -> Rows:
    """Read a file by the rules; raise _RefusedError where nothing of it counts."""
    records = _records(content)
    if not records or _has_lone_return(records[0][2]):
        raise _RefusedError
    header = _fields(records[0][2].decode(errors="replace"))
    if max(map(len, header)) > _LONGEST_NAME or any(header.count(column) != 1 for column in TABLES[table]):
        raise _RefusedError
    rows = Rows([], [])
    for line_number, offset, raw in records[1:]:
        reason, values = _read(raw, header, TABLES[table], KEYS[table])
        if reason:
            rows.rejected.append((line_number, offset, reason, raw))
        else:
            rows.good.append(values)
    return rows


def _records(content: bytes) -> list[tuple[int, int, bytes]]:
    """Line number, byte offset and bytes of every row; blank lines are none."""
    records = []
    start = len(_BOM) if content.startswith(_BOM) else 0
    while start < len(content):
        end = start
        while (end := _FIELD.match(content, end).end()) < len(content) and content[end] != ord("\n"):  # type: ignore[union-attr]
            if content[end] != ord(","):
                raise _RefusedError
            end += 1
        if raw := content[start:end].removesuffix(b"\r"):
            records.append((content.count(b"\n", 0, start) + 1, start, raw))
        start = end + 1
    return records


def _read(
    raw: bytes, header: list[str], columns: Mapping[str, Reader], key: tuple[str, ...]
) -> tuple[str | None, tuple[Any, ...]]:
    """Return why a row cannot be read, or its values."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return "not_utf8", ()
    if _has_lone_return(raw) or len(fields := _fields(text)) != len(header):
        return "field_count", ()
    values = []
    for column, reader in columns.items():
        try:
            values.append(reader(fields[header.index(column)]))
        except ValueError as error:
            return f"{column}_{error}", ()
        if column in key and values[-1] in (None, ""):
            return f"{column}_missing", ()
    return None, tuple(values)


def _has_lone_return(raw: bytes) -> bool:
    return b"\r" in _QUOTED.sub(b"", raw)


def _fields(text: str) -> list[str]:
    limit = csv.field_size_limit(len(text) + 1)
    try:
        return next(csv.reader(io.StringIO(text, newline=""), strict=True))
    finally:
        csv.field_size_limit(limit)
