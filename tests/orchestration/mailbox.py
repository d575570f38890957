"""A real mail server that keeps what it is sent, for those who log in."""

import email
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

LOGIN = "alerts"


class Mailbox:
    """The mails that came, and what an Airflow connection to the server needs."""

    def __init__(self) -> None:
        self.secret = secrets.token_hex(16)
        """The password; to be found nowhere."""
        self.mails: list[dict[str, str]] = []
        """Each with `to`, `subject`, `body` and `whole`, as it came over the line."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]

    @property
    def connection(self) -> str:
        """The address for `AIRFLOW_CONN_SMTP_DEFAULT`."""
        extra = "disable_ssl=true&disable_tls=true&from_email=warehouse%40example.com&retry_limit=0"
        return f"smtp://{LOGIN}:{self.secret}@127.0.0.1:{self.port}?{extra}"

    def authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, login: LoginPassword
    ) -> AuthResult:
        """Let in who knows the password."""
        return AuthResult(success=(login.login, login.password) == (LOGIN.encode(), self.secret.encode()))

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  (the server's name)
        """Keep a mail."""
        whole = envelope.content.decode()
        mail = email.message_from_string(whole, policy=default)
        body = mail.get_body().get_content()
        self.mails.append(
            {"to": ", ".join(envelope.rcpt_tos), "subject": mail["Subject"], "body": body, "whole": whole}
        )
        return "250 OK"


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """Serve on a port of this machine."""
    mailbox = Mailbox()
    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=mailbox.port,
        authenticator=mailbox.authenticate,
        auth_required=True,
        auth_require_tls=False,
    )
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
