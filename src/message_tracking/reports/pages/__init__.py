"""What each page shows: one module per report, with its queries."""
