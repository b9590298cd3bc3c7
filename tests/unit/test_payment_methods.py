"""Which provider a token is asked of, when its money is taken, and what a buyer writes on a transfer."""

import pytest

from domain.captures import CapturePolicy
from domain.payment_methods import PaymentWay, provider_of, taken_when, way_of
from domain.transfer_references import is_transfer_reference, transfer_reference
from settings import Settings

PLACEMENT, SHIPMENT, DELIVERY = CapturePolicy


@pytest.mark.parametrize(
    ("token", "way", "provider"),
    [
        ("pm_card_visa", PaymentWay.CARD, "stripe"),
        ("card", PaymentWay.CARD, "stripe"),
        ("Bank_Transfer", PaymentWay.CARD, "stripe"),
        ("", PaymentWay.CARD, "stripe"),
        (None, PaymentWay.CARD, "stripe"),
        ("bank_transfer", PaymentWay.BANK_TRANSFER, "manual"),
        ("cash_on_delivery", PaymentWay.CASH_ON_DELIVERY, "manual"),
    ],
)
def test_a_token_names_a_way_and_its_provider(token: str | None, way: PaymentWay, provider: str) -> None:
    assert (way_of(token), provider_of(token)) == (way, provider)


@pytest.mark.parametrize(
    ("token", "policy", "taken"),
    [
        ("pm_card_visa", PLACEMENT, PLACEMENT),
        ("pm_card_visa", SHIPMENT, SHIPMENT),
        ("pm_card_visa", DELIVERY, PLACEMENT),
        ("bank_transfer", SHIPMENT, PLACEMENT),
        ("cash_on_delivery", PLACEMENT, DELIVERY),
        ("cash_on_delivery", SHIPMENT, DELIVERY),
    ],
)
def test_money_is_taken_when_the_way_says(token: str, policy: CapturePolicy, taken: CapturePolicy) -> None:
    assert taken_when(token, policy) is taken


def test_transfer_reference_is_a_whole_creditor_reference() -> None:
    # The example of ISO 11649: RF18 5390 0754 7034.
    assert is_transfer_reference("RF18 5390 0754 7034")
    assert transfer_reference("EO-100001", 1) == "RF40EO100001A1"
    assert is_transfer_reference(transfer_reference("EO-100001", 2))
    assert len(transfer_reference("EO-" + "9" * 40, 12)) == 25


@pytest.mark.parametrize(
    "said", ["", "RF", "RF18539007547035", "RF81539007547034", "XX18539007547034", "RF18é39007547034"]
)
def test_slip_of_the_pen_is_found(said: str) -> None:
    assert not is_transfer_reference(said)


@pytest.mark.parametrize(
    "setting", [{"payment_methods": " , "}, {"payment_methods": "card, gold"}, {"capture": "delivery"}]
)
def test_settings_that_no_shop_can_mean_are_refused(setting: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        Settings.model_validate({"DATABASE_URL": "postgresql://x/y", "secret": "x" * 32, "_env_file": None} | setting)
