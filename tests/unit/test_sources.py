"""The sources file: what is accepted, and what the errors say."""

from pathlib import Path

import pytest

from message_tracking.errors import ConfigurationError
from message_tracking.settings import PROJECT
from message_tracking.sources import Source, read_sources
from message_tracking.transports.opening import open_source

MINIMAL = "sources:\n  - name: campaign\n    kind: folder\n    path: landing\n"


@pytest.fixture
def read(tmp_path):
    """Read a sources file of a given text."""

    def _read(text: str, **environment: str):
        file = tmp_path / "sources.yml"
        file.write_text(text)
        return read_sources(file, environment)

    return _read


def test_default_file(tmp_path):
    found = read_sources(PROJECT / "config" / "sources.yml", {"MESSAGE_TRACKING_HOME": str(tmp_path)})
    assert [source.name for source in found.sources] == ["campaign", "golden"]
    assert found.named("campaign").path == tmp_path / "landing" / "campaign"
    assert found.named("golden").path == tmp_path / "landing" / "golden"


def test_defaults_and_relative_path(read, tmp_path):
    source = read(MINIMAL).named("campaign")
    assert source.path == tmp_path / "landing"
    assert (source.logs, source.exports, source.contents) == ("logs/*/0x*.log*", "exports", "contents")
    assert (source.time_zone, source.reject_limit) == ("UTC", 0.2)


def test_variables(read, tmp_path):
    found = read(MINIMAL.replace("landing", "${BASE}/x${N}"), BASE=str(tmp_path), N="1")
    assert found.sources[0].path == tmp_path / "x1"
    with pytest.raises(ConfigurationError, match=r"sources\.yml, line 4, path: the variable BASE is not set"):
        read(MINIMAL.replace("landing", "${BASE}"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "    colour: red\n", r"line 5, sources\.0\.colour"),
        (MINIMAL.replace("campaign", "Campaign 1"), r"line 2, sources\.0\.name"),
        (MINIMAL.replace("    path: landing\n", ""), r"line 2, sources\.0\.path: Field required"),
        (MINIMAL.replace("landing", "12"), r"line 4, sources\.0\.path"),
        (MINIMAL + "    time_zone: Europe/Atlantis\n", r"line 5, sources\.0\.time_zone.*no IANA time zone"),
        (MINIMAL + "    time_zone: ''\n", r"line 5, sources\.0\.time_zone.*no IANA time zone"),
        (MINIMAL + "    reject_limit: 1.5\n", r"line 5, sources\.0\.reject_limit"),
        (MINIMAL + "    reject_limit: many\n", r"line 5, sources\.0\.reject_limit"),
        (MINIMAL + "    logs: '*.log'\n", r"line 5, sources\.0\.logs.*folder per server"),
        (MINIMAL.replace("folder", "ftp"), r"line 3, sources\.0\.kind.*'folder', 'sftp', 's3', 'http' or 'postgres'"),
        (MINIMAL.replace("folder", "sftp"), r"line 2, sources\.0.*needs `connection`"),
        (MINIMAL + "    connection: elsewhere\n", r"line 2, sources\.0.*a folder is read from this machine"),
        (
            MINIMAL.replace("folder", "s3") + "    connection: x\n    most_bytes_per_second: 0\n",
            r"line 6, .*most_bytes",
        ),
        (MINIMAL + "    exports: ../elsewhere\n", r"line 5, sources\.0\.exports.*stay inside"),
        (MINIMAL + MINIMAL.removeprefix("sources:\n"), r"line 5, sources\.1\.name: 'campaign' is there twice"),
        ("sources: []\n", r"line 1, sources"),
        ("", r"line 1, top level"),
        ("- a\n", r"line 1, top level"),
        ("sources: [\n", r"is no YAML file"),
    ],
)
def test_errors_name_line_and_key(read, text, message):
    with pytest.raises(ConfigurationError, match=message) as error:
        read(text)
    assert error.value.exit_code == 2
    assert "sources.yml" in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_sources(tmp_path / "none.yml", {})


def test_whole_number_as_limit(read):
    assert read(MINIMAL + "    reject_limit: 1\n").sources[0].reject_limit == 1.0


def test_unknown_source(read):
    with pytest.raises(ConfigurationError, match="no source 'x'") as error:
        read(MINIMAL).named("x")
    assert "campaign" in error.value.hint


def test_servers_and_files(tmp_path):
    for name in ("b/0x00000000000A0000.log", "a/0x00000000000A2000.log.gz", "a/0x00000000000a0000.log"):
        path = tmp_path / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for name in ("readme.txt", "0x0.log", "0x00000000000A0000.log.bak", "1x00000000000A0000.log"):
        (tmp_path / "logs" / "a" / name).touch()
    (tmp_path / "logs" / "a" / "folder").mkdir()
    (tmp_path / "logs" / "file").touch()
    files = open_source(Source(name="x", kind="folder", path=tmp_path))
    assert files.servers() == ["a", "b"]
    assert [file.name for file in files.log_files("a")] == ["0x00000000000A2000.log.gz", "0x00000000000a0000.log"]
    assert [file.name for file in files.other_files("a")] == [
        "0x0.log",
        "0x00000000000A0000.log.bak",
        "1x00000000000A0000.log",
        "readme.txt",
    ]
    assert open_source(Source(name="x", kind="folder", path=Path("/nowhere"))).servers() == []


def test_contents(tmp_path):
    bodies = ("-5.html", "0.txt", "12.html", "12.txt", f"{2**63 - 1}.txt")
    others = ("+1.html", "-0.txt", "012.html", "12.HTML", "12.htm", "12.html.gz", "x.html", f"{2**63}.txt", "٣.txt")
    (tmp_path / "contents" / "7.html").mkdir(parents=True)
    for name in bodies + others:
        (tmp_path / "contents" / name).touch()
    files = open_source(Source(name="x", kind="folder", path=tmp_path))
    assert [(file.file.name, file.delivery_id, file.content_part) for file in files.content_files()] == [
        ("-5.html", -5, "html"),
        ("0.txt", 0, "text"),
        ("12.html", 12, "html"),
        ("12.txt", 12, "text"),
        # The loader says what is wrong with a folder of such a name.
        ("7.html", 7, "html"),
        (f"{2**63 - 1}.txt", 2**63 - 1, "text"),
    ]
    assert sorted(file.name for file in files.other_content_files()) == sorted(others)
    assert open_source(Source(name="x", kind="folder", path=tmp_path / "none")).content_files() == []


def test_the_path_on_another_machine_is_as_it_stands_there(read):
    remote = MINIMAL.replace("folder", "sftp").replace("landing", "srv/${WHERE}") + "    connection: elsewhere\n"
    assert read(remote, WHERE="logs").sources[0].path == Path("srv/logs")


def test_servers_and_probes_are_lists(read):
    text = MINIMAL + "    servers: [edge-b, edge-a]\n    health: ['https://t.example/r/test']\n"
    source = read(text).sources[0]
    assert (source.servers, source.health) == (("edge-b", "edge-a"), ("https://t.example/r/test",))
    assert open_source(source).servers() == ["edge-b", "edge-a"]
    for wrong in ("servers: [a, a]", "servers: [a/b]", "servers: a", "health: ['t.example']"):
        with pytest.raises(ConfigurationError, match=rf"line 5, sources\.0\.{wrong.partition(':')[0]}"):
            read(f"{MINIMAL}    {wrong}\n")


def test_names_of_reference_data_and_columns_are_known_ones(read):
    there = MINIMAL.replace("folder", "postgres") + "    connection: campaign_database\n"
    assert read(there + "    columns: {messages: {failure_reason: null}}\n").sources[0].columns == {
        "messages": {"failure_reason": None}
    }
    for wrong, complaint in {
        "columns: {messages: {shoe_size: a}}": "messages has no column 'shoe_size'",
        "columns: {messages: {message_id: null}}": "message_id is of the key of messages",
        "tables: {shoes: a}": "there is no reference data 'shoes'",
        "most_bytes_per_second: 7": "most_seconds_per_statement",
    }.items():
        with pytest.raises(ConfigurationError, match=complaint):
            read(f"{there}    {wrong}\n")
    with pytest.raises(ConfigurationError, match="`tables` is for sources of kind postgres"):
        read(MINIMAL + "    tables: {messages: a}\n")
