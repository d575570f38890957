"""Traces of persons in the files that are the product's own: below its home, the landing folder included."""

import gzip
import os
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

import polars as pl

from message_tracking.erasing.blotting import BLOCK_SIZE, Blotter, as_bytes, as_lines, blot_in_place, whole_lines
from message_tracking.erasing.persons import Traces
from message_tracking.loading.export_rows import SUFFIXES
from message_tracking.loading.reference_tables import REFERENCE_TABLES, ReferenceTable
from message_tracking.settings import Settings
from message_tracking.source_files import SourceFiles
from message_tracking.sources import Source
from message_tracking.transports.opening import open_source

_NOT_SEARCHED = {"postgres", "credentials.json"}
"""Of the home: the server's data, which is erased in by SQL, and passwords."""
_GZIP = b"\x1f\x8b"


@dataclass
class FilesReport:
    """What was done to files, and what could not be done."""

    changed: Counter[str] = field(default_factory=Counter)
    """Kind → files that held a trace."""
    left: list[str] = field(default_factory=list)
    """Files that could not be searched, with the reason, and sources whose files are not ours."""


def erase_in_files(settings: Settings, sources: list[Source], traces: Traces) -> FilesReport:
    """Take the traces of persons out of the landing folders and of all other files below the home.

    Log lines stay, as events of nobody; rows of exports and lines of dialects go; anything else is blotted, byte for
    byte. A source whose folder is not below the home is not ours: it is named in `left`.
    """
    report = FilesReport()
    done: set[Path] = set()
    home = settings.home.resolve()
    for source in sources:
        if source.kind == "folder" and source.path.resolve().is_relative_to(home):
            _Landing(open_source(source), traces, report, done).erase()
        else:
            report.left.append(f"source {source.name}: its files are not ours, erase them there")
    kept = Blotter(traces)
    for path in _with_traces(report, _other_files(home, done), kept):
        _attempt(report, path, "other files", lambda path: bool(blot_in_place(path, kept.blot_text)))
    return report


@dataclass
class _Landing:
    """The files of one source."""

    files: SourceFiles
    traces: Traces
    report: FilesReport
    done: set[Path]

    def erase(self) -> None:
        """Go through logs and exports. Whatever else is there is blotted with the rest."""
        blotter = Blotter(self.traces, with_addresses=False)
        for server in self.files.servers():
            for file in self.files.log_files(server):
                path = Path(str(file))
                self.done.add(path.resolve())
                _attempt(self.report, path, "log files", lambda path: _erase_log(path, blotter, self.files.source))
        tables = {f"{table.name}{suffix}": table for table in REFERENCE_TABLES for suffix in SUFFIXES}
        for file in self.files.export_files(list(tables)):
            erase = partial(self._erase_export, table=tables[file.name])
            _attempt(self.report, Path(str(file)), "exports", erase)

    def _erase_export(self, path: Path, table: ReferenceTable) -> bool:
        """Take out the rows of these persons; those of the export `erasures` only ask for it."""
        if "recipient_id" not in table.columns or table.name == "erasures":
            return False
        named = self.files.source.columns.get(table.name, {})
        rows = _read_export(path)
        is_theirs = pl.lit(value=False)
        for column, ids in (("recipient_id", self.traces.recipient_ids), ("message_id", self.traces.message_ids)):
            at = named.get(column) or column
            if column in table.columns and at in rows.columns:
                number = pl.col(at).cast(pl.Int64, strict=False)
                is_theirs |= number.is_in(pl.Series(sorted(ids), dtype=pl.Int64).implode()).fill_null(value=False)
        others = rows.filter(~is_theirs)
        if others.height == rows.height:
            return False
        _replace(path, lambda stream: _write_export(stream, path, others))
        return True


def _erase_log(path: Path, blotter: Blotter, source: Source) -> bool:
    """Erase in one log; return whether there was a trace."""
    erase = (lambda block: _without_named(block, blotter)) if source.has_dialect else blotter.blot_log
    if not source.has_dialect and not _is_gzip(path):
        return bool(blot_in_place(path, erase))
    with _reading(path) as stream:
        if all(erase(block) == block for block in whole_lines(stream)):
            return False

    def write(stream: BinaryIO) -> None:
        with _reading(path) as old:
            if not _is_gzip(path):
                stream.writelines(map(erase, whole_lines(old)))
                return
            with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as packed:
                packed.writelines(map(erase, whole_lines(old)))

    _replace(path, write)
    return True


def _without_named(block: bytes, blotter: Blotter) -> bytes:
    """Leave out the lines that name somebody: what is known by its content must not come again as something else."""
    lines = as_lines(block)
    return as_bytes(lines.filter(~blotter.is_in(lines)))


def _read_export(path: Path) -> pl.DataFrame:
    if path.name.endswith(".parquet"):
        return pl.read_parquet(path)
    return pl.read_csv(path, infer_schema=False)


def _write_export(stream: BinaryIO, path: Path, rows: pl.DataFrame) -> None:
    if path.name.endswith(".parquet"):
        rows.write_parquet(stream)
    elif path.name.endswith(".gz"):
        with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as packed:
            packed.write(rows.write_csv().encode())
    else:
        stream.write(rows.write_csv().encode())


def _replace(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file anew beside itself and put it in its place, as its owner's, unless it has changed meanwhile."""
    before = path.stat()
    beside = path.with_name(f".{path.name}.erasing")
    try:
        with beside.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        shutil.copymode(path, beside)
        if os.geteuid() == 0:
            os.chown(beside, before.st_uid, before.st_gid)
        now = path.stat()
        if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise OSError("it is being written; erase again when it is whole")
        beside.rename(path)
    finally:
        beside.unlink(missing_ok=True)


def _other_files(home: Path, done: set[Path]) -> Iterator[Path]:
    """Regular files below the home that were not gone through yet, links not followed."""
    for folder, _, names in os.walk(home):
        for path in (Path(folder) / name for name in names):
            is_searched = path.relative_to(home).parts[0] not in _NOT_SEARCHED
            if is_searched and path not in done and stat.S_ISREG(path.lstat().st_mode):
                yield path


def _with_traces(report: FilesReport, paths: Iterator[Path], blotter: Blotter) -> Iterator[Path]:
    """Those files that may hold a trace: large ones, and of small ones, searched many at a time, those that do."""
    texts: dict[Path, str] = {}
    size = 0
    for path in paths:
        try:
            if path.stat().st_size > BLOCK_SIZE:
                yield path
                continue
            texts[path] = path.read_bytes().decode("latin-1")
        except OSError as error:
            report.left.append(f"{path}: {error}")
            continue
        size += len(texts[path])
        if size > BLOCK_SIZE:
            yield from _found(texts, blotter)
            texts, size = {}, 0
    yield from _found(texts, blotter)


def _found(texts: dict[Path, str], blotter: Blotter) -> list[Path]:
    paths = list(texts)
    return [paths[place] for place in blotter.is_in(pl.Series(list(texts.values()), dtype=pl.String)).arg_true()]


def _attempt(report: FilesReport, path: Path, kind: str, erase: Callable[[Path], bool]) -> None:
    """Erase in one file; what keeps us from it is said, and the others are gone through."""
    try:
        report.changed[kind] += erase(path)
    except (OSError, EOFError, pl.exceptions.PolarsError) as error:
        report.left.append(f"{path}: {str(error).splitlines()[0]}")


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def _reading(path: Path) -> BinaryIO:
    return gzip.open(path) if _is_gzip(path) else path.open("rb")  # type: ignore[return-value]
