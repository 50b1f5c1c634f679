"""Alerts: which rules there are, what is told by them, by which channel, and what time alone changes."""
