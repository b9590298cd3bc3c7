"""Text messages over real HTTP: what arrives, and which answers are final."""

from base64 import b64encode
from collections.abc import Iterator
from threading import Event

import pytest

from domain.messages import Sms, SmsRefusedError, SmsUnavailableError
from tests.support.sms import ACCOUNT, BROKEN, BUSY, LOST, TOKEN, Answer, Gateway, refusing, running_gateway

NUMBER = "+447700900123"
SMS = Sms(NUMBER, "Your order 100001 is on its way & costs £5.")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with running_gateway() as gateway:
        yield gateway


async def test_message_arrives_with_every_letter_from_a_number_that_the_account_vouches_for(gateway: Gateway) -> None:
    sender = gateway.adapter()
    await sender.send(SMS)
    await sender.close()

    [asked] = gateway.asked
    assert asked.path == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    assert asked.authorization == "Basic " + b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    assert asked.form == {"To": NUMBER, "From": "+447700900000", "Body": SMS.text}


@pytest.mark.parametrize(
    ("sender", "named"),
    [("MG" + "0123456789abcdef" * 2, "MessagingServiceSid"), ("MG Garments", "From"), ("Everorder", "From")],
)
async def test_sender_is_a_messaging_service_or_a_name(gateway: Gateway, sender: str, named: str) -> None:
    await gateway.adapter(sender=sender).send(SMS)
    assert gateway.asked[0].form == {"To": NUMBER, named: sender, "Body": SMS.text}


async def test_refusal_keeps_the_code_and_not_the_number_that_the_gateway_quotes(gateway: Gateway) -> None:
    gateway.answers = [refusing(21211, NUMBER)]
    with pytest.raises(SmsRefusedError) as refused:
        await gateway.adapter().send(SMS)

    assert (refused.value.code, str(refused.value), refused.value.args) == (21211, "21211", ("21211",))
    assert refused.value.__cause__ is None
    assert gateway.kept == []


@pytest.mark.parametrize(
    "answer",
    [
        BROKEN,
        BUSY,
        LOST,
        refusing(20003, NUMBER, status=401),
        refusing(20404, NUMBER, status=404),
        Answer(400, "<p>Bad request</p>", kept=False),
        Answer(400, '{"code": "21211"}', kept=False),
        Answer(302, "", kept=False),
        Answer(200, "<p>Welcome to the proxy</p>", kept=False),
        Answer(201, "[]", kept=False),
        Answer(201, "{}", kept=False),
    ],
)
async def test_what_is_not_about_the_message_is_tried_again_later(gateway: Gateway, answer: Answer) -> None:
    gateway.answers, sender = [answer], gateway.adapter()
    with pytest.raises(SmsUnavailableError) as away:
        await sender.send(SMS)

    assert (away.value.args, away.value.__cause__) == ((), None)
    assert len(gateway.asked) == 1
    await sender.send(SMS)
    assert gateway.sent_to(NUMBER) == [SMS.text] * (2 if answer.kept else 1)


async def test_gateway_that_says_nothing_is_given_up_in_time(gateway: Gateway) -> None:
    silence = Event()
    gateway.answers = [Answer(until=silence)]
    try:
        with pytest.raises(SmsUnavailableError):
            await gateway.adapter(timeout=0.2).send(SMS)
    finally:
        silence.set()


async def test_closed_port_is_tried_again_later() -> None:
    with running_gateway() as gateway:
        sender = gateway.adapter()
    with pytest.raises(SmsUnavailableError):
        await sender.send(SMS)
