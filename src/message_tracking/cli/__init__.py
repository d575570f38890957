"""The command `message-tracking`: every step of the pipeline is a verb."""

from message_tracking.cli.main import main

__all__ = ["main"]
