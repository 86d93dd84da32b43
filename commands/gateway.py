"""`corridor gateway`: the edges that listen."""

import typer

app = typer.Typer(
    help="Take messages from the parties and put them on Kafka.", no_args_is_help=True
)
