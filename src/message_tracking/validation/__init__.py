"""The gate: suites run on the candidate, results recorded in ops, a verdict read from the records (design §7)."""
