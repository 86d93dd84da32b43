"""How the commands write to people, and into pipes."""

from rich.console import Console

_ENDLESS = 100_000


def tables() -> Console:
    """For tables: into a pipe or a file, nothing is cut or wrapped."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_ENDLESS)
