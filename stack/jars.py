"""
Fetch DynamoDB Local and ElasticMQ into stack/java/lib, and check every file against stack/java/lib.sha256.

    python -m stack.jars         what `make servers` does
    python -m stack.jars --pin   accept what came: after a change of a version in a pom.xml
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from stack.servers import JARS, StackError

SOURCE = JARS.parent
PINS = SOURCE / "lib.sha256"
NAMES = ("dynamodb", "elasticmq")
OLDEST_JAVA = 17


def main(arguments: list[str]) -> int:
    """Fetch, check, compile; return the exit status."""
    try:
        tools = check_tools()
        shutil.rmtree(JARS, ignore_errors=True)
        for name in NAMES:
            print(f"Fetching {name}", file=sys.stderr)
            fetch(tools["mvn"], name)
        found = {str(path.relative_to(JARS)): digest(path) for path in sorted(JARS.glob("*/*"))}
        if arguments == ["--pin"]:
            PINS.write_text("".join(f"{sha256}  {path}\n" for path, sha256 in found.items()))
        try:
            check(found)
        except StackError:
            shutil.rmtree(JARS)
            raise
        classpath = str(JARS / "dynamodb/*")
        run([tools["javac"], "-cp", classpath, "-d", str(JARS / "classes"), str(SOURCE / "Loopback.java")])
    except StackError as error:
        print(f"make servers: {error}", file=sys.stderr)
        return 1
    return 0


def check_tools() -> dict[str, str]:
    """Where java, javac and mvn are. Raises StackError, with what to install, where one is not."""
    tools = {name: shutil.which(name) for name in ("java", "javac", "mvn")}
    found = {name: path for name, path in tools.items() if path}
    if missing := tools.keys() - found.keys():
        raise StackError(
            f"{' and '.join(sorted(missing))} not found: install a JDK of {OLDEST_JAVA} or later and Maven "
            f"(Debian, Ubuntu: sudo apt install openjdk-{OLDEST_JAVA}-jdk-headless maven)."
        )
    banner = subprocess.run([found["java"], "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', banner)
    if not version or int(version[1]) < OLDEST_JAVA:
        raise StackError(f"Java {OLDEST_JAVA} or later is needed, this is: {banner.splitlines()[0]}")
    return found


def fetch(mvn: str, name: str) -> None:
    """Copy what stack/java/`name`/pom.xml asks for, and what that needs, into lib/`name`."""
    target = f"-DoutputDirectory={JARS / name}"
    pom = str(SOURCE / name / "pom.xml")
    run([mvn, "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime", target])


def run(command: list[str]) -> None:
    """Raises StackError with what the command printed where it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise StackError(f"{Path(command[0]).name} failed:\n{done.stdout}")


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check(found: dict[str, str]) -> None:
    """Raises StackError where a file is another one than pinned, is missing, or is one too many."""
    pinned = {path: sha256 for sha256, path in (line.split("  ") for line in PINS.read_text().splitlines())}
    wrong = sorted(path for path in pinned.keys() | found.keys() if pinned.get(path) != found.get(path))
    if wrong:
        raise StackError(f"not what {PINS.name} pins, so removed: {', '.join(wrong)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
