"""
The runner behind `make run`: stores, worker, web server and simulator on this machine, until Ctrl-C.

    python -m stack.run          start everything and keep it alive
    python -m stack.run --env    print the exports with which any AWS tool talks to it

From the environment: PORT (8000), SQS_PORT (9324), DYNAMODB_PORT (9325), WORKER_METRICS_PORT (9101), WEB_METRICS_PORT
(9102), TRASH_DATA (.data), STACK (embedded, or java after `make servers`), SIMULATE (arguments of `manage.py simulate`;
"off" starts none).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from stack.box import box, short
from stack.front import blocked_ports, front
from stack.servers import OPEN_TO_PAGES, StackError, is_free
from stack.services import WITHOUT_SECRETS, services
from stack.settings import ROOT, Settings, exports
from stack.supervisor import Output, Supervisor, run


@contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Hold the data for one stack. Raises StackError where another has it."""
    data.mkdir(parents=True, exist_ok=True)
    # It may be from a version that let others read it.
    data.chmod(data.stat().st_mode & 0o700)
    with (data / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise StackError(
                f"A stack runs on {short(data)} already (process {lock.read().strip()}): use that one, "
                "or stop it with Ctrl-C first."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def check_ports(settings: Settings) -> None:
    """Raises StackError, with what to do, where a port is taken."""
    wanted = {
        "PORT": settings.port,
        "SQS_PORT": settings.sqs_port,
        "DYNAMODB_PORT": settings.dynamodb_port,
        "WORKER_METRICS_PORT": settings.worker_metrics_port,
        "WEB_METRICS_PORT": settings.web_metrics_port,
    }
    for variable, port in wanted.items():
        if not is_free(port):
            other = next(p for p in range(port + 1, 65536) if p not in wanted.values() and is_free(p))
            raise StackError(
                f"Port {port} is taken by another program. Stop that, or choose another port: "
                f"make run {variable}={other}"
            )


def check_simulate(settings: Settings) -> None:
    """
    Raises StackError, with the reason, where the simulator would refuse its arguments.

    A simulator that ends is started again, so it would refuse them over and over.
    """
    if settings.simulate in ("", "off"):
        return
    said = f"SIMULATE is {settings.simulate!r}"
    try:
        arguments = shlex.split(settings.simulate)
    except ValueError as error:
        raise StackError(f"{said}: {error}.") from error
    checked = subprocess.run(
        [sys.executable, "manage.py", "simulate", *arguments, "--check"],
        env=settings.environment(os.environ) | WITHOUT_SECRETS,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if checked.returncode:
        # Above its last line, argparse shows how the command is used.
        reason = checked.stderr.strip().rpartition("\n")[2]
        raise StackError(f"{said}; it must be arguments of `manage.py simulate`, or off. {reason}")


def main(arguments: list[str]) -> int:
    """Run the stack, or print its exports; return the exit status."""
    try:
        settings = Settings.from_environment(os.environ)
        if arguments == ["--env"]:
            print(exports(settings))
            return 0
        os.chdir(ROOT)
        # What is kept has passwords, a token and sessions in it: nobody else on the machine may read it.
        os.umask(0o077)
        check_simulate(settings)
        fronted = OPEN_TO_PAGES[settings.kind]
        with only_one(settings.data), blocked_ports(len(fronted)) as ports:
            check_ports(settings)
            ports_behind = dict(zip(fronted, ports, strict=True))
            wanted = services(settings, ports_behind)
            output = Output(sys.stdout, [service.name for service in wanted])
            supervisor = Supervisor(wanted, settings.environment(os.environ), output)
            asyncio.run(_run(settings, ports_behind, supervisor, output))
    except StackError as error:
        print(f"make run: {error}", file=sys.stderr)
        return 1
    return 0


async def _run(settings: Settings, ports_behind: Mapping[str, int], supervisor: Supervisor, output: Output) -> None:
    async with AsyncExitStack() as fronts:
        for name, port in ports_behind.items():
            await fronts.enter_async_context(front(settings.stores[name], port))
        await run(supervisor, lambda: output.write(box(settings)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
