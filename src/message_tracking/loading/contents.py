"""Message bodies and their links from a source's contents into `raw` (design §4.2)."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256

import polars as pl
from psycopg2.extensions import connection as Connection  # noqa: N812  (the class is spelled so there)
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from message_tracking.errors import UnreadableFileError
from message_tracking.loading import ledger
from message_tracking.loading.binary_copy import FixedColumn, copy_rows
from message_tracking.loading.ledger import FileKey, PullRecord
from message_tracking.loading.summary import FailedFile, LoadSummary
from message_tracking.parsing.message_body import TooManyTagsError, count_links
from message_tracking.source_files import ContentFile, FileState, SourceFiles
from message_tracking.warehouse import fetch_all

LARGEST_BODY = 64 * 2**20
_BATCH_FILES = 500
_BATCH_BYTES = 16 * 2**20
_LINK_COLUMNS = {
    "load_id": pl.Int64,
    "delivery_id": pl.Int64,
    "link_count": pl.Int32,
    "content_part": pl.String,
    "source_url": pl.String,
}


def load_contents(
    connection: Connection, source_id: int, files: SourceFiles, summary: LoadSummary, progress: Callable[[int], None]
) -> None:
    """Load the bodies of a source that are new or have changed since they were last loaded, and count them.

    Some hundred files are one transaction. A body that differs replaces the current one of its delivery and part,
    whatever source that is from; one that is the same changes nothing. A file that cannot be read is listed in
    `summary` and in the ledger, and the others go on. `progress` is told the bytes that were read or passed over.
    """
    _ContentsLoad(connection, source_id, files, summary, progress).run()


@dataclass(frozen=True)
class _Body:
    file: ContentFile
    content: bytes
    links: Counter[str]
    record: PullRecord

    @property
    def digest(self) -> bytes:
        return sha256(self.content).digest()


@dataclass
class _ContentsLoad:
    connection: Connection
    source_id: int
    files: SourceFiles
    summary: LoadSummary
    progress: Callable[[int], None]
    known: dict[str, FileState] = field(init=False)
    """By file name, as it was when it was last loaded."""

    def __post_init__(self) -> None:
        """Ask once what was loaded before."""
        rows = fetch_all(
            self.connection,
            "select distinct on (file_name) file_name, file_size, modified_ns from ops.file_ledger "
            "where (source_id, kind, server, status) = (%s, %s, '', 'loaded') order by file_name, position desc",
            (self.source_id, ledger.CONTENTS),
        )
        self.connection.rollback()
        self.known = {name: FileState(size, modified_ns) for name, size, modified_ns in rows}

    def run(self) -> None:
        for bodies in _batches(self._changed_bodies()):
            with self.connection, self.connection.cursor() as cursor:
                self._store(cursor, bodies)
            self._add_to_summary(bodies)
        self.summary.ignored += ledger.list_ignored(
            self.connection,
            [self._key(file.name) for file in self.files.other_content_files()],
            "The name is not <delivery_id>.html or .txt.",
        )

    def _key(self, file_name: str) -> FileKey:
        return FileKey(self.source_id, ledger.CONTENTS, "", file_name)

    def _changed_bodies(self) -> Iterator[_Body]:
        """Read the files that are not as they were; write a failed row for those that cannot be read."""
        for file in self.files.content_files():
            size = 0
            try:
                state = file.file.state()
                size = state.size
                if self.known.get(file.file.name) != state:
                    yield _read(file, state)
            except UnreadableFileError as error:
                self._fail(file, size, str(error))
            except OSError as error:
                self._fail(file, size, f"{file.file} cannot be read: {error}.")
            self.progress(size)

    def _fail(self, file: ContentFile, size: int, reason: str) -> None:
        ledger.write_failure(self.connection, self._key(file.file.name), PullRecord(file_size=size, error=reason))
        self.summary.failed_files.append(FailedFile(str(file.file), reason))

    def _store(self, cursor: Cursor, bodies: list[_Body]) -> None:
        """Make the bodies that differ the current ones, and close the ledger row of each."""
        ledger.lock_versions(cursor, ledger.CONTENTS)
        keys = [self._key(body.file.file.name) for body in bodies]
        load_ids = ledger.open_pulls(cursor, keys)
        current = _current_digests(cursor, bodies)
        arriving = []
        for key, body in zip(keys, bodies, strict=True):
            is_new = current.get((body.file.delivery_id, body.file.content_part)) != body.digest
            body.record.accepted_count, body.record.already_loaded_count = int(is_new), int(not is_new)
            if is_new:
                arriving.append((load_ids[key], body))
        _replace(cursor, arriving)
        ledger.forget_failures(cursor, *keys, but=load_ids.values())
        ledger.finish_pulls(cursor, {load_ids[key]: body.record for key, body in zip(keys, bodies, strict=True)})

    def _add_to_summary(self, bodies: list[_Body]) -> None:
        self.summary.files += len(bodies)
        self.summary.line_count += len(bodies)
        self.summary.accepted += sum(body.record.accepted_count for body in bodies)
        self.summary.already_loaded += sum(body.record.already_loaded_count for body in bodies)


def _read(file: ContentFile, state: FileState) -> _Body:
    """Read a body whole. Raises OSError, or UnreadableFileError where it cannot be one."""
    hint = "Is it a message body? Delete it otherwise."
    if state.size > LARGEST_BODY:
        raise UnreadableFileError(f"{file.file}: {state.size:,} bytes are more than {LARGEST_BODY >> 20} MiB.", hint)
    with file.file.open() as stream:
        content = stream.read()
    try:
        links = count_links(content, file.content_part)
    except TooManyTagsError as error:
        raise UnreadableFileError(f"{file.file}: {error}.", hint) from error
    # Size and time are those before the reading, so that what changes meanwhile is read again next time.
    record = PullRecord(to_offset=len(content), file_size=state.size, modified_ns=state.modified_ns, line_count=1)
    return _Body(file, content, links, record)


def _batches(bodies: Iterator[_Body]) -> Iterator[list[_Body]]:
    batch: list[_Body] = []
    byte_count = 0
    for body in bodies:
        batch.append(body)
        byte_count += len(body.content)
        if len(batch) == _BATCH_FILES or byte_count >= _BATCH_BYTES:
            yield batch
            batch, byte_count = [], 0
    if batch:
        yield batch


def _current_digests(cursor: Cursor, bodies: list[_Body]) -> dict[tuple[int, str], bytes]:
    cursor.execute(
        "select delivery_id, content_part, digest from raw.contents "
        "where superseded_by_load_id is null and delivery_id = any(%s)",
        ([body.file.delivery_id for body in bodies],),
    )
    return {(delivery_id, part): bytes(digest) for delivery_id, part, digest in cursor}


def _replace(cursor: Cursor, arriving: list[tuple[int, _Body]]) -> None:
    """Supersede the current bodies of the same deliveries and parts by these, given with their `load_id`."""
    load_ids = [load_id for load_id, _ in arriving]
    delivery_ids = [body.file.delivery_id for _, body in arriving]
    parts = [body.file.content_part for _, body in arriving]
    cursor.execute(
        "update raw.contents as stored set superseded_by_load_id = arriving.load_id "
        "from unnest(%s::bigint[], %s::bigint[], %s::text[]) as arriving (load_id, delivery_id, content_part) "
        "where (stored.delivery_id, stored.content_part) = (arriving.delivery_id, arriving.content_part) "
        "and stored.superseded_by_load_id is null",
        (load_ids, delivery_ids, parts),
    )
    copy_rows(
        cursor,
        ("raw", "contents"),
        len(arriving),
        [
            FixedColumn("load_id", pl.Series(load_ids), ">i8"),
            FixedColumn("delivery_id", pl.Series(delivery_ids), ">i8"),
        ],
        pl.DataFrame({"content_part": parts, "body": [body.content for _, body in arriving]}),
    )
    links = pl.DataFrame(
        [
            (load_id, body.file.delivery_id, count, body.file.content_part, url)
            for load_id, body in arriving
            for url, count in body.links.items()
        ],
        schema=_LINK_COLUMNS,
        orient="row",
    )
    copy_rows(
        cursor,
        ("raw", "content_links"),
        links.height,
        [
            FixedColumn("load_id", links["load_id"], ">i8"),
            FixedColumn("delivery_id", links["delivery_id"], ">i8"),
            FixedColumn("link_count", links["link_count"], ">i4"),
        ],
        links.select("content_part", "source_url"),
    )
