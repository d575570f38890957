"""The gate: suites run on the candidate, results recorded in ops, a verdict read from the records (design §7)."""

import os

# Great Expectations reads it when it is imported.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
