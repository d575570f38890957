"""`message-tracking reports`: an address with a token, behind which the pages are, until it is told to stop."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from urllib.error import URLError
from urllib.request import HTTPCookieProcessor, build_opener

from message_tracking.embedded import SUPERUSER


def free_port():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def opened(address):
    """The page that a browser shows, once the pages are served."""
    browser = build_opener(HTTPCookieProcessor())
    while True:
        try:
            with browser.open(address) as page:
                return page.read().decode()
        except URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise
            time.sleep(0.1)


def test_the_address_that_it_prints_logs_in(published, tmp_path):
    environment = os.environ | {
        "MESSAGE_TRACKING_HOME": str(tmp_path),
        "MESSAGE_TRACKING_WAREHOUSE": published.url(SUPERUSER),
    }
    verb = [
        sys.executable,
        "-c",
        "from message_tracking.cli import main; main()",
        "reports",
        "--port",
        str(free_port()),
    ]
    with subprocess.Popen(verb, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().removeprefix("Open ").strip()
            assert "Worked example" in opened(address)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()
    assert process.returncode == 0
