"""Which provider a token is asked of, when its money is taken, and what a buyer writes on a transfer."""

import pytest

from domain.captures import CapturePolicy
from domain.payment_methods import PaymentWay, provider_of, taken_when, way_of
from domain.transfer_references import transfer_reference
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


def remainder(reference: str) -> int:
    """Check a creditor reference as banks do (ISO 7064, modulus 97-10): of a whole one, 1 is left."""
    turned = reference[4:] + reference[:4]
    return int("".join(str(int(one, 36)) for one in turned)) % 97


@pytest.mark.parametrize(
    ("number", "attempt", "reference"),
    [
        ("EO-100001", 1, "RF40EO100001A1"),
        ("EO-100001", 2, "RF13EO100001A2"),
        ("EO-" + "9" * 40, 12, "RF87999999999999999999A12"),
    ],
)
def test_transfer_reference_is_a_whole_creditor_reference(number: str, attempt: int, reference: str) -> None:
    assert remainder("RF18539007547034") == 1  # the example of ISO 11649
    assert transfer_reference(number, attempt) == reference
    assert remainder(reference) == 1


@pytest.mark.parametrize(
    "setting", [{"payment_methods": " , "}, {"payment_methods": "card, gold"}, {"capture": "delivery"}]
)
def test_settings_that_no_shop_can_mean_are_refused(setting: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        Settings.model_validate({"DATABASE_URL": "postgresql://x/y", "secret": "x" * 32, "_env_file": None} | setting)
