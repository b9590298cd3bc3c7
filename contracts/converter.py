"""How values and failures become payloads: the same for every client, worker and test."""

import dataclasses

from temporalio.contrib.pydantic import pydantic_data_converter

from contracts.failures import ReducingFailureConverter

DATA_CONVERTER = dataclasses.replace(pydantic_data_converter, failure_converter_class=ReducingFailureConverter)
