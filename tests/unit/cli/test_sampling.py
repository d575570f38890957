"""The verb `sample`."""

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from message_tracking.cli.sampling import sample
from message_tracking.errors import ConfigurationError, MessageTrackingError
from message_tracking.sample import TRAITS


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MESSAGE_TRACKING_HOME", str(tmp_path))
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(sample, ["--lines", "500", *arguments])


def test_it_fills_the_landing_folder_and_says_what_it_planted(home: Path) -> None:
    result = run()
    assert result.exit_code == 0, result.output
    assert "500 lines of 3 servers and 8 deliveries" in result.output
    assert (home / "landing" / "campaign" / "planted.json").is_file()
    assert (home / "landing" / "golden" / "logs" / "tracking-1" / "0x00000000000A0000.log").is_file()


def test_another_folder_and_no_worked_example(home: Path, tmp_path: Path) -> None:
    result = run("--output", str(tmp_path / "other"), "--no-golden", "--deliveries", "2", "--servers", "1")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "other" / "exports" / "messages.csv").is_file()
    assert not (home / "landing").exists()


def test_the_folder_that_the_sources_file_names_is_there_without_the_worked_example_too(home: Path) -> None:
    assert run("--no-golden", "--deliveries", "2", "--servers", "1").exit_code == 0
    assert list((home / "landing" / "golden").iterdir()) == []


def test_traits_are_listed_and_left_out(home: Path) -> None:
    listed = run("--list-traits").output
    assert "crlf_lines" in listed
    assert "lines that end with CR LF" in listed
    assert not (home / "landing").exists()
    assert run("--without", "crlf_lines", "--without", "seeds").exit_code == 0
    planted = json.loads((home / "landing" / "campaign" / "planted.json").read_text())
    assert planted["options"]["without"] == ["crlf_lines", "seeds"]
    assert planted["traits"]["crlf_lines"] == planted["traits"]["seeds"] == 0


def test_who_is_behind_each_line_is_written_where_it_was_asked_for(home: Path, tmp_path: Path) -> None:
    assert run("--no-golden").exit_code == 0
    assert not (home / "landing" / "campaign" / "actors.csv.gz").exists()
    assert run("--no-golden", "--actors-file", "--output", str(tmp_path / "told")).exit_code == 0
    rows = gzip.decompress((tmp_path / "told" / "actors.csv.gz").read_bytes()).decode().splitlines()
    planted = json.loads((tmp_path / "told" / "planted.json").read_text())
    assert rows[0] == "log_id,actor"
    assert len(rows) == 1 + planted["good_line_count"]


def test_a_trait_that_is_none_is_wrong_use(home: Path) -> None:
    error = run("--without", "unicorns").exception
    assert isinstance(error, ConfigurationError)
    assert "--list-traits" in str(error)


def test_plain_is_short_for_leaving_out_whatever_is_hard(home: Path, tmp_path: Path) -> None:
    left_out = [argument for trait in TRAITS for argument in ("--without", trait)]
    shares = ["--gzip-share", "0", "--corrupted-share", "0"]
    assert run("--plain", "--output", str(tmp_path / "short"), "--no-golden").exit_code == 0
    assert run(*left_out, *shares, "--output", str(tmp_path / "long"), "--no-golden").exit_code == 0
    # What plain means anyway may be said.
    assert run("--plain", *shares, "--without", "seeds", "--output", str(tmp_path / "short")).exit_code == 0
    short, long = (contents(tmp_path / name) for name in ("short", "long"))
    assert short == long
    assert not [name for name in short if name.endswith(".gz")]


@pytest.mark.parametrize("option", ["--gzip-share", "--corrupted-share"])
def test_plain_and_what_contradicts_it_are_wrong_use(home: Path, option: str) -> None:
    error = run("--plain", option, "0.3").exception
    assert isinstance(error, ConfigurationError)
    assert f"--plain and {option} 0.3 contradict each other" in str(error)
    assert not (home / "landing").exists()


def test_another_sample_in_the_same_folder_is_an_error(home: Path) -> None:
    run()
    error = run("--seed", "2").exception
    assert isinstance(error, MessageTrackingError)
    assert str(home / "landing" / "campaign") in str(error)


def test_a_value_out_of_range_is_wrong_use(home: Path) -> None:
    assert isinstance(run("--start", "2999-01-01").exception, ConfigurationError)
    assert isinstance(run("--servers", "0").exception, ConfigurationError)
    assert run("--lines", "many").exit_code == 2
