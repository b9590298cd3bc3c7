import mailbox
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from smtplib import SMTP, SMTPRecipientsRefused

import pytest

from cli.stack.folder import DataFolder
from cli.stack.ports import HOST, is_free, remembered

MESSAGE = "Message-ID: <one@everorder.example>\r\nSubject: Your order\r\n\r\nThank you.\r\n"


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    return tmp_path / "mail" / "inbox"


@pytest.fixture
def server(tmp_path: Path, maildir: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    port = remembered(DataFolder(tmp_path), "mail")["mail"]
    arguments = ["mail", "--host", HOST, "--port", str(port), "--maildir", str(maildir)]
    with subprocess.Popen([sys.executable, "-P", "-m", "cli.main", *arguments]) as process:
        while is_free(port):
            assert process.poll() is None
            time.sleep(0.02)
        yield port, process
        process.kill()


def test_mail_is_kept_and_the_server_stops_when_asked(
    server: tuple[int, "subprocess.Popen[bytes]"], maildir: Path
) -> None:
    port, process = server
    with SMTP(HOST, port) as client:
        client.sendmail("orders@everorder.example", ["ada@example.com"], MESSAGE)
    (kept,) = mailbox.Maildir(maildir)
    assert kept["Message-ID"] == "<one@everorder.example>"
    assert kept["X-RcptTo"] == "ada@example.com"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 0


def test_refusal_quotes_the_address_and_keeps_nothing(
    server: tuple[int, "subprocess.Popen[bytes]"], maildir: Path
) -> None:
    (maildir.parent / "refuse").write_text("550 5.1.1 <%s> unknown\n")
    with SMTP(HOST, server[0]) as client, pytest.raises(SMTPRecipientsRefused) as refused:
        client.sendmail("orders@everorder.example", ["ada@example.com"], MESSAGE)
    assert refused.value.recipients == {"ada@example.com": (550, b"5.1.1 <ada@example.com> unknown")}
    assert len(mailbox.Maildir(maildir)) == 0
