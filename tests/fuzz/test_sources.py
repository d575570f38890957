"""Sources files, mutated and pathological: they are read as YAML says, or refused by name, and nothing else happens."""

from collections import Counter
from pathlib import Path
from random import Random
from zoneinfo import available_timezones

import pytest
import yaml
from tests.fuzz.mutating import Mutations

from message_tracking.errors import ConfigurationError
from message_tracking.parsing.tracking_log import parse_block
from message_tracking.settings import PROJECT
from message_tracking.sources import Sources, read_sources

MINIMAL = "sources:\n  - name: campaign\n    kind: folder\n    path: landing\n"
SEVERAL = f"""{MINIMAL}    time_zone: Europe/Paris
    reject_limit: 0.5
    logs: "logs/*/0x*.log*"
  - &second {{name: second, kind: folder, path: '${{MESSAGE_TRACKING_HOME}}/b', exports: exports, contents: c}}
  - <<: *second
    name: third
    reject_limit: 1
"""
LINES = [
    *(
        "    reject_limit: 0x_",
        "    reject_limit: 2026-01-05",
        "    reject_limit: .nan",
        "    reject_limit: 1:99",
        "---",
    ),
    *("    time_zone: 2001-99-99", "    time_zone: ~", "    ? [a, b]", "    : c", "    <<: *second", "    1: 2", "..."),
    *(
        "    path: !!python/name:os.system",
        "    logs: !!binary x",
        "    exports: !!set {a}",
        "%YAML 1.2",
        "  - *second",
    ),
    *(
        "    contents: |",
        "    contents: >-",
        "\tname: x",
        "    name: [" * 3,
        "# " + "x" * 100,
        '    path: "\\ud800\\0"',
    ),
]
NESTED = [
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
]
MERGED = [line.replace("[", "{<<: [").replace("]", "]}") for line in NESTED]
REFUSED = {
    "nothing": "",
    "a thousand nested lists of lists": "a: &a [lol]\n" + "".join(NESTED) + "sources: *i\n",
    "merges of merges": "a: &a {x: 1, y: 2, z: 3}\n" + "".join(MERGED) + "sources: *i\n",
    "a list in itself": "sources: &a [*a]\n",
    "a mapping merged into itself": "sources:\n  - &a\n    <<: *a\n    name: x\n",
    "ten thousand brackets": "sources: " + "[" * 10_000,
    "three thousand nested lists": "sources: " + "[" * 3_000 + "]" * 3_000,
    "three thousand levels": "".join(" " * level + "a:\n" for level in range(3_000)),
    "a number of 10 000 digits": MINIMAL + "    reject_limit: " + "9" * 10_000,
    "a day that does not exist": MINIMAL + "    time_zone: 2001-99-99",
    "an offset of 99 hours": MINIMAL + "    time_zone: 2001-01-01T00:00:00+99:99",
    "a number without digits": MINIMAL + "    reject_limit: 0x_",
    "an integer that is none": MINIMAL + "    reject_limit: !!int x",
    "an empty integer": MINIMAL + "    reject_limit: !!int ''",
    "a float that is none": MINIMAL + "    reject_limit: !!float x",
    "a boolean that is none": MINIMAL + "    reject_limit: !!bool x",
    "a time that is none": MINIMAL + "    reject_limit: !!timestamp x",
    "an object": MINIMAL + "    time_zone: !!python/object:os.system x",
    "a list as a key": "? [a, b]\n: c\n",
    "a key twice": MINIMAL + "    path: elsewhere",
    "tabs": MINIMAL.replace("  ", "\t"),
    "NUL": MINIMAL + "\0",
    "two documents": f"{MINIMAL}---\n{MINIMAL}",
    "a time zone that is a folder": MINIMAL + "    time_zone: Europe",
    "a time zone of 5 000 letters": MINIMAL + "    time_zone: " + "A" * 5_000,
}


def read(folder: Path, content: bytes) -> Sources | None:
    """Read a sources file and check what is told of it; None where it is refused."""
    file = folder / "sources.yml"
    file.write_bytes(content)
    try:
        found = read_sources(file, {"MESSAGE_TRACKING_HOME": str(folder)})
    except ConfigurationError as refusal:
        assert "sources.yml" in str(refusal)  # noqa: PT017  any other error is a fault
        assert refusal.hint  # noqa: PT017
        return None
    entries = yaml.safe_load(content.decode())["sources"]
    assert [source.name for source in found.sources] == [entry["name"] for entry in entries]
    assert [source.time_zone for source in found.sources] == [entry.get("time_zone", "UTC") for entry in entries]
    assert [source.reject_limit for source in found.sources] == [
        float(entry.get("reject_limit", 0.2)) for entry in entries
    ]
    return found


def judge_mutated_sources(folder: Path, count: int, seed: int) -> Counter[bool]:
    """Read that many mutated files; return how many were accepted."""
    texts = [(PROJECT / "config" / "sources.yml").read_text(), MINIMAL, SEVERAL, SEVERAL, "\n".join(LINES)]
    mutations = Mutations([text.encode() for text in texts], b"\n", seed)
    met = Counter()
    chance = Random(seed)
    for content in mutations.lines(count):
        lines = content.split(b"\n")
        if not chance.randrange(4):
            lines.insert(chance.randrange(len(lines) + 1), chance.choice(LINES).encode())
        met[read(folder, b"\n".join(lines)) is not None] += 1
    return met


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_refused(tmp_path: Path, text: str):
    assert read(tmp_path, text.encode()) is None


@pytest.mark.parametrize("content", [b"\xff\xfe" + MINIMAL.encode("utf-16-le"), b"\xff" + MINIMAL.encode()])
def test_what_is_not_utf8_is_refused(tmp_path: Path, content: bytes):
    assert read(tmp_path, content) is None


def test_anchors_and_merged_keys(tmp_path: Path):
    found = read(tmp_path, SEVERAL.encode())
    assert [(source.name, source.contents, source.reject_limit) for source in found.sources] == [
        ("campaign", "contents", 0.5),
        ("second", "c", 0.2),
        ("third", "c", 1.0),
    ]


@pytest.mark.parametrize("text", ["a day: 2001-99-99", "a: [0x_]", "a: 1\nb: 2\na: 3", "a: !!bool x"])
def test_a_refusal_says_the_line(tmp_path: Path, text: str):
    (tmp_path / "sources.yml").write_text(f"# one\n# two\n{text}\n")
    with pytest.raises(ConfigurationError, match=f"line {2 + len(text.splitlines())}, column"):
        read_sources(tmp_path / "sources.yml", {})


def test_every_time_zone_is_refused_or_can_be_used(tmp_path: Path):
    zones = sorted(available_timezones() - {"localtime", "Factory"})[::10]
    zones += ["posix/Europe/Paris", "right/UTC", "posixrules", "localtime", "Factory"]
    used = 0
    for zone in zones:
        if read(tmp_path, f"{MINIMAL}    time_zone: {zone}\n".encode()):
            parse_block(b"\n", time_zone=zone)
            used += 1
    assert len(zones) - 5 <= used < len(zones)


def test_mutated_sources(tmp_path: Path):
    met = judge_mutated_sources(tmp_path, 500, 1)
    assert min(met[True], met[False]) > 50, met


@pytest.mark.long
def test_five_thousand_mutated_sources(tmp_path: Path):
    assert judge_mutated_sources(tmp_path, 5_000, 2).total() == 5_000
