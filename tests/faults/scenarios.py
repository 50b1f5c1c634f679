"""Every scenario as data: what breaks, for how long, and what may come of it."""

from __future__ import annotations

from tests.faults import alerting, crowding, database, deaths, disorder, faults, mutations, visitors
from tests.faults.faults import black_hole, once, outage, trickle, while_store_is_down
from tests.faults.load import Mix
from tests.faults.run import Scenario
from tests.support import fault_proxy
from tests.support import partial_answers as partial
from tests.support.fault_proxy import Fault

#: What a network or a service does to one request. None: the server refuses connections.
WIRE: dict[str, Fault | None] = {
    "refused": None,
    "reset": fault_proxy.reset,
    "cut short": fault_proxy.cut_short,
    "HTML with 200": fault_proxy.html,
    "400 throttle": fault_proxy.throttled,
    "403 expired token": fault_proxy.expired_token,
    "500": fault_proxy.error("InternalError", 500),
    "503": fault_proxy.unavailable,
    "never answered": black_hole,
    "trickling": trickle,
    "answer lost": fault_proxy.lose_answer,
}
#: A client notices these only by its patience.
HANGS = (black_hole, trickle)
#: A receive that hangs ends after its wait and five seconds.
HUNG_S = 14.0
#: Messages whose receive or delete was lost come back after 30 s.
HIDDEN_S = 35.0


def receives() -> list[Scenario]:
    """Faults of ReceiveMessage."""
    return [
        Scenario(
            f"receive: {name}",
            outage("sqs", fault, "ReceiveMessage", seconds=5),
            recovery_s=HUNG_S if fault in HANGS else 5.0,
            seconds=HIDDEN_S if name in ("cut short", "answer lost") else 12.0,
        )
        for name, fault in WIRE.items()
    ]


def deletes() -> list[Scenario]:
    """Faults of DeleteMessageBatch: the messages come back, to no effect."""
    faults = {name: fault for name, fault in WIRE.items() if fault} | {
        "hung up": fault_proxy.hang_up,
        "half of the entries": partial.failed_entries(partial.every(2)),
        "all entries": partial.failed_entries(partial.all_of_them, "ReceiptHandleIsInvalid", sender_fault=True),
    }
    return [
        Scenario(f"delete: {name}", outage("sqs", fault, "DeleteMessageBatch"), seconds=HIDDEN_S)
        for name, fault in faults.items()
    ]


def visibilities() -> list[Scenario]:
    """Faults of ChangeMessageVisibilityBatch, while the store is down and messages are held."""
    faults = {name: fault for name, fault in WIRE.items() if fault} | {
        "hung up": fault_proxy.hang_up,
        "half of the entries": partial.failed_entries(partial.every(2)),
    }
    return [
        Scenario(
            f"visibility: {name}",
            while_store_is_down(outage("sqs", fault, "ChangeMessageVisibilityBatch")),
            seconds=30,
        )
        for name, fault in faults.items()
    ]


def dead_letters() -> list[Scenario]:
    """Faults of SendMessageBatch to the dead-letter queue."""
    faults = {name: fault for name, fault in WIRE.items() if fault} | {
        "hung up": fault_proxy.hang_up,
        "half of the entries": partial.failed_entries(partial.every(2)),
    }
    return [
        Scenario(f"dead letter: {name}", outage("sqs", fault, "SendMessageBatch"), mix=Mix(poison=0.05), outages=4)
        for name, fault in faults.items()
    ]


def stores() -> list[Scenario]:
    """Faults of DynamoDB."""
    writes = ("BatchWriteItem", "BatchExecuteStatement")
    throughput = fault_proxy.error("ProvisionedThroughputExceededException")
    return [
        Scenario("store: throttled in bursts", faults.bursts("dynamodb", throughput, *writes), outages=4),
        Scenario(
            "store: unprocessed items",
            outage("dynamodb", partial.unprocessed(partial.every(2)), writes[0]),
            outages=2,
        ),
        Scenario(
            "store: all unprocessed",
            outage("dynamodb", partial.unprocessed(partial.all_of_them), writes[0]),
        ),
        Scenario(
            "store: errors per statement",
            outage("dynamodb", partial.statement_errors(partial.every(3)), writes[1]),
        ),
        Scenario("store: one can is hot", faults.hot_can(8), seconds=20),
        Scenario("store: unread keys", outage("dynamodb", partial.unread(partial.every(2)), "BatchGetItem")),
        Scenario("store: 500", outage("dynamodb", fault_proxy.error("InternalServerError", 500), *writes)),
        Scenario("store: 503", outage("dynamodb", fault_proxy.unavailable, *writes)),
        Scenario("store: slow", outage("dynamodb", fault_proxy.slow(1.0), *writes, seconds=6)),
        Scenario("store: never answered", outage("dynamodb", black_hole, *writes), recovery_s=8),
        Scenario("store: cut short", outage("dynamodb", fault_proxy.cut_short, *writes)),
        Scenario("store: answer lost", outage("dynamodb", fault_proxy.lose_answer, *writes)),
        Scenario("store: reset", outage("dynamodb", fault_proxy.reset)),
        Scenario("store: expired token", outage("dynamodb", fault_proxy.expired_token)),
        Scenario("store: HTML with 200", outage("dynamodb", fault_proxy.html)),
        Scenario(
            "store: refused for 60 s",
            outage("dynamodb", None, seconds=60),
            mix=Mix(rate=60, arrays=0),
            seconds=75,
            most_executions=1.0,
        ),
    ]


def short() -> list[Scenario]:
    """One fault each, as it happens every day."""
    single = {name: fault for name, fault in WIRE.items() if fault}
    return [
        Scenario(f"once: {name}", once("sqs", fault, "ReceiveMessage"), recovery_s=HUNG_S if fault in HANGS else 5)
        for name, fault in single.items()
    ] + [
        Scenario("once: SQS away for 30 s", outage("sqs", None, seconds=30), mix=Mix(rate=80), seconds=45),
        Scenario("once: DynamoDB away for 30 s", outage("dynamodb", None, seconds=30), mix=Mix(rate=80), seconds=45),
    ]


GROUPS = {
    "receive": receives,
    "delete": deletes,
    "visibility": visibilities,
    "dead-letter": dead_letters,
    "store": stores,
    "once": short,
    "death": deaths.deaths,
    "server": deaths.servers,
    "database": database.databases,
    "alerts": alerting.alerts,
    "order": disorder.orders,
    "crowd": crowding.crowds,
    "visitors": visitors.visitors,
    "mutations": mutations.hostile,
}
SCENARIOS: dict[str, Scenario] = {each.name: each for made in GROUPS.values() for each in made()}
