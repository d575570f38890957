"""The sources file: where tracking logs and reference data come from (design §4.2)."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import polars as pl
import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from message_tracking.dialects import CAMPAIGN, Dialect, find_dialect, make_dialect
from message_tracking.errors import ConfigurationError
from message_tracking.loading.reference_tables import MODIFIED_AT, reference_table
from message_tracking.settings import Settings
from message_tracking.strict_yaml import load_yaml

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _known_zone(name: str) -> str:
    """Accept an IANA time zone name."""
    try:
        ZoneInfo(name)
        # The log's clock is read by polars, which knows fewer: neither `localtime` nor `posix/Europe/Paris`.
        pl.select(pl.lit(datetime(2000, 1, 1)).dt.replace_time_zone(name))  # noqa: DTZ001
    except (KeyError, OSError, ValueError, pl.exceptions.ComputeError) as error:
        raise ValueError(f"{name!r} is no IANA time zone name such as UTC or Europe/Paris") from error
    return name


def _inside(pattern: str) -> str:
    """Accept a relative path or glob that stays inside its folder."""
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise ValueError("must be relative to the source's path and stay inside it")
    return pattern


def _dialect_name(name: str) -> str:
    """Accept the name of a dialect that is there."""
    if name != CAMPAIGN:
        find_dialect(name)
    return name


def _default_logs(known: dict[str, Any]) -> str:
    """Say where logs are, given the keys before `logs`."""
    return "logs/*/0x*.log*" if known.get("dialect") == CAMPAIGN else "logs/*"


def _reference_tables(tables: dict[str, str]) -> dict[str, str]:
    """Accept names of reference data."""
    for name in tables:
        reference_table(name)
    return tables


def _reference_columns(columns: dict[str, dict[str, str | None]]) -> dict[str, dict[str, str | None]]:
    """Accept columns of reference data; those of the key must be somewhere."""
    for name, named in columns.items():
        table = reference_table(name)
        for ours, theirs in named.items():
            if ours not in table.columns and ours != MODIFIED_AT:
                raise ValueError(f"{name} has no column {ours!r}: it has {', '.join(table.columns)}")
            if not theirs and ours in table.key:
                raise ValueError(f"{ours} is of the key of {name}: it cannot be absent")
    return columns


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Accept names that are each there once."""
    if len(set(names)) < len(names):
        raise ValueError("each server may be named once")
    return names


ServerName = Annotated[str, StringConstraints(pattern=r"^[^/]+$")]
ProbeAddress = Annotated[str, StringConstraints(pattern=r"^https?://[^/]+/.*$")]


class Source(BaseModel):
    """One place that one sender's data comes from. Its name is part of every event's identity."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+$")]
    kind: Literal["folder", "sftp", "s3", "http", "postgres"]
    path: Path
    """With its variables expanded. Of a folder absolute; else on the other machine, or the bucket and its prefix; of
    `postgres` the schema."""
    connection: str | None = None
    """Name of the Airflow connection that leads to the other machine."""
    dialect: Annotated[str, AfterValidator(_dialect_name)] = CAMPAIGN
    """In whose form the logs are: a name, or `module:Class`."""
    dialect_options: dict[str, Any] = Field(default={}, validate_default=True)
    logs: Annotated[str, AfterValidator(_inside)] = Field(default_factory=_default_logs)
    servers: Annotated[tuple[ServerName, ...], Field(strict=False), AfterValidator(_distinct)] = ()
    """The tracking servers to read, whether or not they can be listed; without, all that `logs` finds."""
    exports: Annotated[str, AfterValidator(_inside)] = "exports"
    contents: Annotated[str, AfterValidator(_inside)] = "contents"
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    """How the log's clock is read."""
    reject_limit: Annotated[float, Field(ge=0, le=1, strict=False)] = 0.2
    """Share of rejected lines above which a file's pull fails, from 1 000 lines on."""
    most_bytes_per_second: Annotated[int, Field(gt=0)] | None = None
    """The pace at which another machine is read, all files of a task together."""
    health: Annotated[tuple[ProbeAddress, ...], Field(strict=False)] = ()
    """Addresses of the tracking servers' health probes, `https://<server>/r/test`."""
    most_log_megabytes: Annotated[int, Field(gt=0)] = 500
    """What a tracking server keeps of its logs; then it deletes the oldest (`maxLogsSizeOnDiskMb`, spec §2.6)."""
    tables: Annotated[dict[str, str], AfterValidator(_reference_tables)] = {}
    """Kind of reference data → its table in the database of a source of kind `postgres`."""
    columns: Annotated[dict[str, dict[str, str | None]], AfterValidator(_reference_columns)] = {}
    """Kind of reference data → our column → what it is called there, or None where it is not there."""
    overlap_seconds: Annotated[int, Field(ge=0)] = 3600
    """How much of what a pull of a database has read the next one reads again: rows appear later than they say."""
    most_seconds_per_statement: Annotated[int, Field(gt=0)] = 60

    def names_digest(self, kind: str) -> bytes | None:
        """SHA-256 of how tables and columns of a kind of reference data are called; None where all is as usual."""
        named = self.tables.get(kind), self.columns.get(kind)
        return sha256(json.dumps(named, sort_keys=True).encode()).digest() if any(named) else None

    @property
    def has_dialect(self) -> bool:
        """Whether the logs are another sender's than Campaign."""
        return self.dialect != CAMPAIGN

    def make_dialect(self) -> Dialect | None:
        """Make what reads the logs; None for Campaign's own."""
        return make_dialect(self.dialect, self.dialect_options)

    @field_validator("dialect_options")
    @classmethod
    def _fit_the_dialect(cls, options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """The dialect says which options it takes."""
        if "dialect" in info.data:
            make_dialect(info.data["dialect"], options)
        return options

    @field_validator("logs")
    @classmethod
    def _fit_the_logs(cls, pattern: str, info: ValidationInfo) -> str:
        """Campaign's logs lie in a folder per server, objects of others anywhere."""
        is_campaign = info.data.get("dialect") == CAMPAIGN
        if is_campaign and (len(Path(pattern).parts) < 2 or "**" in pattern):
            raise ValueError("must name a folder per server, like logs/*/0x*.log*")
        if not Path(pattern).name or "**" in pattern:
            raise ValueError("must name each folder and the files, like logs/*/*/*, and not `**`")
        return pattern

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        """A folder is here, all others are where a connection leads."""
        if self.kind != "folder" and not self.connection:
            raise ValueError(f"a source of kind {self.kind} needs `connection`, the name of an Airflow connection")
        if self.kind == "folder" and (self.connection or self.most_bytes_per_second):
            raise ValueError(
                "a folder is read from this machine: `connection` and `most_bytes_per_second` are for others"
            )
        if self.kind == "postgres" and self.most_bytes_per_second:
            raise ValueError("a database is paced by `most_seconds_per_statement`, not by `most_bytes_per_second`")
        if self.has_dialect and self.servers:
            raise ValueError("`servers` is for Campaign's logs: those of a dialect are together one server, `events`")
        if self.kind != "postgres" and self.tables:
            raise ValueError("`tables` is for sources of kind postgres")
        return self


@dataclass(frozen=True)
class Sources:
    """What a sources file names, in its order."""

    file: Path
    sources: tuple[Source, ...]

    def named(self, name: str) -> Source:
        """Return one source. Raises ConfigurationError where there is none of that name."""
        for source in self.sources:
            if source.name == name:
                return source
        raise ConfigurationError(
            f"{self.file} has no source {name!r}.", f"It has: {', '.join(source.name for source in self.sources)}."
        )


class _SourcesFile(BaseModel):
    """The file as a whole."""

    model_config = ConfigDict(strict=True, extra="forbid")

    sources: Annotated[list[Source], Field(min_length=1)]


def read_sources(path: Path, environment: Mapping[str, str]) -> Sources:
    """Read and check a sources file.

    `environment` gives the values of `${VARIABLES}` in paths. Relative paths start at the file's folder.
    Raises ConfigurationError naming file, line and key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The sources file {path} cannot be read: {error}.", "MESSAGE_TRACKING_SOURCES says which file is used."
        ) from error
    try:
        content, tree = load_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is no YAML file: {error}", "See config/sources.yml for the form.") from error
    try:
        parsed = _SourcesFile.model_validate(_with_paths(content, path, tree, environment))
    except ValidationError as error:
        raise _as_configuration_error(error, path, tree) from error
    _refuse_doubled_names(parsed.sources, path, tree)
    return Sources(path, tuple(parsed.sources))


def configured_sources(settings: Settings) -> Sources:
    """Read the sources file of the settings; `${MESSAGE_TRACKING_HOME}` has its default where it is not set."""
    return read_sources(settings.sources_file, os.environ | {"MESSAGE_TRACKING_HOME": str(settings.home)})


def _with_paths(content: Any, file: Path, tree: yaml.Node | None, environment: Mapping[str, str]) -> Any:
    """Expand the variables of paths and make those of folders absolute.

    What is not shaped like a sources file is left to the model.
    """
    entries = content.get("sources") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        return content
    for place, entry in enumerate(entries):
        if isinstance(entry, dict) and isinstance(entry.get("path"), str):
            where = f"{file}, line {_line(tree, ('sources', place, 'path'))}"
            path = Path(_expand(entry["path"], environment, where))
            entry["path"] = file.absolute().parent / path if entry.get("kind") == "folder" else path
    return content


def _expand(text: str, environment: Mapping[str, str], where: str) -> str:
    """Replace each ${X} by its value."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise ConfigurationError(
                f"{where}, path: the variable {match[1]} is not set.", f"Set {match[1]}, or write the path without it."
            )
        return environment[match[1]]

    return _VARIABLE.sub(value, text)


def _refuse_doubled_names(sources: list[Source], file: Path, tree: yaml.Node | None) -> None:
    """A name is an identity: two sources of one name would be taken for one."""
    seen: set[str] = set()
    for place, source in enumerate(sources):
        if source.name in seen:
            line = _line(tree, ("sources", place, "name"))
            raise ConfigurationError(
                f"{file}, line {line}, sources.{place}.name: {source.name!r} is there twice.",
                "Give each source a name of its own.",
            )
        seen.add(source.name)


def _as_configuration_error(error: ValidationError, file: Path, tree: yaml.Node | None) -> ConfigurationError:
    """Say file, line, key and what is wrong, one line per fault."""
    faults = [
        f"{file}, line {_line(tree, fault['loc'])}, {'.'.join(map(str, fault['loc'])) or 'top level'}: {fault['msg']}"
        for fault in error.errors()
    ]
    return ConfigurationError("\n".join(faults), "docs/sources.md lists every key and its form.")


def _line(node: yaml.Node | None, keys: tuple[int | str, ...]) -> int:
    """Line number of a key's value, or of the nearest thing around it where the key is missing."""
    line = node.start_mark.line + 1 if node else 1
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            pairs = {name.value: (name, value) for name, value in node.value}
            if key not in pairs:
                break
            name, node = pairs[str(key)]
            line = name.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
        else:
            break
    return line
