"""How values and failures become payloads: the same for every client, worker and test."""

import dataclasses

from temporalio.contrib.pydantic import PydanticPayloadConverter, pydantic_data_converter
from temporalio.converter import CompositePayloadConverter

from contracts.failures import ReducingFailureConverter

_CONVERTERS = tuple(PydanticPayloadConverter().converters.values())


class PayloadConverter(CompositePayloadConverter):
    """Pydantic's converters, made once a process: the SDK would make them, and pydantic its schemas, for each run."""

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)


DATA_CONVERTER = dataclasses.replace(
    pydantic_data_converter,
    payload_converter_class=PayloadConverter,
    failure_converter_class=ReducingFailureConverter,
)
