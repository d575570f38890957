"""The sources file: where tracking logs and reference data come from (design §4.2)."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import polars as pl
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from message_tracking.errors import ConfigurationError, UnreadableFileError
from message_tracking.settings import Settings
from message_tracking.strict_yaml import load_yaml

_LOG_NAME = re.compile(r"0x[0-9A-Fa-f]{16}\.log(\.gz)?")
_CONTENT_NAME = re.compile(r"(0|-?[1-9][0-9]*)\.(html|txt)")
_CONTENT_PARTS: dict[str, Literal["html", "text"]] = {"html": "html", "txt": "text"}
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


def _log_glob(pattern: str) -> str:
    """Accept a glob with a folder per server."""
    if len(Path(_inside(pattern)).parts) < 2 or "**" in pattern:
        raise ValueError("must name a folder per server, like logs/*/0x*.log*")
    return pattern


@dataclass(frozen=True)
class ContentFile:
    """The file of one part of a delivery's message."""

    path: Path
    delivery_id: int
    content_part: Literal["html", "text"]


class Source(BaseModel):
    """One place that one sender's data comes from. Its name is part of every event's identity."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+$")]
    kind: Literal["folder"]
    path: Path
    """Absolute, with its variables expanded."""
    logs: Annotated[str, AfterValidator(_log_glob)] = "logs/*/0x*.log*"
    exports: Annotated[str, AfterValidator(_inside)] = "exports"
    contents: Annotated[str, AfterValidator(_inside)] = "contents"
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    """How the log's clock is read."""
    reject_limit: Annotated[float, Field(ge=0, le=1, strict=False)] = 0.2
    """Share of rejected lines above which a file's pull fails, from 1 000 lines on."""

    @property
    def exports_folder(self) -> Path:
        """Folder of the reference data files."""
        return self.path / self.exports

    @property
    def contents_folder(self) -> Path:
        """Folder of the message bodies."""
        return self.path / self.contents

    def require_folder(self) -> None:
        """Raise UnreadableFileError where the source's folder is not there, as when a disk is not mounted."""
        try:
            next(self.path.iterdir(), None)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UnreadableFileError(
                f"The folder of the source {self.name} is not there: {self.path}.",
                "Mount or make it, or put its path right in the sources file.",
            ) from error
        except OSError as error:
            raise _closed(self.path, error) from error

    def content_files(self) -> list[ContentFile]:
        """The message bodies, by name: `<delivery_id>.html` or `.txt`, the id in decimal digits."""
        return [file for path in _files_in(self.contents_folder) if (file := _content_file(path))]

    def other_content_files(self) -> list[Path]:
        """What other files lie in the folder of the message bodies, by name."""
        return [path for path in _files_in(self.contents_folder) if path.is_file() and not _content_file(path)]

    def servers(self) -> list[str]:
        """Names of the tracking servers: the folders that the logs glob looks into. Empty where there are none yet."""
        folders = Path(self.logs).parent
        return sorted({folder.name for folder in self.path.glob(str(folders)) if folder.is_dir()})

    def log_files(self, server: str) -> list[Path]:
        """A server's tracking logs, by name: `0x<16 hex>.log` or `.log.gz` where the logs glob takes them."""
        return [file for file in self._files(server) if self._is_log(file)]

    def other_files(self, server: str) -> list[Path]:
        """What other files lie in a server's folder, by name."""
        return [file for file in self._files(server) if file.is_file() and not self._is_log(file)]

    def _files(self, server: str) -> list[Path]:
        """Whatever lies in a server's folder."""
        folders = self.path.glob(str(Path(self.logs).parent))
        return sorted(file for folder in folders if folder.name == server for file in _files_in(folder))

    def _is_log(self, file: Path) -> bool:
        """Whether a file is named like a tracking log."""
        return bool(_LOG_NAME.fullmatch(file.name)) and fnmatchcase(file.name, Path(self.logs).name)


def _files_in(folder: Path) -> list[Path]:
    """Whatever lies in a folder, by name; nothing where there is no such folder."""
    try:
        return sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise _closed(folder, error) from error


def _closed(folder: Path, error: OSError) -> UnreadableFileError:
    return UnreadableFileError(
        f"The folder {folder} cannot be read: {error.strerror}.", "Let the user that runs the pipeline read it."
    )


def _content_file(path: Path) -> ContentFile | None:
    """Read a body's name, unless it is another file or its number is none that an id can be."""
    match = _CONTENT_NAME.fullmatch(path.name)
    if not match or not -(2**63) <= int(match[1]) < 2**63:
        return None
    return ContentFile(path, int(match[1]), _CONTENT_PARTS[match[2]])


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
    """Turn the sources' paths into absolute ones. What is not shaped like a sources file is left to the model."""
    entries = content.get("sources") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        return content
    for place, entry in enumerate(entries):
        if isinstance(entry, dict) and isinstance(entry.get("path"), str):
            entry["path"] = file.absolute().parent / _expand(
                entry["path"], environment, f"{file}, line {_line(tree, ('sources', place, 'path'))}"
            )
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
