"""Chores about accounts."""

EXPIRE_ACCOUNTS = "accounts.expire"
