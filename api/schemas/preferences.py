"""What a person wants to be told, in requests and answers alike."""

from collections.abc import Mapping
from typing import Self

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

    @classmethod
    def of(cls, wanted: _Wanted) -> Self:
        """Show what is wanted, topic by topic."""
        return cls.model_validate({topic: {channel: wanted[topic, channel] for channel in Channel} for topic in Topic})

    def wanted(self) -> _Wanted:
        """Return whether each topic is wanted on each channel."""
        said = self.model_dump()
        return {(topic, channel): said[topic][channel] for topic in Topic for channel in Channel}
