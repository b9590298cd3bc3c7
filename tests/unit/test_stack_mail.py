import mailbox
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from smtplib import SMTP, SMTPRecipientsRefused

import httpx2
import pytest

from cli.stack.folder import DataFolder
from cli.stack.ports import HOST, is_free, remembered
from domain.messages import Sms, SmsRefusedError
from providers.maildir import LocalMailbox
from providers.sms import TwilioGateway

MESSAGE = "Message-ID: <one@everorder.example>\r\nSubject: Your order\r\n\r\nThank you.\r\n"


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    return tmp_path / "mail" / "inbox"


@pytest.fixture
def sms_port(tmp_path: Path) -> int:
    return remembered(DataFolder(tmp_path), "sms")["sms"]


@pytest.fixture
def server(tmp_path: Path, maildir: Path, sms_port: int) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    port = remembered(DataFolder(tmp_path), "mail")["mail"]
    arguments = ["mail", "--host", HOST, "--port", str(port), "--maildir", str(maildir), "--sms-port", str(sms_port)]
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


def local(sms_port: int) -> TwilioGateway:
    return TwilioGateway(account="AC1", token="any", sender="Shop", timeout=5, base=f"http://{HOST}:{sms_port}")


@pytest.mark.usefixtures("server")
async def test_text_message_is_kept_beside_the_mails_and_forgotten_by_its_number(sms_port: int, maildir: Path) -> None:
    for number in ("+447700900123", "+447700900124"):
        await local(sms_port).send(Sms(number, "Your order is on its way, Zoë."))

    kept = {str(message["To"]): message for message in mailbox.Maildir(maildir)}
    assert set(kept) == {"+447700900123", "+447700900124"}
    one = kept["+447700900123"]
    assert (one["From"], one.get_payload(decode=True)) == ("Shop", "Your order is on its way, Zoë.\n".encode())
    await LocalMailbox(str(maildir)).forget({"+447700900123"})
    assert [str(message["To"]) for message in mailbox.Maildir(maildir)] == ["+447700900124"]


@pytest.mark.usefixtures("server")
async def test_text_message_from_nobody_or_to_nobody_is_not_taken(sms_port: int, maildir: Path) -> None:
    messages = f"http://{HOST}:{sms_port}/2010-04-01/Accounts/AC1/Messages.json"
    form = {"To": "+447700900123", "Body": "Hello"}
    async with httpx2.AsyncClient() as client:
        for auth in (("", ""), ("AC2", "any")):
            assert (await client.post(messages, data=form, auth=auth)).status_code == 401
        nowhere = await client.post(f"http://{HOST}:{sms_port}/elsewhere", data=form, auth=("AC1", "any"))
        assert nowhere.status_code == 404
    with pytest.raises(SmsRefusedError):
        await local(sms_port).send(Sms("", "Hello"))
    assert len(mailbox.Maildir(maildir)) == 0
