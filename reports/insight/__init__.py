"""What levels mean: pure functions, no clock, no store."""
