"""The campaign behind a sample: everything that stands before the first reaction."""

from dataclasses import dataclass
from functools import cached_property

from message_tracking.sample.consents import Consents
from message_tracking.sample.deliveries import Deliveries
from message_tracking.sample.messages import Messages
from message_tracking.sample.options import SampleOptions
from message_tracking.sample.tracked_urls import TrackedUrls


@dataclass(frozen=True)
class Campaign:
    """Deliveries, their messages and their tracked URLs; equal options make equal campaigns."""

    options: SampleOptions

    @cached_property
    def deliveries(self) -> Deliveries:
        """Who sent what when."""
        return Deliveries(self.options)

    @cached_property
    def messages(self) -> Messages:
        """To whom."""
        return Messages(self.deliveries)

    @cached_property
    def consents(self) -> Consents:
        """Who refuses to be tracked."""
        return Consents(self.messages)

    @cached_property
    def urls(self) -> TrackedUrls:
        """With which links."""
        return TrackedUrls(self.deliveries)
