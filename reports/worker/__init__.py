"""The worker process around its tasks: checks at the start, heartbeat, counters, and the limit on dead letters."""
