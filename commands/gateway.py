"""`corridor gateway`: the edges that listen."""

import logging
import signal
import socket
import threading
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from corridor import settings
from corridor.observability import ObservabilityServer, configure_logging
from corridor.parties import PartiesError
from corridor.settings import Settings
from producers.ais import gateway as ais_gateway
from producers.folder import Folder, FolderError
from producers.iot import mqtt as iot_mqtt
from producers.iot.assignments import Assignments, AssignmentsError
from producers.publisher import PublishError
from producers.push import server

app = typer.Typer(
    help="Take messages from the parties and put them on Kafka.", no_args_is_help=True
)
_err = Console(stderr=True, highlight=False, soft_wrap=True)

MetricsPort = Annotated[
    int | None,
    typer.Option(
        help="Port of metrics and health, instead of the setting; 0 takes a free one.",
        show_default=False,
    ),
]

AssignmentsFile = Annotated[
    Path | None,
    typer.Option(
        help="CSV file that says what a device or ship is to be taken for, and when.",
        show_default=False,
    ),
]


@app.command()
def http(metrics_port: MetricsPort = None) -> None:
    """Take messages that parties push over HTTP; /docs says how."""
    known = _prepared(metrics_port)
    try:
        server.run(known)
    except OSError as error:
        _fail(f"cannot listen (CORRIDOR_PUSH_PORT, CORRIDOR_GATEWAY_METRICS_PORT): {error}")


@app.command()
def files(
    directory: Annotated[
        Path | None,
        typer.Argument(
            help="Holds a folder for each party, in it one for each format, or `any`."
            " Default: inbox, in the data directory.",
            show_default=False,
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option(help="Take what is there, then end; 1 if Kafka did not take it.")
    ] = False,
    metrics_port: MetricsPort = None,
) -> None:
    """Take files that parties drop; each is moved to done or rejected once it is on Kafka."""
    known = _prepared(metrics_port)
    stopping = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        folder = Folder(known, directory or known.data / "inbox")
    except (FolderError, PartiesError) as error:
        _fail(str(error))
    with folder:
        if once:
            if not folder.once(stopping):
                raise typer.Exit(1)
            return
        try:
            observed = ObservabilityServer(
                known.host, known.gateway_metrics_port, ready=lambda: folder.trouble
            )
        except OSError as error:
            _fail(f"cannot listen (CORRIDOR_GATEWAY_METRICS_PORT): {error}")
        with observed:
            folder.run(stopping)


@app.command()
def mqtt(
    client_id: Annotated[
        str | None,
        typer.Option(
            help="Name of the session with the broker: one for each gateway, always the same."
            " Default: made of the host's name and the metrics port.",
            show_default=False,
        ),
    ] = None,
    assignments: AssignmentsFile = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Take what locks, trackers and reefers publish to an MQTT broker."""
    known = _prepared(metrics_port)
    try:
        iot_mqtt.serve(
            known,
            client_id=client_id or f"corridor-{socket.gethostname()}-{known.gateway_metrics_port}",
            metrics_port=known.gateway_metrics_port,
            assignments=Assignments(assignments),
        )
    except (AssignmentsError, PartiesError, iot_mqtt.MqttError) as error:
        _fail(str(error))
    except PublishError as error:
        _fail(f"{error}; what Kafka has not confirmed stays with the broker")
    except OSError as error:
        _fail(f"cannot listen (CORRIDOR_GATEWAY_METRICS_PORT): {error}")


@app.command()
def ais(
    path: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Lines of NMEA 0183.", show_default=False)
    ] = None,
    tcp: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="A server.", show_default=False)
    ] = None,
    udp: Annotated[
        int | None, typer.Option(min=1, max=65535, help="A port of ours.", show_default=False)
    ] = None,
    party: Annotated[
        str, typer.Option(help="Whose receivers they are: the events' source.")
    ] = "ais",
    every: Annotated[
        float, typer.Option(min=0, help="Seconds between positions of one ship; 0: all.")
    ] = 60.0,
    received: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S%z"],
            help="When the lines of FILE were received that do not say it.",
            show_default=False,
        ),
    ] = None,
    assignments: AssignmentsFile = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Take what ships say over AIS, from a receiver or a FILE."""
    known = _prepared(metrics_port)
    try:
        source = ais_gateway.source(path, tcp, udp, known.host)
        outcomes = ais_gateway.serve(
            known,
            source,
            party=party,
            seconds=every,
            received=received,
            assignments=Assignments(assignments),
            metrics_port=known.gateway_metrics_port,
        )
    except (AssignmentsError, PublishError, ValueError, OSError) as error:
        _fail(str(error))
    typer.echo("\n".join(f"{number:>9,} {outcome}" for outcome, number in outcomes.most_common()))


def _prepared(metrics_port: int | None) -> Settings:
    known = settings.load()
    if metrics_port is not None:
        known = known.model_copy(update={"gateway_metrics_port": metrics_port})
    configure_logging(known.log_level)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what fails is said once, by us
    return known


def _fail(text: str) -> None:
    _err.print(f"[red]✗[/] {text}".replace("[Errno", "\\[Errno"))
    raise typer.Exit(2)
