"""`make faults` in a minute: each kind of request meets each of its faults once, under load, before the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from django.test import override_settings

from reports import queue, store
from stack.servers import start_both
from tests.faults import faults
from tests.faults.crowding import large_arrays, worthless_arrays
from tests.faults.disorder import doubled
from tests.faults.faults import Action, black_hole, once
from tests.faults.load import Mix
from tests.faults.pipeline import Pipeline
from tests.faults.run import Run, Scenario, execute
from tests.faults.scenarios import HANGS, WIRE
from tests.support import fault_proxy
from tests.support.fault_proxy import Fault
from tests.support.kind import KIND
from tests.support.partial_answers import all_of_them, every, failed_entries, statement_errors, unprocessed, unread
from tests.support.servers import environment, eventually
from trashsite import aws

AT_ONCE = [fault for fault in WIRE.values() if fault and fault not in HANGS]
STUCK = "this worker should work and does not"
#: Other tests compute beside these: the promise of RECOVERY_S is that of `make faults`.
RECOVERY_S = 15.0


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A pipeline with a proxy before each server, and a worker that has what it holds back in seconds."""
    directory, suffix = tmp_path_factory.mktemp("short"), "short"
    servers = start_both(directory, kind=KIND)
    with pytest.MonkeyPatch.context() as patch, override_settings(TRASH_SUFFIX=suffix):
        for name, value in {**environment(*servers), "TRASH_SUFFIX": suffix}.items():
            patch.setenv(name, value)
        aws.forget()
        list(queue.provision())
        list(store.provision())
        made = Pipeline(suffix, servers, directory, kind=KIND)
        yield made
        made.close()
    aws.forget()


@pytest.fixture
def executed(pipeline: Pipeline) -> Callable[[Scenario], None]:
    """Play a scenario with a worker that has run before, or start it; whatever the judge finds is told."""

    def executed(scenario: Scenario) -> None:
        if scenario.starts:
            pipeline.clear()
        elif not pipeline.workers:
            pipeline.start(modules=["tests.reports.worker.brisk"]).ready()
        result = execute(replace(scenario, recovery_s=RECOVERY_S), pipeline, "threads", scenario.name)
        if scenario.starts:
            # The next scenario may need another kind of worker.
            pipeline.clear()
        assert result.problems == []
        assert result.sent

    return executed


def in_turn(server: str, operation: str, *faults: Fault) -> Action:
    """Break the next call by each fault in turn."""

    def action(run: Run) -> None:
        for fault in faults:
            once(server, fault, operation)(run)

    return action


def side_by_side(*actions: Action) -> Action:
    """Do all of it at once."""

    def action(run: Run) -> None:
        with ThreadPoolExecutor(len(actions)) as threads:
            list(threads.map(lambda each: each(run), actions))

    return action


def test_nothing_is_lost_outdated_or_twice_whatever_becomes_of_every_kind_of_request(
    executed: Callable[[Scenario], None],
) -> None:
    every_kind = side_by_side(
        in_turn("sqs", "ReceiveMessage", *AT_ONCE, fault_proxy.edit(doubled)),
        in_turn("sqs", "DeleteMessageBatch", *AT_ONCE, black_hole, failed_entries(every(2))),
        in_turn("sqs", "SendMessageBatch", *AT_ONCE, fault_proxy.hang_up, failed_entries(every(2))),
        in_turn("dynamodb", "BatchWriteItem", *AT_ONCE, unprocessed(every(2)), unprocessed(all_of_them)),
        in_turn("dynamodb", "BatchExecuteStatement", *AT_ONCE, black_hole, statement_errors(every(3))),
    )
    executed(Scenario("every kind", every_kind, mix=Mix(rate=200, poison=0.1, copies=(1, 2)), outages=60))


def test_what_is_held_in_an_outage_stays_invisible_although_that_fails_at_first(
    executed: Callable[[Scenario], None],
) -> None:
    extending = in_turn("sqs", "ChangeMessageVisibilityBatch", fault_proxy.reset, failed_entries(every(2)))
    executed(Scenario("visibility", faults.while_store_is_down(extending, lead_s=0.5), outages=4))


def test_keys_that_are_handed_back_unread_are_read_again(executed: Callable[[Scenario], None]) -> None:
    def new_cans(run: Run) -> None:
        run.pipeline.dynamodb.inject(unread(every(2)), "BatchGetItem", times=2)
        for _ in range(20):
            run.load.canary()
        eventually(lambda: run.pipeline.dynamodb.spoilt["BatchGetItem"] >= 2)
        run.pipeline.dynamodb.heal()

    executed(Scenario("unread", new_cans))


def test_a_hot_can_holds_up_no_other(executed: Callable[[Scenario], None]) -> None:
    executed(Scenario("hot", faults.hot_can(3), mix=Mix(rate=40)))


def test_one_device_that_sends_worthless_arrays_delays_nobody(executed: Callable[[Scenario], None]) -> None:
    executed(Scenario("ones", worthless_arrays(4.0, each_s=0.2), mix=Mix(rate=1), starts=True))


@pytest.mark.skipif(KIND == "java", reason="DynamoDB Local is too slow for that promise on two cores (decision 20)")
def test_large_arrays_come_once_and_delay_nobody(executed: Callable[[Scenario], None]) -> None:
    executed(Scenario("large", large_arrays(3), mix=Mix(rate=10), starts=True))


def test_a_receive_that_hangs_for_good_is_told_once_with_the_stacks_and_by_the_web(
    executed: Callable[[Scenario], None],
) -> None:
    def hang(run: Run) -> None:
        worker = run.preloaded("tests.reports.worker.brisk").ready()
        run.tell_preload("receive", "")
        assert eventually(lambda: any("answered no receive" in each for each in run.pipeline.health()), 45)
        assert eventually(lambda: "in hangs_while_told_to" in run.log(worker))
        run.tell_preload("receive", None)
        assert eventually(lambda: not run.pipeline.health())
        assert run.log(worker).count(STUCK) == 1

    executed(Scenario("hang", hang, mix=Mix(rate=10), starts=True, explained=(STUCK,)))
