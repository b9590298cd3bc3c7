"""What a person wants to be told, in requests and answers alike."""

from collections.abc import Mapping
from typing import Self

from pydantic import Field

from api.schemas.fields import Input
from domain.messages import Channel, Topic

_Wanted = Mapping[tuple[Topic, Channel], bool]


class Channels(Input):
    """Whether messages about a topic come by each channel."""

    email: bool
    sms: bool


class NotificationPreferences(Input):
    """Which messages a person gets. What an account or an order can not do without comes anyway.

    `marketing` is consent: it is off until a person switches it on, and when they did is kept.
    """

    order_updates: Channels
    marketing: Channels
    channels: tuple[Channel, ...] = Field(
        default=(),
        description="The channels that this shop sends by. What is wanted by another is kept, and nothing is sent.",
        json_schema_extra={"readOnly": True},
    )

    @classmethod
    def of(cls, wanted: _Wanted, channels: tuple[Channel, ...]) -> Self:
        """Show what is wanted, topic by topic, and which channels there are."""
        said = {topic: {channel: wanted[topic, channel] for channel in Channel} for topic in Topic}
        return cls.model_validate({**said, "channels": channels})

    def wanted(self) -> _Wanted:
        """Return whether each topic is wanted on each channel."""
        said = self.model_dump()
        return {(topic, channel): said[topic][channel] for topic in Topic for channel in Channel}
