import stat

import pytest

from message_tracking.credentials import Credentials
from message_tracking.errors import MessageTrackingError


@pytest.fixture
def credentials(tmp_path):
    return Credentials(tmp_path / "credentials.json")


def test_a_password_is_made_once_and_kept(credentials):
    made = credentials.make("reader")
    assert len(made) == 32
    assert credentials.make("reader") == credentials.get("reader") == made
    assert Credentials(credentials.path).get("reader") == made


def test_every_login_has_its_own_password(credentials):
    assert credentials.make("one") != credentials.make("other")
    assert credentials.has("one")
    assert credentials.has("other")


def test_only_the_owner_can_read_the_file(credentials):
    credentials.make("one")
    credentials.make("other")
    assert stat.S_IMODE(credentials.path.stat().st_mode) == 0o600
    assert [file.name for file in credentials.path.parent.iterdir()] == ["credentials.json"]


def test_a_login_that_was_not_made_says_which_verb_makes_it(credentials):
    assert not credentials.has("reader")
    with pytest.raises(MessageTrackingError, match=r"reader(.|\n)*message-tracking migrate"):
        credentials.get("reader")


@pytest.mark.parametrize("content", ["", "{", "[1]", "\xff"])
def test_a_damaged_file_is_named_and_not_replaced(credentials, content):
    credentials.path.write_bytes(content.encode("latin-1"))
    with pytest.raises(MessageTrackingError, match=r"credentials\.json"):
        credentials.make("reader")
    assert credentials.path.read_bytes() == content.encode("latin-1")
