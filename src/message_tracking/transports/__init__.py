"""Where a source's files lie: on this machine, or where a connection leads."""
