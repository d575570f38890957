"""What is written in C: how it is loaded, and that it is given what it takes."""

from pathlib import Path

import numpy as np
import pytest

from message_tracking import native
from message_tracking.errors import ConfigurationError


@pytest.mark.parametrize("content", [None, b"no library"])
def test_a_library_that_cannot_be_loaded_is_told_with_what_to_do(tmp_path: Path, content: bytes | None):
    library = tmp_path / "kernels.so"
    if content is not None:
        library.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"kernels.so cannot be loaded: .*\n`make setup` compiles it"):
        native._load(library)


def test_arrays_that_c_would_misread_are_refused():
    with pytest.raises(TypeError, match="uint16"):
        native.PlainLines(np.zeros(200, np.uint16), 10, 1, 0, 0)
    with pytest.raises(TypeError, match="uint8"):
        native.PlainLines(np.zeros(400, np.uint8)[::2], 10, 1, 0, 0)
    with pytest.raises(AssertionError):
        native.PlainLines(np.zeros(10, np.uint8), 10, 1, 0, 0)


def test_user_agents_are_numbered_as_they_come():
    agents = [b"a", b"bb", b"", b"a", b"ab", b"", b"x" * 100, b"x" * 99 + b"y", b"x" * 100]
    buffer = np.frombuffer(b"".join(agents), np.uint8)
    ends = np.cumsum([len(agent) for agent in agents])
    texts = np.full((len(agents), 7, 2), -1, np.int32)
    texts[:, 4, 0], texts[:, 4, 1] = [0, *ends[:-1]], ends
    numbers, first_rows = native.number_user_agents(buffer, texts)
    assert numbers.tolist() == [0, 1, 2, 0, 3, 2, 4, 5, 4]
    assert first_rows.tolist() == [0, 1, 2, 4, 6, 7]
