"""Why the stack can not start or stay up."""

from cli.errors import CommandError


class StackError(CommandError):
    """The stack can not start or stay up; the message is one line that says what to do."""

    exit_code = 1
