"""What a command says when it can not go on: one line for the person at the terminal, and an exit status."""


class CommandError(Exception):
    """A command can not go on; the message is one line, and `everorder` prints no trace."""

    exit_code = 2
