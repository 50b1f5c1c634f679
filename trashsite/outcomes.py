"""What becomes of a report that was received, by the names of its counts: they sum to the reports received."""

#: Of a report whose message is done.
SETTLED = ("stored", "repeated", "held", "ignored", "waiting", "set_aside")
#: "again": its message comes again, so it is received again.
OUTCOMES = (*SETTLED, "again")
