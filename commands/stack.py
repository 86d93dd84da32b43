"""`corridor up`, `down`, `status`: the embedded stack with every process."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from corridor import settings
from corridor.settings import Settings
from deploy.local.errors import StackError
from deploy.local.stack import check_installed

Data = Annotated[
    Path | None, typer.Option(help="Data directory; default: CORRIDOR_DATA.", show_default=False)
]

_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


def up(
    detach: Annotated[bool, typer.Option("--detach", help="Return when everything is up.")] = False,
    data: Data = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Number of stream workers.")] = 1,
    learner: Annotated[
        bool, typer.Option(help="Learn from what happens, so that ETAs get better.")
    ] = True,
    headless: Annotated[bool, typer.Option("--headless", hidden=True)] = False,
) -> None:
    """Start Kafka, ClickHouse, workers, learner, sink and subscriber gateway; keep them running."""
    known = prepared(data)
    from commands import stack_control

    if detach:
        start_detached(known, workers, learner=learner)
        return
    try:
        stack_control.up(known, workers, learner=learner, headless=headless)
    except StackError as error:
        raise _fail(error) from None


def start_detached(known: Settings, workers: int, *, learner: bool = True) -> None:
    """Starts the stack and returns when it is ready; ends the command where it cannot start."""
    from commands import stack_control

    try:
        stack_control.up_detached(known, workers, learner=learner)
    except StackError as error:
        raise _fail(error) from None


def down(data: Data = None) -> None:
    """Stop the stack; its data stays."""
    known = prepared(data)
    from commands import stack_control

    with Console(stderr=True).status("stopping", spinner="dots"):
        result = stack_control.down(known.data)
    _out.print(result, markup=False)


def status(
    data: Data = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show each process and how far consumers are behind; exit with 1 if not all is well."""
    known = prepared(data)
    from commands import stack_status, stack_view

    report = stack_status.gather(known, known.data)
    if json:
        _out.print(report.model_dump_json(indent=2), markup=False)
    elif report.running:
        Console(highlight=False).print(stack_view.report(report))
        if report.lag_error:
            _err.print(report.lag_error, markup=False)
    elif report.leftover_pids:
        _err.print(
            f"The supervisor of {known.data} was killed and has left "
            f"{len(report.leftover_pids)} processes behind: corridor down ends them.",
            markup=False,
        )
    else:
        _err.print(
            f"Nothing runs with its data in {known.data}: corridor up starts the stack.",
            markup=False,
        )
        if report.error:
            _err.print(f"The last start failed: {report.error.splitlines()[0]}", markup=False)
    if not report.healthy:
        raise typer.Exit(1)


def prepared(data: Path | None) -> Settings:
    """The settings with an absolute data directory; the optional parts are there.

    The modules of the stack are imported after this, since they need those parts.
    """
    known = settings.load()
    try:
        check_installed()
    except StackError as error:
        raise _fail(error) from None
    return known.model_copy(update={"data": (data or known.data).resolve()})


def _fail(error: StackError) -> typer.Exit:
    _err.print("[red]✗[/]", str(error).replace("[", r"\["))
    return typer.Exit(1)
