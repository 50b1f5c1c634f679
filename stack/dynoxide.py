"""
Fetch dynoxide, the local DynamoDB, where npm has not brought it, and check it against stack/dynoxide.sha256.

    python -m stack.dynoxide     what `make run` does after `npm ci`; does nothing where dynoxide is there

stack/package-lock.json holds dynoxide for Linux on x86-64 alone. Elsewhere it comes from the releases of its authors,
whose hashes are those of their Homebrew formula for RELEASE. Another source: DYNOXIDE_RELEASES, a folder's URL.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from stack.servers import DYNOXIDE_FETCHED, HERE, StackError, dynoxide, node

#: 1.2.1, the version in package-lock.json, differs from it in the import command and the MCP server, which we do not
#: use, and in `contains` on number sets.
RELEASE = "1.1.0"
RELEASES = f"https://github.com/nubo-db/dynoxide/releases/download/v{RELEASE}"
PINS = HERE / "dynoxide.sha256"
#: By what Python calls system and machine.
ARCHIVES = {
    ("Darwin", "arm64"): "dynoxide-aarch64-apple-darwin.tar.gz",
    ("Darwin", "x86_64"): "dynoxide-x86_64-apple-darwin.tar.gz",
    ("Linux", "aarch64"): "dynoxide-aarch64-unknown-linux-musl.tar.gz",
    ("Linux", "x86_64"): "dynoxide-x86_64-unknown-linux-musl.tar.gz",
}
OTHER_WAYS = (
    f"Build it where there is Rust (`cargo install dynoxide-rs --version {RELEASE} --locked`) and name it "
    "(`make run DYNOXIDE=$HOME/.cargo/bin/dynoxide`), or run `docker compose up`."
)
FETCH_WITHIN_S = 120
#: Node fetches, because it brings certificates of its own; Python from python.org has none on macOS until the user has
#: installed them.
FETCH = """
import { writeFile } from "node:fs/promises";
const [url, file, within_s] = process.argv.slice(1);
try {
  const answer = await fetch(url, { signal: AbortSignal.timeout(1000 * within_s) });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  await writeFile(file, new Uint8Array(await answer.arrayBuffer()));
} catch (error) {
  console.error(error.cause?.message || error.message);
  process.exit(1);
}
"""


def main() -> int:
    """Fetch it if it is not there; return the exit status."""
    try:
        if not dynoxide():
            archive = archive_for(platform.system(), platform.machine())
            releases = os.environ.get("DYNOXIDE_RELEASES") or RELEASES
            print(f"Fetching {archive} from {releases}", file=sys.stderr)
            fetch(f"{releases}/{archive}", pinned(archive), DYNOXIDE_FETCHED)
    except StackError as error:
        print(f"make: {error}", file=sys.stderr)
        return 1
    return 0


def archive_for(system: str, machine: str) -> str:
    """The name of the archive for a machine. Raises StackError, with other ways, where there is none."""
    try:
        return ARCHIVES[system, machine]
    except KeyError:
        raise StackError(
            "dynoxide, the local DynamoDB, is published for Linux and macOS on x86-64 and ARM64, and this is "
            f"{system} on {machine}. {OTHER_WAYS}"
        ) from None


def pinned(archive: str) -> str:
    """The SHA-256 that stack/dynoxide.sha256 gives for an archive, in hexadecimal."""
    return {name: sha256 for sha256, name in (line.split("  ") for line in PINS.read_text().splitlines())}[archive]


def fetch(url: str, sha256: str, program: Path) -> None:
    """Write the program in the archive at `url` to `program`. Raises StackError where the archive is not as pinned."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "archive"
        command = [str(node()), "--input-type=module", "-e", FETCH, url, str(archive), str(FETCH_WITHIN_S)]
        # Node follows HTTP_PROXY and its kind only if asked.
        environment = {**os.environ, "NODE_USE_ENV_PROXY": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StackError(
                f"{url} cannot be fetched: {done.stderr.strip()}. DYNOXIDE_RELEASES names another source. {OTHER_WAYS}"
            )
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != sha256:
            raise StackError(f"{url} is not what {PINS.name} pins, so it is not used: its SHA-256 is {found}.")
        with tarfile.open(archive) as members:
            packed = members.extractfile("dynoxide")
            assert packed, f"{url} is as pinned, and holds a folder in the program's place"
            content = packed.read()
    program.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: an interrupted write must not be found as the program.
    part = program.with_suffix(".part")
    part.write_bytes(content)
    part.chmod(0o755)
    part.replace(program)


if __name__ == "__main__":
    sys.exit(main())
