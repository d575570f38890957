"""Items that are made in another thread."""

from collections.abc import Iterator

import pytest

from message_tracking.sample.ahead import made_ahead


def test_the_items_come_in_their_order() -> None:
    assert list(made_ahead(iter(range(5)))) == [0, 1, 2, 3, 4]
    assert list(made_ahead(iter(()))) == []


def test_what_goes_wrong_there_is_known_here() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("The disk is full.")

    found = made_ahead(items())
    assert next(found) == 1
    with pytest.raises(OSError, match="full"):
        next(found)
