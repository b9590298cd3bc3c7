"""How often somebody may try to log in. People and addresses are named by keyed digests only."""

from datetime import datetime

from sqlalchemy import Text
from sqlmodel import Field, SQLModel

from models.columns import later_moment


class LoginAllowance(SQLModel, table=True):
    """The tries that an account or an address has, by `key`: all of them again at `full_at`.

    Each try moves `full_at` further into the future, and one that would move it too far is refused (the generic cell
    rate algorithm, which needs no more than this one moment).
    """

    __tablename__ = "login_allowances"

    key: str = Field(sa_type=Text, primary_key=True)
    full_at: datetime = later_moment()


class LoginOrigin(SQLModel, table=True):
    """An address from which an account was logged in to: its tries are counted apart from those of strangers."""

    __tablename__ = "login_origins"

    account: str = Field(sa_type=Text, primary_key=True)
    address: str = Field(sa_type=Text, primary_key=True)
    expires_at: datetime = later_moment()
