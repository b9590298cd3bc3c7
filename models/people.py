"""What an account keeps beside itself: addresses, what its owner wants to be told, and that it is to be erased."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, Text, text
from sqlmodel import Field, SQLModel

from domain.messages import Channel, Topic
from models.columns import identifier, moment, one_of, optional_moment


class Address(SQLModel, table=True):
    """A postal address that a person has kept. One of theirs may be the default for shipping, one for billing."""

    __tablename__ = "addresses"
    __table_args__ = (
        Index("addresses_of_user", "user_id", "id"),
        Index("addresses_shipping", "user_id", unique=True, postgresql_where=text("default_shipping")),
        Index("addresses_billing", "user_id", unique=True, postgresql_where=text("default_billing")),
    )

    id: UUID = identifier()
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    name: str = Field(sa_type=Text)
    line1: str = Field(sa_type=Text)
    line2: str | None = Field(default=None, sa_type=Text)
    city: str | None = Field(default=None, sa_type=Text)
    region: str | None = Field(default=None, sa_type=Text)
    postal_code: str | None = Field(default=None, sa_type=Text)
    country: str = Field(sa_type=Text)
    phone: str | None = Field(default=None, sa_type=Text)
    default_shipping: bool = Field(default=False)
    default_billing: bool = Field(default=False)
    created_at: datetime = moment()
    updated_at: datetime = moment()


class NotificationPreference(SQLModel, table=True):
    """What a person has said about one topic on one channel, and when: also the proof of their consent."""

    __tablename__ = "notification_preferences"
    __table_args__ = (
        one_of("topic", Topic, "notification_preferences_topic"),
        one_of("channel", Channel, "notification_preferences_channel"),
    )

    user_id: UUID = Field(primary_key=True, foreign_key="users.id", ondelete="CASCADE")
    topic: str = Field(sa_type=Text, primary_key=True)
    channel: str = Field(sa_type=Text, primary_key=True)
    wanted: bool
    since: datetime = moment()


class Erasure(SQLModel, table=True):
    """That an account is to be erased, and that it was: the proof, without the person.

    The row is written in the transaction that closes the account. The sweep looks at `sweep_at` whether its workflow
    runs.
    """

    __tablename__ = "erasures"
    __table_args__ = (Index("erasures_to_sweep", "sweep_at", postgresql_where=text("completed_at IS NULL")),)

    user_id: UUID = Field(primary_key=True, foreign_key="users.id")
    requested_at: datetime = moment()
    sweep_at: datetime = moment()
    completed_at: datetime | None = optional_moment()
