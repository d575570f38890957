"""Reading one line format each: a block of bytes in, accepted rows and rejected lines out. No database."""
