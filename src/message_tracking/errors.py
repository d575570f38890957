"""The errors a user is meant to read."""


class MessageTrackingError(Exception):
    """Something the user can act on: what happened and where, and in `hint` what to do."""

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what if not hint else f"{what}\n{hint}")
        self.what = what
        self.hint = hint


class ConfigurationError(MessageTrackingError):
    """Settings, sources file or environment cannot be used as they are."""

    exit_code = 2


class UnreadableFileError(MessageTrackingError):
    """A file as a whole is not what it should be or cannot be read; nothing of it counts, and the others go on."""


class HeldError(MessageTrackingError):
    """Somebody else holds what is needed; the message says who and since when."""

    exit_code = 3


class RefusedError(MessageTrackingError):
    """The gate refused the candidate, so nothing was published."""

    exit_code = 4
