"""Message-tracking warehouse: pull tracking logs, load them exactly once, build, judge and publish the marts."""
