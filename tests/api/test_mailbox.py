import os
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import httpx2
import pytest

from api.app import create_app
from settings import Settings
from tests.api.answers import problem

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for part in ("new", "cur", "tmp"):
        (tmp_path / part).mkdir()
    return tmp_path


@pytest.fixture
async def client(settings: Settings, maildir: Path) -> AsyncIterator[httpx2.AsyncClient]:
    app = create_app(settings.model_copy(update={"mailbox_dir": str(maildir)}), services="")
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://shop.example") as client,
    ):
        yield client


def keep(maildir: Path, key: str, subject: str, text: str, *, html: str = "", received: int = 1_000) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.com", "ada@example.com", subject
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    file = maildir / "new" / key
    file.write_bytes(message.as_bytes())
    os.utime(file, (received, received))


async def test_mails_are_listed_newest_first_and_lead_to_their_text(client: httpx2.AsyncClient, maildir: Path) -> None:
    keep(maildir, "1.M1.host", "Older", "the older text", received=1_000)
    keep(maildir, "2.M2.host", "Newer — ünïcode", "the newer text\nünïcode", received=2_000)

    page = await client.get("/dev/mailbox")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.index("Newer — ünïcode") < page.text.index("Older")
    assert 'href="/dev/mailbox/2.M2.host"' in page.text
    mail = await client.get("/dev/mailbox/2.M2.host")
    assert "the newer text\nünïcode" in mail.text
    assert "ada@example.com" in mail.text


async def test_nothing_in_a_mail_becomes_markup_of_the_page(client: httpx2.AsyncClient, maildir: Path) -> None:
    keep(maildir, 'a"><b>.host', EVIL, EVIL, html=f'<p title="x">{EVIL}</p>')
    pages = [await client.get(path) for path in ("/dev/mailbox", "/dev/mailbox/a%22%3E%3Cb%3E.host")]
    for page in pages:
        assert page.status_code == 200
        assert "<script" not in page.text
        assert "&lt;script&gt;" in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<iframe sandbox " in pages[1].text
    assert 'srcdoc="&lt;p title=&#34;x&#34;&gt;' in pages[1].text


async def test_a_mail_that_is_not_there_is_not_found(client: httpx2.AsyncClient, maildir: Path) -> None:
    (maildir / "secret").write_text("not a mail")
    for key in ("nothing", "..%2Fsecret", "%2Fetc%2Fpasswd", "%00"):
        problem(await client.get(f"/dev/mailbox/{key}"), 404, "not_found")


async def test_bytes_that_are_no_mail_are_shown_as_well_as_they_can_be(
    client: httpx2.AsyncClient, maildir: Path
) -> None:
    (maildir / "cur" / "junk").write_bytes(b"\xff\xfe\x00 no mail")
    (maildir / "new" / "odd").write_bytes(b"Subject: Odd\nContent-Type: text/plain; charset=nonsense\n\nodd \xe4")
    assert (await client.get("/dev/mailbox")).status_code == 200
    for key in ("junk", "odd"):
        assert (await client.get(f"/dev/mailbox/{key}")).status_code == 200


async def test_an_empty_mailbox_says_so(client: httpx2.AsyncClient, maildir: Path) -> None:
    assert "No mail yet." in (await client.get("/dev/mailbox")).text
    for part in ("new", "cur"):
        (maildir / part).rmdir()
    assert "No mail yet." in (await client.get("/dev/mailbox")).text


async def test_without_a_mailbox_there_is_no_page(guest: httpx2.AsyncClient) -> None:
    problem(await guest.get("/dev/mailbox"), 404, "not_found")
