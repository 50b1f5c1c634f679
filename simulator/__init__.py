"""A simulated fleet of trash cans, for a stack that has no real ones."""
