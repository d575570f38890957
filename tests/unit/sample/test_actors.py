"""Machines are planted as they are seen in the field, and the file that tells them from people is true."""

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from statistics import median
from typing import Any

import pytest

from message_tracking.errors import ConfigurationError
from message_tracking.sample import SampleOptions, generate_sample
from message_tracking.sample.agents import BOTS, GOOGLE_PROXY, OTHER_BOTS, YAHOO_PROXY
from message_tracking.sample.profiles import PROFILES
from message_tracking.sample.traits import ACTOR_TRAITS

VENDORS = {"proofpoint", "mimecast", "barracuda", "microsoft"}
CLOUDS = {"amazon", "google_cloud", "droplets"}
OPTIONS = SampleOptions(lines=40_000, seed=11, corrupted_share=0, actors_file=True)


HIDDEN = {"late_events", "unknown_messages", "zero_messages", "foreign_messages", "unknown_urls", "foreign_urls"}
"""Traits by which lines are missing, late, or name another message."""


@pytest.fixture(scope="module")
def field(small_chunks: None, read_sample: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("actors") / "campaign"
    generate_sample(replace(OPTIONS, without=frozenset(HIDDEN)), folder)
    return read_sample(folder)


@pytest.fixture(scope="module")
def second(small_chunks: None, read_sample: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("second") / "campaign"
    generate_sample(replace(OPTIONS, actors_profile="second", without=frozenset(HIDDEN)), folder)
    return read_sample(folder)


@pytest.fixture(scope="module")
def bursts(field) -> list[list[Any]]:
    return scans(field)


def scans(field: Any) -> list[list[Any]]:
    """What scanners do with a message, until they leave it alone for a minute."""
    by_message = defaultdict(list)
    for found in field.of_actor("scanner"):
        by_message[found.message_id].append(found)
    found_bursts = []
    for events in by_message.values():
        begins = [0, *(place for place, gap in enumerate(gaps(events), 1) if gap > 60)]
        found_bursts += [events[begin:end] for begin, end in pairwise([*begins, len(events)])]
    return found_bursts


def gaps(events: list[Any]) -> list[float]:
    return [(later.at - earlier.at).total_seconds() for earlier, later in pairwise(events)]


def share(found: Any) -> float:
    answers = list(found)
    return sum(answers) / len(answers)


def links(field: Any, events: list[Any]) -> list[int]:
    return [found.url_id for found in events if field.kind(found) != "open"]


def seconds_since_sent(field: Any, found: Any) -> float:
    return float((found.at - field.sent_at[found.message_id]).total_seconds())


def html_messages(field: Any) -> set[int]:
    return {found.message_id for found in field.events if field.kind(found) == "open"}


# The file.


def test_each_good_line_has_an_actor_and_no_other_has(sample) -> None:
    assert set(sample.actors) == {found.log_id for found in sample.events}
    assert len(sample.actors) == len(sample.events) == sample.planted["good_line_count"] < sample.planted["line_count"]
    assert Counter(sample.actors.values()) == sample.planted["actors"]
    assert set(sample.planted["actors"]) == {"person", "image_proxy", "prefetch", "scanner"}


@pytest.mark.parametrize(
    ("options", "is_there"),
    [
        ({}, False),
        ({"actors_file": True}, True),
        ({"actors_file": True, "without": ACTOR_TRAITS}, False),
        ({"actors_file": True, "without": ACTOR_TRAITS - {"fast_readers"}}, True),
    ],
)
def test_the_file_is_there_where_it_was_asked_for_and_has_something_to_say(tmp_path, options, is_there: bool) -> None:
    planted = generate_sample(SampleOptions(lines=300, deliveries=1, **options), tmp_path)
    assert (tmp_path / "actors.csv.gz").exists() == is_there
    assert ("actors" in planted) == (options.get("without") != ACTOR_TRAITS)


def test_the_file_changes_no_line(read_sample, tmp_path) -> None:
    for name, asks in (("with", True), ("without", False)):
        generate_sample(SampleOptions(lines=2_000, actors_file=asks), tmp_path / name)
    assert read_sample(tmp_path / "with").lines == read_sample(tmp_path / "without").lines


def test_whoever_is_left_out_is_no_actor(read_sample, tmp_path) -> None:
    generate_sample(replace(OPTIONS, lines=6_000, without=ACTOR_TRAITS - {"fast_readers"}), tmp_path)
    people = read_sample(tmp_path)
    assert set(people.actors.values()) == {"person"}
    assert {found.comes_from for found in people.events} == {""}
    assert {"Mozilla/5.0", GOOGLE_PROXY, YAHOO_PROXY, *BOTS}.isdisjoint(found.agent for found in people.events)


def test_machines_leave_room_for_people_in_a_small_sample(tmp_path) -> None:
    planted = generate_sample(SampleOptions(lines=200), tmp_path)
    assert 0 < planted["actors"]["scanner"] + planted["actors"]["prefetch"] <= 100


# The shapes.


def test_mail_apps_open_each_message_once_whether_or_not_anybody_looks(field) -> None:
    prefetches = field.of_actor("prefetch")
    assert {(found.agent, found.comes_from, found.uuid, field.kind(found)) for found in prefetches} == {
        ("Mozilla/5.0", "relay", "", "open")
    }
    assert "Mozilla/5.0" not in {found.agent for found in field.events if field.actors[found.log_id] != "prefetch"}
    assert any(":" in found.address for found in prefetches)
    assert set(Counter(found.message_id for found in prefetches).values()) == {1}
    assert 0.12 < len(prefetches) / len(field.exports["messages"]) < 0.18
    delays = [seconds_since_sent(field, found) for found in prefetches]
    assert min(delays) >= 120
    assert 20 * 60 < median(delays) < 80 * 60
    assert share(delay > 4 * 3600 for delay in delays) > 0.02


def test_who_reads_with_such_an_app_clicks_from_a_browser_and_is_seldom_seen_to_open(field) -> None:
    prefetched = {found.message_id for found in field.of_actor("prefetch")}
    by_people = [found for found in field.of_actor("person") if found.message_id in prefetched]
    kinds = Counter(map(field.kind, by_people))
    assert 0 < kinds["open"] < 0.4 * kinds["click"]
    apple = share("Safari" in found.agent and "Chrome" not in found.agent for found in by_people)
    assert 0.7 < apple < 1  # the others are people it was forwarded to
    assert share(found.comes_from == "relay" for found in by_people) > 0.1
    assert share(found.comes_from == "" for found in by_people) > 0.5


def test_proxies_open_for_people_who_click_themselves(field) -> None:
    opens = field.of_actor("image_proxy")
    assert {field.kind(found) for found in opens} == {"open"}
    domains = {row["message_id"]: row["address_domain"] for row in field.exports["messages"]}
    agents = defaultdict(set)
    for found in opens:
        agents[found.comes_from, domains[str(found.message_id)]].add(found.agent)
    assert agents["google", "gmail.com"] == {GOOGLE_PROXY}
    assert agents["yahoo", "yahoo.com"] == {YAHOO_PROXY}
    assert len(agents["outlook", "outlook.com"]) > 5
    assert set(agents) == {
        ("google", "gmail.com"),
        ("yahoo", "yahoo.com"),
        ("outlook", "outlook.com"),
        ("outlook", "hotmail.com"),
    }
    proxied = {found.message_id for found in opens}
    assert 0.1 < len(proxied) / len(html_messages(field)) < 0.2
    others = [found for found in field.events if found.message_id in proxied and field.kind(found) == "click"]
    assert len(others) > 100
    assert {(field.actors[found.log_id], found.comes_from) for found in others} == {("person", "")}
    assert not {GOOGLE_PROXY, YAHOO_PROXY} & {found.agent for found in others}


def test_scans_begin_as_in_the_field(field, bursts) -> None:
    assert len(bursts) > 700
    delays = [seconds_since_sent(field, burst[0]) for burst in bursts]
    assert 40 < median(delays) < 50
    assert share(delay < 10 for delay in delays) < 0.01
    assert 0.01 < share(delay < 20 for delay in delays) < 0.05
    assert 0.27 < share(delay > 60 for delay in delays) < 0.36
    assert share(delay > 3600 for delay in delays) > 0.04
    assert max(delays) > 12 * 3600


def test_scans_follow_distinct_links_one_after_the_other(field, bursts) -> None:
    assert 0.045 < len({burst[0].message_id for burst in bursts}) / len(field.exports["messages"]) < 0.07
    followed = [links(field, burst) for burst in bursts]
    assert share(len(set(urls)) == len(urls) for urls in followed) > 0.99
    assert 0.1 < share(len(urls) <= 2 for urls in followed) < 0.3
    assert 0.25 < share(len(urls) > 15 for urls in followed) < 0.45
    steps = [gap for burst in bursts for gap in gaps(burst)]
    assert 0.4 < median(steps) < 1
    assert share(step < 0.2 for step in steps) > 0.05
    assert share(step > 3 for step in steps) > 0.02
    kinds = Counter(map(field.kind, field.of_actor("scanner")))
    assert min(kinds["opt_out"], kinds["mirror_page"]) > 200
    html = [burst for burst in bursts if len(burst) > 2 and burst[0].letter == "h"]
    assert 0.5 < share("open" in map(field.kind, burst) for burst in html) < 0.8


def test_some_scans_follow_every_link_of_the_body(field, bursts) -> None:
    placed = defaultdict(set)
    for row in field.exports["tracked_urls"]:
        is_placed = row["type"] in {"0", "1", "3", "6", "7"} and row["label"] != "Old landing page"
        placed[row["delivery_id"], row["content_part"]].add(int(row["url_id"])) if is_placed else None
    parts = {"h": "html", "t": "text"}
    are_whole = [
        set(links(field, burst)) == placed[str(burst[0].delivery_id), parts[burst[0].letter]] for burst in bursts
    ]
    assert 0.25 < share(are_whole) < 0.45


def test_scans_come_from_few_addresses_of_vendors_and_clouds(field, bursts) -> None:
    assert {found.comes_from for found in field.of_actor("scanner")} == VENDORS | CLOUDS
    assert 0.5 < share(burst[0].comes_from in VENDORS for burst in bursts) < 0.8
    assert share(len({found.comes_from for found in burst}) == 1 for burst in bursts) > 0.99
    neighbours = [{found.address.rpartition(".")[0] for found in burst} for burst in bursts]
    assert share(len(found) == 1 for found in neighbours) > 0.99
    assert 0.5 < share(len({found.address for found in burst}) == 1 for burst in bursts) < 0.8
    domains = {row["message_id"]: row["address_domain"] for row in field.exports["messages"]}
    networks = defaultdict(set)
    for burst in bursts:
        networks[domains[str(burst[0].message_id)]].add(burst[0].comes_from)
    assert len(networks) == 9
    assert {len(found) for found in networks.values()} == {1}


def test_scans_look_like_browsers_like_bots_or_like_nothing(bursts) -> None:
    agents = [{found.agent for found in burst} for burst in bursts]
    assert 0.06 < share(found == {""} for found in agents) < 0.18
    assert 0.06 < share(found <= set(BOTS) for found in agents) < 0.18
    assert 0.65 < share(all("Windows NT 10.0" in agent for agent in found) for found in agents) < 0.85
    assert share(len(found) > 3 for found in agents) > 0.05
    assert 0.15 < share(len({found.uuid for found in burst if found.uuid}) == 1 for burst in bursts) < 0.6


def test_people_behind_isolation_browsers_click_link_by_link(field) -> None:
    isolated = [found for found in field.of_actor("person") if found.comes_from in VENDORS]
    assert {found.comes_from for found in isolated} == {"proofpoint", "mimecast"}
    assert "open" not in set(map(field.kind, isolated))
    assert {"Mozilla/5.0", *BOTS}.isdisjoint(found.agent for found in isolated)
    assert median(seconds_since_sent(field, found) for found in isolated) > 3600
    by_message = defaultdict(list)
    for found in isolated:
        by_message[found.message_id].append(found)
    quick_pairs = [
        (earlier, later)
        for events in by_message.values()
        for earlier, later in pairwise(events)
        if later.at - earlier.at < timedelta(seconds=20) and later.url_id != earlier.url_id
    ]
    assert len(quick_pairs) <= 1


def test_fast_readers_click_two_or_three_links_or_at_once(field) -> None:
    by_reader = defaultdict(list)
    for found in field.of_actor("person"):
        if field.kind(found) == "click" and found.address and not found.comes_from:
            by_reader[found.message_id, found.address].append(found)
    runs = Counter()
    for clicks in by_reader.values():
        begins = [0, *(place for place, gap in enumerate(gaps(clicks), 1) if gap > 13)]
        runs.update(len(set(links(field, clicks[begin:end]))) for begin, end in pairwise([*begins, len(clicks)]))
    assert runs[2] > 100
    assert 5 < runs[3] < runs[2] / 4
    assert runs[4] + runs[5] <= 2
    at_once = [found for found in field.of_actor("person") if seconds_since_sent(field, found) < 20]
    assert len({found.message_id for found in at_once if field.kind(found) == "click"}) > 30


def test_some_people_click_while_the_gateway_scans(field, bursts) -> None:
    clicks = defaultdict(list)
    for found in field.of_actor("person"):
        if field.kind(found) == "click":
            clicks[found.message_id].append(found)
    at_click = [
        burst
        for burst in bursts
        if any(abs(burst[0].at - click.at) < timedelta(seconds=5) for click in clicks[burst[0].message_id])
    ]
    assert 0.04 < len(at_click) / len(bursts) < 0.12
    assert min(seconds_since_sent(field, burst[0]) for burst in at_click) >= 600


def test_scanners_follow_the_link_that_people_do_not_see(field, bursts) -> None:
    lures = {int(row["url_id"]): row for row in field.exports["tracked_urls"] if row["category"] == "lure"}
    assert {(row["type"], row["content_part"]) for row in lures.values()} == {("1", "html")}
    assert 4 < len(lures) < len(field.exports["deliveries"]) / 2 + 1
    followers = [field.actors[found.log_id] for found in field.events if found.url_id in lures]
    assert set(followers) == {"scanner"}
    assert len(followers) > 100
    for row in lures.values():
        body = field.body(row["delivery_id"], "html")
        assert (
            body is None
            or f'<a href="{row["source_url"]}" aria-hidden="true" tabindex="-1" style="display:none' in body
        )
    avoiding = [burst for burst in bursts if len(burst) > 5 and not lures.keys() & {found.url_id for found in burst}]
    assert avoiding


# Other habits.


def test_the_default_profile_goes_without_saying(read_sample, tmp_path) -> None:
    for profile in PROFILES:
        generate_sample(SampleOptions(lines=2_000, actors_profile=profile), tmp_path / profile)
    generate_sample(SampleOptions(lines=2_000), tmp_path / "field")
    field, second = (read_sample(tmp_path / profile) for profile in PROFILES)
    assert "actors_profile" not in field.planted["options"]
    assert second.planted["options"]["actors_profile"] == "second"
    assert field.lines != second.lines


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"--actors-profile third: .*\s.*field or second"):
        SampleOptions(actors_profile="third")


def test_profiles_are_of_the_same_companies() -> None:
    domains = [[gateway.domain for gateway in profile.gateways] for profile in PROFILES.values()]
    assert domains[0] == domains[1]


def test_the_second_profile_plants_what_it_says(second) -> None:
    profile, found = PROFILES["second"], scans(second)
    assert {event.comes_from for event in second.of_actor("scanner")} == {
        gateway.network.name for gateway in profile.gateways
    }
    agents = {event.agent for event in second.of_actor("scanner")}
    assert {"", *OTHER_BOTS} <= agents <= {"", *profile.browsers, *profile.bots}
    clicks = [[event for event in events if second.kind(event) != "open"] for events in found]
    steps = [gap for events in clicks for gap in gaps(events)]
    assert 0.1 < median(steps) < 0.4
    assert share(step > 3 for step in steps) > 0.02
    assert 0.2 < share(len(events) == 1 for events in clicks) < 0.5
    neighbours = [{event.address.rpartition(".")[0] for event in events} for events in found if len(events) > 5]
    assert 0.2 < share(len(networks) > 3 for networks in neighbours) < 0.4
    messages = Counter(events[0].message_id for events in found)
    assert 0.1 < share(count > 1 for count in messages.values()) < 0.3
    prefetched = [seconds_since_sent(second, event) for event in second.of_actor("prefetch")]
    assert 100 * 60 < median(prefetched) < 200 * 60
    assert min(prefetched) >= 30
    assert max(prefetched) > 24 * 3_600
    assert max(event.at for event in second.events).date() < OPTIONS.start
    assert second.planted["line_count"] == OPTIONS.lines
