"""How often somebody may try to log in. People and addresses are named by keyed digests only."""

from datetime import datetime

from sqlalchemy import Double, Text
from sqlmodel import Field, SQLModel

from models.columns import later_moment, moment


class LoginAllowance(SQLModel, table=True):
    """A bucket of tries (`key` says whose): `tries` were left at `counted_at`, and come back with time."""

    __tablename__ = "login_allowances"

    key: str = Field(sa_type=Text, primary_key=True)
    tries: float = Field(sa_type=Double)
    counted_at: datetime = moment()
    full_at: datetime = later_moment()


class LoginOrigin(SQLModel, table=True):
    """An address from which an account was logged in to: its tries are counted apart from those of strangers."""

    __tablename__ = "login_origins"

    account: str = Field(sa_type=Text, primary_key=True)
    address: str = Field(sa_type=Text, primary_key=True)
    expires_at: datetime = later_moment()
