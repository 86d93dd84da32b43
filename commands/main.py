"""The `corridor` command: assembles the command groups, one module each.

To add one: write `commands/NAME.py`, then a line in `GROUPS` (it has commands of its own) or in
`COMMANDS` (it is one command).
"""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

GROUPS = {
    "alerts": "alerts",
    "network": "network",
    "topics": "topics",
    "schema": "schema",
    "gateway": "gateway",
    "parties": "parties",
    "subscriptions": "subscriptions",
    "dead-letters": "dead_letters",
}
"""Their modules."""

COMMANDS = {
    "demo": "demo",
    "up": "stack",
    "down": "stack",
    "status": "stack",
    "replay": "replay",
    "simulate": "simulate",
    "evaluate": "evaluate",
    "query": "query",
    "audit": "audit",
    "formats": "formats",
    "decode": "formats",
}
"""Their modules; the function has the name of the command."""


class Commands(TyperGroup):
    """Imports only the command that is asked for: all of them take seconds."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, in the order of the help."""
        return [*COMMANDS, *GROUPS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command with this name; None: there is none."""
        if cmd_name in GROUPS:
            made: typer.Typer = import_module(f"commands.{GROUPS[cmd_name]}").app
        elif cmd_name in COMMANDS:
            made = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
            made.command(cmd_name)(
                getattr(import_module(f"commands.{COMMANDS[cmd_name]}"), cmd_name)
            )
        else:
            names: dict[str, Any] = dict.fromkeys(self.list_commands(ctx))
            self.commands = names  # "did you mean" looks there
            return None
        command = typer.main.get_command(made)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=Commands,
    help="A streaming tracking-event pipeline for trade corridors.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they would print passwords
)


@app.callback()
def _all() -> None:
    pass


if __name__ == "__main__":
    app()
