"""A made-up campaign as tracking-log files and exports, and the worked example of spec §5: for demos and tests."""

from message_tracking.sample.generating import generate_sample
from message_tracking.sample.options import SampleOptions
from message_tracking.sample.traits import TRAITS
from message_tracking.sample.worked_example import WORKED_EXAMPLE, lay_worked_example

__all__ = ["TRAITS", "WORKED_EXAMPLE", "SampleOptions", "generate_sample", "lay_worked_example"]
