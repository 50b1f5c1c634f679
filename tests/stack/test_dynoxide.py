"""Every laptop gets a local DynamoDB: which one, from where, and never another than the pinned one."""

from __future__ import annotations

import hashlib
import http.server
import io
import platform
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack import dynoxide, servers
from stack.servers import StackError, start_dynamodb

INSTALLED = servers.dynoxide()
APPLE, INTEL_MAC, ARM, PC = ("Darwin", "arm64"), ("Darwin", "x86_64"), ("Linux", "aarch64"), ("Linux", "x86_64")


def a_release(program: bytes, name: str = "dynoxide") -> bytes:
    """An archive as dynoxide's authors publish it: one program at its root."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as members:
        member = tarfile.TarInfo(name)
        member.size = len(program)
        members.addfile(member, io.BytesIO(program))
    return packed.getvalue()


class Releases(http.server.ThreadingHTTPServer):
    """The releases of dynoxide on this machine: each archive behind a redirect, as GitHub serves them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Releases)
        name = self.path.rpartition("/")[2]
        self.server.asked.append(self.path)
        if name not in self.server.files:
            self.send_error(404)
        elif not self.path.startswith("/stored/"):
            self.send_response(302)
            self.send_header("Location", f"/stored/{name}")
            self.end_headers()
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.files[name])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def releases() -> Iterator[Releases]:
    with Releases() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def laptop(releases: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An Apple laptop on which npm found no dynoxide; returns where it would be fetched to."""
    fetched = tmp_path / ".dynoxide/dynoxide"
    monkeypatch.delenv("DYNOXIDE", raising=False)
    monkeypatch.setenv("DYNOXIDE_RELEASES", releases.url)
    monkeypatch.setattr(servers, "DYNOXIDE_OF_NPM", tmp_path / "npm/dynoxide")
    monkeypatch.setattr(servers, "DYNOXIDE_FETCHED", fetched)
    monkeypatch.setattr(dynoxide, "DYNOXIDE_FETCHED", fetched)
    monkeypatch.setattr(dynoxide, "PINS", tmp_path / "dynoxide.sha256")
    be(APPLE, monkeypatch)
    return fetched


def be(machine: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: machine[0])
    monkeypatch.setattr(platform, "machine", lambda: machine[1])


def pin(archive: str, content: bytes) -> None:
    dynoxide.PINS.write_text(f"{hashlib.sha256(content).hexdigest()}  {archive}\n")


@pytest.mark.parametrize("machine", [APPLE, INTEL_MAC, ARM, PC])
def test_each_laptop_has_an_archive_and_its_hash(machine: tuple[str, str]) -> None:
    archive = dynoxide.archive_for(*machine)
    assert {"Darwin": "apple-darwin", "Linux": "linux-musl"}[machine[0]] in archive
    assert {"arm64": "aarch64", "aarch64": "aarch64", "x86_64": "x86_64"}[machine[1]] in archive
    assert len(bytes.fromhex(dynoxide.pinned(archive))) == 32


def test_no_two_archives_share_a_hash() -> None:
    assert len({dynoxide.pinned(archive) for archive in dynoxide.ARCHIVES.values()}) == 4


def test_what_was_fetched_is_the_store_that_starts(laptop: Path, releases: Releases, tmp_path: Path) -> None:
    assert INSTALLED, "make stack/.embedded"
    content = a_release(INSTALLED.read_bytes())
    releases.files["dynoxide-aarch64-apple-darwin.tar.gz"] = content
    pin("dynoxide-aarch64-apple-darwin.tar.gz", content)
    assert dynoxide.main() == 0
    assert servers.dynamodb_program(1, tmp_path).argv[0] == str(laptop)
    server = start_dynamodb(0, tmp_path / "data")
    try:
        assert isinstance(server.process.args, list)
        assert str(laptop) in server.process.args
    finally:
        server.stop()
    asked = len(releases.asked)
    assert dynoxide.main() == 0
    assert len(releases.asked) == asked, "what is there is not fetched again"


@pytest.mark.parametrize("content", [b"", b"another program", a_release(b"#!/bin/sh\necho another program\n")])
def test_a_corrupted_archive_is_refused_and_leaves_nothing(
    laptop: Path, releases: Releases, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    releases.files["dynoxide-aarch64-apple-darwin.tar.gz"] = content
    pin("dynoxide-aarch64-apple-darwin.tar.gz", a_release(b"#!/bin/sh\n"))
    assert dynoxide.main() == 1
    assert "is not what dynoxide.sha256 pins, so it is not used" in capsys.readouterr().err
    assert not laptop.parent.exists()
    assert servers.dynoxide() is None


def test_releases_that_do_not_answer_are_named_with_other_ways(
    laptop: Path, releases: Releases, capsys: pytest.CaptureFixture[str]
) -> None:
    pin("dynoxide-aarch64-apple-darwin.tar.gz", b"")
    assert dynoxide.main() == 1
    said = capsys.readouterr().err
    assert f"{releases.url}/dynoxide-aarch64-apple-darwin.tar.gz cannot be fetched: status 404." in said
    assert "make run DYNOXIDE=" in said
    assert not laptop.exists()


def test_a_machine_without_an_archive_is_told_other_ways(
    laptop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    be(("Linux", "riscv64"), monkeypatch)
    assert dynoxide.main() == 1
    said = capsys.readouterr().err
    assert "this is Linux on riscv64" in said
    assert "make run DYNOXIDE=" in said
    assert not laptop.exists()


def test_one_that_is_named_is_used_wherever_it_is(
    laptop: Path, releases: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("DYNOXIDE", str(own))
    assert dynoxide.main() == 0
    assert releases.asked == []
    assert servers.dynamodb_program(1, tmp_path).argv[0] == str(own)


def test_a_name_that_is_no_program_is_an_error_that_says_so(laptop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNOXIDE", "/nowhere/dynoxide")
    with pytest.raises(StackError, match="DYNOXIDE is '/nowhere/dynoxide', and there is no such program"):
        servers.dynoxide()


def test_a_store_that_is_not_installed_says_how_to_install_it(laptop: Path, tmp_path: Path) -> None:
    with pytest.raises(StackError, match="is not installed"):
        servers.dynamodb_program(1, tmp_path)
