"""What a worker tells Prometheus: Temporal's own metrics, and the failures of activities by their kind."""

from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from settings import Settings, SettingsError

FAILURES = "everorder_activity_failures"


def open_runtime(settings: Settings) -> Runtime | None:
    """Tell the metrics of this process at the address that the settings name; None: nobody asks for them.

    Raises:
        SettingsError: nobody can be told there.
    """
    if not settings.metrics_address:
        return None
    told = PrometheusConfig(
        settings.metrics_address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
    )
    try:
        return Runtime(telemetry=TelemetryConfig(metrics=told, attach_service_name=False))
    except ValueError as error:
        raise SettingsError(f"EVERORDER_METRICS_ADDRESS: {error}") from None


class Failures(Interceptor):
    """Counts the tries that failed, by activity and kind: a refusal by its code, any other error by its type."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - Temporal's own name
        """Stand before every activity."""
        return _Activity(next)


class _Activity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - as above
        try:
            return await super().execute_activity(input)
        except Exception as error:
            meter = activity.metric_meter()  # which knows the activity and its queue
            failures = meter.create_counter(FAILURES, "Tries of activities that failed, by kind of failure.")
            failures.add(1, {"error": _kind(error)})
            raise


def _kind(error: Exception) -> str:
    """Name an error as a history does: never by its words."""
    return (error.type if isinstance(error, ApplicationError) else None) or type(error).__name__
