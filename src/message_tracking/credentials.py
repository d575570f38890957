"""The generated passwords of the embedded server's logins."""

import json
import os
import secrets
from pathlib import Path

from message_tracking.errors import MessageTrackingError


class Credentials:
    """A JSON file `{login: password}` that only its owner can read.

    All methods raise MessageTrackingError where it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def has(self, login: str) -> bool:
        """Whether the login has a password."""
        return login in self._read()

    def get(self, login: str) -> str:
        """The password of a login; MessageTrackingError where there is none."""
        try:
            return self._read()[login]
        except KeyError:
            raise MessageTrackingError(
                f"There is no password of {login} in {self.path} yet.", "`message-tracking migrate` makes the logins."
            ) from None

    def make(self, login: str) -> str:
        """The password of a login, generated where there is none: letters, digits, `-` and `_`."""
        known = self._read()
        if login not in known:
            known[login] = secrets.token_urlsafe(24)
            self._write(known)
        return known[login]

    def _read(self) -> dict[str, str]:
        try:
            return dict(json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError) as error:
            raise MessageTrackingError(
                f"The server's passwords in {self.path} cannot be read: {error}",
                "Act as the user who owns the file, or restore it.",
            ) from error

    def _write(self, known: dict[str, str]) -> None:
        """Replace the file as a whole, so that nobody reads half of it."""
        new = self.path.with_name(f".credentials.{secrets.token_hex(4)}")
        new.touch(mode=0o600)
        new.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
        give_to_owner_of_folder(new)
        new.replace(self.path)


def give_to_owner_of_folder(path: Path) -> None:
    """Where root works in another user's home, leave files there that its owner can use."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
