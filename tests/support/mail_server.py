"""A mail server: TLS first, then a password, then mail, which it takes, refuses or keeps waiting as it is told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from threading import Event

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = b"alerts", b"p@ss/w:rd%"


class MailServer:
    """
    What it took, each with its recipients. refusal: an answer in place of taking a mail, "" for none.

    hangs: whether it takes a mail and then says nothing until `released` is set.
    """

    def __init__(self) -> None:
        self.got: list[tuple[list[str], Message]] = []
        self.refusal = ""
        self.hangs = False
        self.released = Event()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a mail, or not; a session without TLS never comes here."""
        assert session.ssl is not None
        if self.refusal:
            return self.refusal
        assert isinstance(envelope.content, bytes)
        self.got.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        if self.hangs:
            await asyncio.to_thread(self.released.wait, 30)
        return "250 OK"


def _known(server: SMTP, session: Session, envelope: Envelope, mechanism: str, told: object) -> AuthResult:
    is_known = isinstance(told, LoginPassword) and (told.login, told.password) == (USER, PASSWORD)
    return AuthResult(success=is_known)


@contextmanager
def mail_server(tls: ssl.SSLContext, port: int) -> Iterator[MailServer]:
    """Run one on this machine; it asks for TLS, and then for USER and PASSWORD."""
    server = MailServer()
    controller = Controller(
        server, "127.0.0.1", port, tls_context=tls, require_starttls=True, auth_required=True, authenticator=_known
    )
    controller.start()
    try:
        yield server
    finally:
        server.released.set()
        controller.stop()
