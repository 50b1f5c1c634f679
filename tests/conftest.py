"""What every test can ask for: stand-ins for AWS, fresh queues and tables, a worker."""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.loaders import JSONFileLoader, Loader
from django.test import override_settings
from hypothesis import settings as hypothesis_settings
from pytest_django.fixtures import Settings

from reports import queue, store
from reports.web import database, fleet_count, fleet_csv, fleet_walk, ingestion, over_time, probes, rate_limits
from tests.support import aws_calls
from tests.support.fault_proxy import FaultProxy
from tests.support.kind import KIND
from tests.support.servers import ROOT, Worker, aws_stand_ins
from trashsite import aws
from trashsite.sqs import entries

# As in the Makefile, for tests that are started by hand: they start some hundred programs.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Tests make AWS clients anew, hundreds of times: what botocore reads from its own folders for each is read once,
# which takes a client from 82 to 23 ms of CPU.
_load_file = functools.cache(JSONFileLoader().load_file)
JSONFileLoader.load_file = lambda self, path: _load_file(path)  # type: ignore[method-assign]
_services = functools.cache(lambda paths, type_name: _list_services(Loader(list(paths)), type_name))
_list_services = Loader.list_available_services
Loader.list_available_services = lambda self, type_name: _services(  # type: ignore[method-assign]
    tuple(self.search_paths), type_name
)


def pytest_configure(config: pytest.Config) -> None:
    """Record which rights on AWS this process and all that it starts need: no test runs with a right that none has."""
    if not os.environ.get("AWS_CALLS"):
        os.environ["AWS_CALLS"] = config.stash[_OURS] = tempfile.mkdtemp(prefix="aws-calls-")
        os.environ["PYTHONPATH"] = os.pathsep.join(
            [str(Path(__file__).parent / "support/recording"), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
    aws_calls.install(aws, Path(os.environ["AWS_CALLS"]))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where something needed a right that is not written down in tests/deploy/rights.json."""
    if directory := session.config.stash.get(_OURS, None):
        unknown = aws_calls.recorded_in(Path(directory)).rights - aws_calls.read().rights
        shutil.rmtree(directory)
        for right in sorted(unknown):
            print(f"\nA new right on AWS is needed, see docs/operations/rights.md: {right}", end="")
        if unknown:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files that wait for programs first, beside as many that compute: so no core is idle, and none is last."""
    files = dict.fromkeys(item.path for item in items)
    waiting = [file for file in files if str(file.relative_to(ROOT)).startswith(LONG)]
    computing = [file for file in files if file not in waiting]
    in_turn = [file for pair in zip_longest(waiting, computing) for file in pair if file]
    place = {file: at for at, file in enumerate(in_turn)}
    items.sort(key=lambda item: place[item.path])


# On a busy machine an example of microseconds takes longer than the 200 ms that Hypothesis allows.
hypothesis_settings.register_profile("without deadline", deadline=None)
hypothesis_settings.load_profile("without deadline")

_OURS = pytest.StashKey[str]()
#: Files of half a minute or more, and folders of such files, by `make test`'s list of durations.
LONG = (
    "tests/docs/test_blocks", "tests/faults", "tests/reports/web/browser", "tests/reports/worker",
    "tests/reports/store/test_two_versions", "tests/trashsite/test_receiver", "tests/deploy", "tests/stack",
)  # fmt: skip


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Start the stand-ins; yields the environment that leads to them."""
    with aws_stand_ins(tmp_path_factory.mktemp(KIND), KIND) as environ, pytest.MonkeyPatch.context() as patch:
        if KIND == "java":
            # The first statements of a Java server take seconds, and some more where other tests run beside it.
            patch.setattr(aws, "TIMEOUT_S", 30.0)
            patch.setitem(aws.Client.patiently.__kwdefaults__, "within_s", 30.0)
        yield environ


@pytest.fixture
def aws_environment(stand_ins: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Lead this process, and those that it starts, to the stand-ins."""
    for name, value in stand_ins.items():
        monkeypatch.setenv(name, value)
    aws.forget()
    yield stand_ins
    aws.forget()


@pytest.fixture
def proxy_to(aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], FaultProxy]]:
    """Put a proxy that breaks things between this process and a service: proxy_to("sqs") or proxy_to("dynamodb")."""
    with ExitStack() as stack:

        def start(service: str) -> FaultProxy:
            name = f"AWS_ENDPOINT_URL_{service.upper()}"
            started = stack.enter_context(FaultProxy(aws_environment[name]))
            monkeypatch.setenv(name, started.url)
            aws.forget()
            return started

        yield start


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up sooner than in earnest, at SQS and DynamoDB: the rules are the same."""
    # On a busy machine a request of 60 statements takes more than half of that.
    monkeypatch.setitem(aws.Client.patiently.__kwdefaults__, "within_s", 1.0)
    monkeypatch.setattr(aws, "SILENCE_S", 0.0)
    monkeypatch.setitem(entries.request_entries.__kwdefaults__, "within_s", 0.5)
    monkeypatch.setattr("reports.store.reading.READ_WITHIN_S", 0.5)
    monkeypatch.setattr("reports.store.writing.TRIES", 2)
    monkeypatch.setattr("reports.store.batches.pause_s", lambda attempt, first_s, most_s: 0.01)


@pytest.fixture
def suffix(aws_environment: dict[str, str], settings: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    """Fresh queues and tables, whose names end with the suffix returned."""
    suffix = secrets.token_hex(4)
    settings.TRASH_SUFFIX = suffix
    monkeypatch.setenv("TRASH_SUFFIX", suffix)
    list(queue.provision())
    list(store.provision())
    return suffix


@pytest.fixture(scope="module")
def shared_suffix(stand_ins: dict[str, str]) -> Iterator[str]:
    """As `suffix`, but one for the whole module: for tests that need no empty tables, and run often."""
    suffix = secrets.token_hex(4)
    with pytest.MonkeyPatch.context() as patch, override_settings(TRASH_SUFFIX=suffix):
        for name, value in {**stand_ins, "TRASH_SUFFIX": suffix}.items():
            patch.setenv(name, value)
        aws.forget()
        list(queue.provision())
        list(store.provision())
        yield suffix
    aws.forget()


@pytest.fixture
def worker(suffix: str, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Start workers on the fresh queues and tables; each is killed at the end if the test did not stop it."""
    started: list[Worker] = []

    def start(*arguments: str, **environ: str) -> Worker:
        started.append(Worker(tmp_path / f"worker-{len(started)}.log", *arguments, **environ))
        return started[-1]

    yield start
    for each in started:
        each.kill()


@pytest.fixture(scope="session", autouse=True)
def local_mode() -> None:
    """Fail at once, and say why, where the tests are started by hand without local mode."""
    assert os.environ.get("TRASH_LOCAL") == "1", "run the tests by `make test`, or set TRASH_LOCAL=1"


@pytest.fixture(scope="session", autouse=True)
def quick() -> Iterator[None]:
    """Hash passwords in no time, and do in the tests' own thread what a site does in others."""
    chosen = {
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
        # Each new Client would read all 190 static files' sizes and times first: 30 ms.
        "WHITENOISE_AUTOREFRESH": True,
    }
    with override_settings(**chosen), pytest.MonkeyPatch.context() as patch:
        # Another thread does not see what a test has written to Django's database.
        patch.setattr(fleet_count, "in_background", in_foreground)
        # These close the connection of such a thread: it is a test's own here, on PostgreSQL with all that it wrote.
        for module in (fleet_csv, fleet_walk):
            patch.setattr(module, "close_old_connections", lambda: None)
        yield


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """
    Forget what earlier tests counted against rate limits, and read of health, of the workers and of past hours.

    Rate limits count in windows of the clock: here it stands still, so that no window ends between two requests.
    """
    rate_limits.forget()
    probes.forget()
    ingestion.forget()
    database.forget()
    over_time.forget()
    now_s = time.time()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rate_limits, "time", SimpleNamespace(time=lambda: now_s))
        yield


def in_foreground(work: Callable[[], None]) -> Future[None]:
    """Do something here and now, as fleet_count.in_background does in a thread."""
    work()
    done: Future[None] = Future()
    done.set_result(None)
    return done
