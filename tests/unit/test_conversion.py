"""Conversion costs what it has to, and no more."""

from uuid import uuid4

from temporalio.converter import StorageDriverStoreContext

from contracts.converter import DATA_CONVERTER, PayloadConverter
from contracts.orders import OrderStep
from workers.runner import WORKFLOW_RUNNER, ContextFreeInstance


def test_every_run_converts_with_the_same_schemas() -> None:
    one, other = PayloadConverter().converters, PayloadConverter().converters
    assert one[b"json/plain"] is other[b"json/plain"]
    assert DATA_CONVERTER.payload_converter_class is PayloadConverter


def test_a_value_comes_back_as_it_was() -> None:
    step = OrderStep(uuid4())
    converter = PayloadConverter()
    assert converter.from_payloads(converter.to_payloads([step]), [OrderStep]) == [step]


def test_a_payload_has_no_context_so_that_the_sandbox_is_not_entered_for_it() -> None:
    instance = ContextFreeInstance(None, int)  # type: ignore[arg-type] # it must not be asked
    assert instance.get_serialization_context(None) is None
    assert instance.get_external_store_context(None) == StorageDriverStoreContext()
    assert DATA_CONVERTER.payload_codec is None
    assert DATA_CONVERTER.external_storage is None
    assert WORKFLOW_RUNNER.restrictions.passthrough_all_modules
