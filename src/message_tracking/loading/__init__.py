"""From files to `raw`: what is read, how often, and what the ledger says about it (design §6)."""
