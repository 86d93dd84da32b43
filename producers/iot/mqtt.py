"""The MQTT gateway: a message is acknowledged to the broker when Kafka has confirmed it.

    corridor/{party}/{format}/{device}

One thread reads, decodes, publishes, flushes and acknowledges, in turn: all that has arrived is
one group, which shares one flush. So nothing is ever acknowledged on another connection than the
one that it came by, and a Kafka that is slow stops the reading. The session is persistent: what
was not acknowledged comes again, to this process or to the next one, and changes nothing, since
its events have the same ids.
"""

import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import FrameType
from typing import NamedTuple

import structlog
from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from corridor.codes import Reject
from corridor.decoding import Rejected
from corridor.metrics import COMMIT_REQUESTS, MQTT_CONNECTED, MQTT_MESSAGES
from corridor.observability import ObservabilityServer
from corridor.parties import Parties, parties_file
from corridor.settings import Settings
from producers import iot
from producers.adapter import Format
from producers.formats import BY_NAME
from producers.intake import Intake
from producers.iot.assignments import Assignments
from producers.iot.wills import stamped
from producers.publisher import DELIVERY_SECONDS, Publisher

log = structlog.get_logger(__name__)

GROUP = 2_000
"""Messages that are confirmed together, and that the broker may have in flight to us (MQTT 5)."""
SESSION_SECONDS = 7 * 86_400
"""How long the broker keeps what comes while we are away (MQTT 5; before, it decides itself)."""
KEEPALIVE_SECONDS = 60
CONNECT_SECONDS = 10.0
WAIT_SECONDS = 0.5
"""How long one look for messages may take, and so how soon a stop is noticed."""
LONGEST_PAUSE_SECONDS = 30.0
STUCK_SECONDS = DELIVERY_SECONDS + 60.0
_OTHER = "other"


class MqttError(Exception):
    """The broker does not let us work; the text says why. To try again does not help."""


class _Lost(Exception):
    """There is no connection; the text says why."""


class Topic(NamedTuple):
    """What the name of a topic says."""

    party: str
    format: Format


class Gateway:
    """One connection to a broker, and the way of its messages to Kafka."""

    def __init__(
        self,
        settings: Settings,
        publisher: Publisher,
        *,
        client_id: str,
        assignments: Assignments | None = None,
    ) -> None:
        """Prepares; nothing is connected yet.

        Args:
            settings: Where the broker is and how to log in.
            publisher: The way to Kafka.
            client_id: The session's name: no two gateways may have the same, and after a restart
                it must be the same again.
            assignments: What nameless bearers are assigned to.

        Raises:
            PartiesError: the parties' file cannot be used.
        """
        self.trouble: str | None = "not connected yet"
        self._settings = settings
        self._publisher = publisher
        self._intake = Intake(publisher)
        self._assignments = assignments or Assignments()
        self._parties = Parties(parties_file(settings))
        self._formats: dict[str, Format] = {}
        self._stopping = False
        self._subscribed = False
        self._refusal: str | None = None
        self._fatal: str | None = None
        self._looked = time.monotonic()
        self._group: list[MQTTMessage] = []
        self._client = self._new_client(client_id)

    def stop(self) -> None:
        """Lets `run` end after the group at hand."""
        self._stopping = True

    def healthy(self) -> str | None:
        """What is wrong with the loop itself; a broker that is away is not."""
        stuck = time.monotonic() - self._looked
        return f"no progress for {stuck:.0f} s" if stuck > STUCK_SECONDS else None

    def run(self) -> None:
        """Works until it is stopped.

        Raises:
            PublishError: Kafka does not take messages; nothing that it lacks was acknowledged.
            MqttError: the broker refuses the subscription.
        """
        try:
            while not self._stopping:
                self._connect()
                try:
                    self._serve()
                except _Lost as lost:
                    self._down(str(lost))
        finally:
            self._client.disconnect()
            MQTT_CONNECTED.set(0)

    # the connection ------------------------------------------------------------------------------

    def _new_client(self, client_id: str) -> Client:
        settings = self._settings
        version_5 = settings.mqtt_version == "5"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if version_5 else False,
            protocol=MQTTProtocolVersion.MQTTv5 if version_5 else MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_SECONDS
        if settings.mqtt_username:
            password = settings.mqtt_password.get_secret_value()
            client.username_pw_set(settings.mqtt_username, password)
        if settings.mqtt_cafile is not None:
            client.tls_set(ca_certs=str(settings.mqtt_cafile))
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def _connect(self) -> None:
        """Connects and subscribes, however long that takes, unless it is stopped meanwhile."""
        for attempt in Retrying(
            retry=retry_if_exception_type((_Lost, OSError)),
            wait=wait_random_exponential(0.5, max=LONGEST_PAUSE_SECONDS),
            sleep=self._pause,
            before_sleep=self._say,
            stop=lambda state: self._stopping,
            retry_error_callback=lambda state: None,
        ):
            with attempt:
                self._looked = time.monotonic()
                self._try_to_connect()

    def _try_to_connect(self) -> None:
        host, _, port = self._settings.mqtt.rpartition(":")
        properties = None
        if self._settings.mqtt_version == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_SECONDS
            properties.ReceiveMaximum = GROUP
        self._subscribed = False
        self._group.clear()  # of another connection
        if properties is None:
            self._client.connect(host, int(port), KEEPALIVE_SECONDS)
        else:
            self._client.connect(
                host, int(port), KEEPALIVE_SECONDS, clean_start=False, properties=properties
            )
        deadline = time.monotonic() + CONNECT_SECONDS
        while not self._subscribed and not self._stopping:
            self._look(0.1)
            if time.monotonic() > deadline:
                raise _Lost("the broker does not answer")
        self.trouble = None
        MQTT_CONNECTED.set(1)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < end:
            time.sleep(0.05)

    def _say(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self._down(str(error))

    def _down(self, why: str) -> None:
        self.trouble = f"no MQTT broker at {self._settings.mqtt}: {why}"
        MQTT_CONNECTED.set(0)
        log.warning("not connected, will be tried again", broker=self._settings.mqtt, reason=why)

    def _on_connect(
        self,
        client: Client,
        userdata: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
            return
        group, filter = self._settings.mqtt_group, self._settings.mqtt_topic
        client.subscribe(f"$share/{group}/{filter}" if group else filter, qos=1)
        log.info("connected", broker=self._settings.mqtt, session_present=flags.session_present)

    def _on_subscribe(
        self,
        client: Client,
        userdata: object,
        mid: int,
        reasons: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        if reasons and reasons[0].is_failure:
            self._fatal = f"the broker refuses the subscription: {reasons[0]}"
        self._subscribed = True

    def _on_disconnect(self, *arguments: object) -> None:
        reason = arguments[3]
        if self._refusal is None and isinstance(reason, ReasonCode) and reason.is_failure:
            self._refusal = str(reason)

    # messages ------------------------------------------------------------------------------------

    def _serve(self) -> None:
        for group in self._groups():
            for message in group:
                self._take(message)
            self._publisher.flush()
            for message in group:
                if message.qos and self._client.ack(message.mid, message.qos):
                    raise _Lost("the connection broke before all was acknowledged")
            COMMIT_REQUESTS.observe(len(group))

    def _groups(self) -> Iterator[list[MQTTMessage]]:
        """All that has arrived by now, again and again, until we are stopped."""
        while not self._stopping:
            if not self._group:
                self._look(WAIT_SECONDS)
            before = -1
            while before < len(self._group) < GROUP:
                before = len(self._group)
                self._look(0)
            if self._group:
                group, self._group = self._group, []
                yield group

    def _look(self, seconds: float) -> None:
        """Lets the library read one packet, write what is due, and keep the connection alive."""
        self._looked = time.monotonic()
        status = self._client.loop(seconds)
        if self._fatal is not None:
            raise MqttError(self._fatal)
        if status != MQTTErrorCode.MQTT_ERR_SUCCESS:
            why, self._refusal = self._refusal, None
            raise _Lost(why or str(status))

    def _on_message(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        self._group.append(message)

    def _take(self, message: MQTTMessage) -> None:
        channel = _name(message)
        topic = self._read(channel)
        payload = bytes(message.payload)
        if topic.format.name in _STAMPED:
            payload = stamped(payload, datetime.now(UTC))
        party = self._parties.get(topic.party)
        self._intake.take(
            topic.format,
            payload,
            sender=topic.party,
            channel=channel,
            names=party.names if party else frozenset({topic.party}),
        )
        MQTT_MESSAGES.labels(topic.format.name if topic.format.name in BY_NAME else _OTHER).inc()

    def _read(self, channel: str) -> Topic:
        """Whose messages a topic has, and of which format; one that we do not read is refused."""
        levels = channel.split("/")
        if len(levels) != 4 or not all(levels[1:3]):
            detail = f"the topic {channel} is not corridor/PARTY/FORMAT/DEVICE"
            return Topic("mqtt", refusing(_OTHER, detail))
        _, sender, name, _ = levels
        if name not in BY_NAME:
            detail = f"the topic {channel} names the format {name}, which this release has not"
            return Topic(sender, refusing(name, detail))
        party = self._parties.get(sender)
        if party is not None and not party.may_use(name):
            return Topic(sender, refusing(name, f"{sender} has not been granted the format {name}"))
        format = self._formats.get(name)
        if format is None:
            format = self._formats[name] = self._assignments.of(BY_NAME[name])
        return Topic(sender, format)


_STAMPED = frozenset(format.name for format in iot.FORMATS)


def _name(message: MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError:  # paho keeps the bytes of a name that is none
        return repr(message._topic)


def serve(
    settings: Settings, *, client_id: str, metrics_port: int, assignments: Assignments
) -> None:
    """Runs a gateway in this process until SIGTERM or SIGINT.

    Raises:
        PublishError: Kafka cannot be reached, or does not take messages.
        MqttError: the broker refuses the subscription.
        PartiesError: the parties' file cannot be used.
        OSError: the port is in use.
    """
    publisher = Publisher(settings)
    try:
        gateway = Gateway(settings, publisher, client_id=client_id, assignments=assignments)

        def stop(signum: int, frame: FrameType | None) -> None:
            gateway.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        with ObservabilityServer(
            settings.host, metrics_port, healthy=gateway.healthy, ready=lambda: gateway.trouble
        ):
            gateway.run()
    finally:
        publisher.close()


def refusing(name: str, detail: str) -> Format:
    """A format none of whose messages can be used; the quarantine keeps them whole."""
    rejected = Rejected(Reject.UNSUPPORTED, None, detail)
    return Format(
        name,
        detail,
        lambda message, sender: [rejected],
        None,
        "application/octet-stream",
        lambda message: False,
    )
