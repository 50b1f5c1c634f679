"""A shell as a reader of the documents has it, and the local stack that `make run` starts for them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from stack.servers import free_port, is_free
from tests.docs.blocks import Block
from tests.support.kind import KIND
from tests.support.servers import ROOT, eventually

#: What a test's environment has beyond a reader's.
NOT_A_READERS = ("AWS_", "TRASH_", "DJANGO_", "MAKE", "MFLAGS", "ARGS", "STACK", "PYTEST", "VIRTUAL_ENV")
#: No command in the documents needs the simulated fleet that `make run` starts for everybody, and it costs seconds.
SIMULATE = "off"


class Stack:
    """`make run` on free ports and data of its own."""

    def __init__(self, data: Path) -> None:
        self.data = data
        data.mkdir()
        self.log = data / "make-run.log"
        # What the documents call by their usual numbers.
        self.ports = {usual: free_port() for usual in (8000, 9324, 9325, 9090, 9101, 9102)}
        given = {name: text for name, text in os.environ.items() if not name.startswith(NOT_A_READERS)}
        # The AWS CLI that the tests know, and not one that this machine happens to have.
        path = f"{ROOT / 'stack/.aws/bin'}:{given['PATH']}"
        self.environment = given | {
            "PATH": path,
            # Lines of stdout and stderr come in the order that a terminal shows.
            "PYTHONUNBUFFERED": "1",
            "TRASH_DATA": str(data),
            "SIMULATE": SIMULATE,
            "PORT": str(self.ports[8000]),
            "SQS_PORT": str(self.ports[9324]),
            "DYNAMODB_PORT": str(self.ports[9325]),
            "WORKER_METRICS_PORT": str(self.ports[9101]),
            "WEB_METRICS_PORT": str(self.ports[9102]),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def here(self, text: str) -> str:
        """Return commands or their output with this stack's ports for the usual ones."""
        usual = "|".join(map(str, self.ports))
        return re.sub(rf"\b({usual})\b", lambda found: str(self.ports[int(found[0])]), text)

    def run(self, *, after_commands: bool = False) -> None:
        """Start it where it does not run, and wait for its box; after_commands: one of them may be ending it now."""
        if self.process:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(5 if after_commands else 0)
        if self.process and self.process.poll() is None:
            return
        eventually(lambda: all(is_free(self.ports[usual]) for usual in (8000, 9324, 9325)))
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                ["make", "run"], cwd=ROOT, env={**self.environment, "STACK": KIND}, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        eventually(self._has_said_where, 90)

    def _has_said_where(self) -> bool:
        assert self.process and self.process.poll() is None, self.log.read_text()
        return f"http://localhost:{self.ports[8000]}/" in self.log.read_text()

    def stop(self) -> None:
        """Ctrl-C, which reaches make and what it started."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
            self.process.wait(15)


class Shell:
    """One bash in the folder `root`, in which a document's blocks run in order, beside a stack that runs."""

    def __init__(self, stack: Stack, folder: Path, root: Path) -> None:
        self.stack = stack
        self.folder = folder
        self.root = root
        self.number = 0
        self.bash = subprocess.Popen(
            ["bash", "--norc"], cwd=root, env=stack.environment, start_new_session=True, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        # -m: each job is a process group, as in a terminal. -E: the trap also sees what fails in a script that is read.
        self._say("set -m -E; trap 'echo \"FAILED: $BASH_COMMAND\"; failed=1' ERR")

    def run(self, block: Block) -> None:
        """Run a block; fail where one of its commands fails or prints what the document does not say."""
        if block.text.strip() == "make run":
            self.stack.run(after_commands=self.number > 0)
            return
        if block.language == "diff":
            self._apply(block)
            return
        wanted = Block(block.document, block.line, "sh", "", "", self.stack.here(block.expected))
        where = f"{block.document.relative_to(ROOT)}:{block.line}"
        said: list[tuple[str, str]] = []

        def once() -> bool:
            said.append(self._output(self.stack.here(block.text)))
            return said[-1][0] == "0" and wanted.prints(said[-1][1])

        try:
            eventually(once, 20 if block.may_come_later else 0, pause_s=0.3)
        except AssertionError:
            failed, output = said[-1]
            raise AssertionError(f"{where}: failed={failed}\n{output}\n--- wanted:\n{wanted.expected}") from None

    def _apply(self, block: Block) -> None:
        """Change the files of `root` as a block of `diff` says."""
        done = subprocess.run(
            ["git", "apply", "--recount", "-"], cwd=self.root, input=block.text, capture_output=True, text=True,
            # In a copy that is no repository, nor part of one.
            env={**self.stack.environment, "GIT_CEILING_DIRECTORIES": str(self.root.parent)}, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{block.document.name}:{block.line} does not apply:\n{done.stderr}{block.text}"

    def _output(self, commands: str) -> tuple[str, str]:
        """Return whether a command failed, "0" or "1", and what all of them printed."""
        self.number += 1
        script, output, done = (self.folder / f"{self.number}.{kind}" for kind in ("sh", "out", "done"))
        script.write_text(commands)
        self._say(f"failed=0; . {script} > {output} 2>&1; echo $failed > {done}.new; mv {done}.new {done}")
        eventually(lambda: done.exists() or self.bash.poll() is not None, 90)
        assert self.bash.poll() is None, output.read_text()
        return done.read_text().strip(), output.read_text(errors="replace")

    def _say(self, line: str) -> None:
        assert self.bash.stdin
        self.bash.stdin.write(line + "\n")
        self.bash.stdin.flush()

    def close(self) -> None:
        """End it, and the jobs that its blocks left."""
        self._say("for job in $(jobs -p); do kill -9 -- -$job; done; exit")
        assert self.bash.stdin
        self.bash.stdin.close()
        self.bash.wait(10)
