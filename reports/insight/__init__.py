"""What levels and heartbeats mean: pure functions, which read no clock and no store."""
