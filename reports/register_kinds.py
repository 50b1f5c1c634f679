"""The kinds of entries in the register (reports.store.register): the site writes them, workers read them."""

#: Of a sensor's key: its model and its mountings.
SENSOR = "sensor"
#: Of a can: what operators entered of it.
CAN = "can"
#: Of a can: since when it is out of service.
RETIRED = "retired"
#: The limits of streams, all in one entry of this id.
LIMITS, ALL_STREAMS = "limits", "streams"
#: Of a rule of alerts; and the list of rules (reports.insight.alert_rule.LISTED).
ALERT = "alert"
