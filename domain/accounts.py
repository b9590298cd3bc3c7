"""What identifies an account."""


def email_key(address: str) -> str:
    """Return the form in which an e-mail address is compared and kept: in lower case."""
    return address.lower()
