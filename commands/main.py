"""The `corridor` command: assembles the command groups, one module each.

To add one: write `commands/NAME.py`, then a line in `GROUPS` (it has commands of its own) or in
`COMMANDS` (it is one command).
"""

import typer

from commands import (
    alerts,
    audit,
    dead_letters,
    demo,
    evaluate,
    formats,
    gateway,
    network,
    parties,
    query,
    replay,
    schema,
    simulate,
    stack,
    subscriptions,
    topics,
)

GROUPS: dict[str, typer.Typer] = {
    "alerts": alerts.app,
    "network": network.app,
    "topics": topics.app,
    "schema": schema.app,
    "gateway": gateway.app,
    "parties": parties.app,
    "subscriptions": subscriptions.app,
    "dead-letters": dead_letters.app,
}

COMMANDS = (
    demo.demo,
    stack.up,
    stack.down,
    stack.status,
    replay.replay,
    simulate.simulate,
    evaluate.evaluate,
    query.query,
    audit.audit,
    formats.formats,
    formats.decode,
)

app = typer.Typer(
    help="A streaming tracking-event pipeline for trade corridors.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they would print passwords
)
for command in COMMANDS:
    app.command()(command)
for name, group in GROUPS.items():
    app.add_typer(group, name=name)

if __name__ == "__main__":
    app()
