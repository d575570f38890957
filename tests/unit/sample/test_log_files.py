"""The log files: names, ids, gaps, repeats, unfinished lines, and each kind of corrupted line."""

import re
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest

from message_tracking.sample import SampleOptions, generate_sample
from message_tracking.sample.lines import CORRUPTIONS, KINDS_WITHOUT_ID


def fields_of(line: bytes) -> list[str]:
    return line.decode(errors="replace").split("\t")


def test_files_are_named_by_their_first_line(sample) -> None:
    for server, files in sample.files.items():
        described = sample.planted["servers"][server]
        for name, lines in files.items():
            assert re.fullmatch(r"0x[0-9A-F]{16}\.log(\.gz)?", name)
            if name.startswith("0x0"):
                assert lines[0][1:19].decode() == name[:18]
        logs = sample.logs(server)
        assert {len(files[name]) for name in logs[:-1]} <= {4096, 8192}
        assert described["file_count"] == len(files)
        assert described["gzip_file_count"] == sum(name.endswith(".gz") for name in files)
        assert described["line_count"] == len(sample.lines[server])
    servers = sample.planted["servers"].values()
    assert len({server["prefix"] for server in servers}) == len(servers) == 3
    assert 0 < sum(server["gzip_file_count"] for server in servers) < sum(server["file_count"] for server in servers)


def test_ids_are_consecutive_but_for_the_gaps(sample) -> None:
    for server, lines in sample.lines.items():
        described = sample.planted["servers"][server]
        ids = [fields_of(line)[0] for line in lines]
        known = [int(one[1:], 16) for one in ids if re.fullmatch(rf"{described['prefix']}0x[0-9A-F]{{16}}", one)]
        assert known == sorted(set(known))
        assert ids[0] == described["first_id"]
        assert ids[-1] == described["last_id"]
        assert described["gap_count"] == known[-1] - known[0] + 1 - len(known) > 0


def test_repeated_files_hold_lines_of_the_logs(sample) -> None:
    for server, files in sample.files.items():
        described = sample.planted["servers"][server]
        logs = sample.logs(server)
        (repeat,) = files.keys() - set(logs)
        assert len(files[repeat]) == described["repeated_line_count"] > 0
        assert set(files[repeat]) <= set(sample.lines[server])
        bad = sum(sample.event(line) is None for line in files[repeat])
        assert bad == described["repeated_corrupted_line_count"]
    repeats = [files[next(iter(files.keys() - set(sample.logs(server))))] for server, files in sample.files.items()]
    first, second, third = repeats
    logs_of = {server: [files[name] for name in sample.logs(server)] for server, files in sample.files.items()}
    assert first == logs_of["tracking-1"][-1]
    assert third == logs_of["tracking-3"][-1]
    before, last = logs_of["tracking-2"][-2:]
    assert second[0] in before
    assert second[-1] in last
    assert second not in (before, last)


def test_the_newest_plain_file_is_still_being_written(sample) -> None:
    unfinished = 0
    for server, files in sample.files.items():
        described = sample.planted["servers"][server]
        newest = sample.folder / "logs" / server / sample.logs(server)[-1]
        for name in files.keys() - {newest.name}:
            assert name.endswith(".gz") or (newest.parent / name).read_bytes().endswith(b"\n")
        if newest.suffix == ".gz":
            assert not described["unfinished_line"]
            continue
        rest = newest.read_bytes().rpartition(b"\n")[2]
        whole = described["unfinished_line"].encode()
        assert 19 < len(rest) < len(whole)
        assert whole.startswith(rest)
        assert sample.event(whole)
        assert int(whole[1:19], 16) == int(described["last_id"][1:], 16) + 1
        unfinished += 1
    assert unfinished == sample.planted["traits"]["unfinished_lines"]


def test_every_line_is_good_or_corrupted_as_planted(sample, options) -> None:
    planted = sample.planted
    assert sum(map(len, sample.lines.values())) == planted["line_count"] == options.lines
    bad = {server: [line for line in found if not sample.event(line)] for server, found in sample.lines.items()}
    assert {server: len(found) for server, found in bad.items()} == {
        server: described["corrupted_line_count"] for server, described in planted["servers"].items()
    }
    kinds = Counter(kind for found in bad.values() for line in found for kind in CORRUPTIONS if is_of_kind(line, kind))
    assert kinds == planted["corrupted_lines"]
    assert set(planted["corrupted_lines"]) == set(CORRUPTIONS)
    assert all(planted["corrupted_lines"].values())
    assert sum(kinds.values()) == planted["corrupted_line_count"]
    without_id = sum(not re.match(rb"[0-9A-Za-z]0x[0-9A-F]{16}", line) for found in bad.values() for line in found)
    assert without_id == sum(planted["corrupted_lines"][kind] for kind in KINDS_WITHOUT_ID)


def is_of_kind(line: bytes, kind: str) -> bool:
    fields = fields_of(line)
    is_whole = 10 < len(fields) < 20
    looks = {
        "missing_field": len(fields) == 10,
        "no_prefix": line.startswith(b"0x"),
        "date_with_zone": is_whole and fields[1].endswith("Z"),
        "date_with_offset": is_whole and fields[1].endswith("+02:00"),
        "date_with_space": is_whole and " " in fields[1],
        "signed_message_id": is_whole and fields[2].startswith("-"),
        "delivery_id_not_hex": is_whole and fields[3].endswith("g"),
        "hyphen_in_field_6": is_whole and fields[5] == "0-0",
        "uuid_in_braces": is_whole and fields[6].startswith("{"),
        "escape_character": b"\x1b" in line,
        "nul_character": b"\0" in line,
        "tab_in_user_agent": b"Mozilla/5.0\t(" in line,
        "host_name_for_address": line.endswith(b"\tproxy.example.net"),
        "address_with_zone": line.endswith(b"%eth0"),
        "addresses_behind_space": line.endswith(b"\t203.0.113.7 10.0.0.4"),
        "truncated": len(fields) == 6,
        "two_records_glued": len(fields) >= 20,
        "empty_line": not line,
        "uuid_for_message_id": is_whole and len(fields[2]) == 36,
        "no_such_day": is_whole and fields[1].startswith("2025-02-30"),
        "no_delivery_id": is_whole and not fields[3],
        "long_url_id": is_whole and len(fields[4]) == 9,
        "long_uuid": is_whole and len(fields[6]) == 49,
        "two_type_letters": is_whole and len(fields[7]) == 2,
        "no_such_address": line.endswith(b".256"),
    }
    assert looks.keys() == CORRUPTIONS.keys()
    return looks[kind]


def test_the_ends_of_a_log_are_never_corrupted(read_sample, tmp_path) -> None:
    generate_sample(SampleOptions(lines=3_000, corrupted_share=1, gzip_share=0), tmp_path)
    corrupted = read_sample(tmp_path)
    for server, lines in corrupted.lines.items():
        good = [place for place, line in enumerate(lines) if corrupted.event(line)]
        assert good[0] == 0
        assert good[-1] == len(lines) - 1
        assert len(good) < 10
        assert corrupted.event(corrupted.planted["servers"][server]["unfinished_line"].encode())


def test_lines_are_in_the_order_of_time_but_for_late_ones(sample, read_sample, tmp_path) -> None:
    generate_sample(SampleOptions(lines=4_000, without=frozenset({"late_events"})), tmp_path)
    punctual = read_sample(tmp_path)
    for lines in punctual.lines.values():
        at = [found.at for line in lines if (found := punctual.event(line))]
        assert at == sorted(at)
    for server, lines in sample.lines.items():
        at = [found.at for line in lines if (found := sample.event(line))]
        newest = f"{max(at).isoformat(timespec='milliseconds')}Z"
        assert sample.planted["servers"][server]["newest_event_at"] == newest
        in_order = sum(earlier <= later for earlier, later in pairwise(at))
        assert 0.98 * len(at) < in_order < len(at) - 1


def test_opens_at_the_edges_are_kept_or_duplicates(sample) -> None:
    """Chains: a duplicate does not move the window, so 60 s after the last kept open counts (spec §8.24)."""
    opens: dict[tuple[int, int], list] = {}
    for found in sample.events:
        if found.url_id == 1:
            opens.setdefault((found.delivery_id, found.message_id), []).append(found.at)
    seconds = [tuple(timedelta(seconds=one) for one in chain) for chain in ((30, 59.9, 60), (30, 60.1, 90, 120.1))]
    for chain in seconds:
        assert any({at + step for step in chain} <= set(times) for times in opens.values() for at in times)


@pytest.mark.parametrize("servers", [1, 5])
def test_other_numbers_of_servers(read_sample, tmp_path, servers: int) -> None:
    planted = generate_sample(SampleOptions(lines=9_000, servers=servers), tmp_path)
    other = read_sample(tmp_path)
    assert sum(map(len, other.lines.values())) == 9_000
    assert planted["traits"]["repeated_files"] == servers
