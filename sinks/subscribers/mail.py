"""Mail, for people without a server."""

import ssl
from email.message import EmailMessage
from email.utils import formatdate

import aiosmtplib

from corridor.codes import AlertState, DeliveryOutcome
from corridor.models import EmailSettings, Incident, Subscription
from corridor.settings import Settings
from sinks.subscribers.attempt import DELIVERED, Attempt, Letter

SECONDS = 30.0
LISTED = 20


class Mail:
    """The way to subscribers' mailboxes: one mail server."""

    def __init__(self, settings: Settings) -> None:
        """Connects when there is something to send."""
        host, _, port = settings.smtp.rpartition(":")
        self._host, self._port = host, int(port) if port.isdigit() else 25
        self._settings = settings

    async def send(self, subscription: Subscription, letter: Letter) -> Attempt:
        """Hands one mail to the server. What it refuses for good (5xx) is given up."""
        channel = subscription.channel
        assert isinstance(channel, EmailSettings)
        if not self._host:
            return Attempt(DeliveryOutcome.REFUSED, detail="no mail server is set (CORRIDOR_SMTP)")
        security = self._settings.smtp_security
        password = self._settings.smtp_password.get_secret_value()
        try:
            await aiosmtplib.send(
                compose(channel.address, self._settings.smtp_sender, letter),
                hostname=self._host,
                port=self._port,
                username=self._settings.smtp_username or None,
                password=password or None,
                use_tls=security == "tls",
                start_tls=security == "starttls",
                tls_context=ssl.create_default_context() if security != "none" else None,
                timeout=SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [refused.code for refused in error.recipients]
            return _refused(max(codes, default=550), str(error))
        except aiosmtplib.SMTPResponseException as error:
            return _refused(error.code, error.message)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            detail = str(error) or type(error).__name__
            return Attempt(DeliveryOutcome.RETRYING, detail=detail[:200])
        return DELIVERED._replace(status_code=250)

    async def close(self) -> None:
        """Each mail has a connection of its own."""


def _refused(code: int, text: str) -> Attempt:
    outcome = DeliveryOutcome.FAILED if code >= 500 else DeliveryOutcome.RETRYING
    return Attempt(outcome, code, text[:200])


def compose(address: str, sender: str, letter: Letter) -> EmailMessage:
    """The mail; all of one incident are one thread."""
    incident = letter.incident
    domain = sender.rpartition("@")[2]
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = address
    mail["Subject"] = _line(f"[{_word(incident)}] {incident.reason}")[:200]
    mail["Date"] = formatdate(usegmt=True)
    mail["Message-ID"] = f"<{letter.message_id}@{domain}>"
    mail["References"] = f"<{incident.incident_id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_text(incident))
    return mail


def _word(incident: Incident) -> str:
    return "over" if incident.state is AlertState.RESOLVED else incident.level.lower()


def _text(incident: Incident) -> str:
    lines = [incident.reason, ""]
    if incident.unit_count:
        lines.append(f"{incident.unit_count} units, {incident.shipment_count} shipments:")
    for unit in incident.affected[:LISTED]:
        expected = (
            f", expected {unit.expected_time:%Y-%m-%d %H:%M} UTC" if unit.expected_time else ""
        )
        lines.append(f"  {unit.unit_id} ({unit.shipment_id}), {unit.level.lower()}{expected}")
    if incident.unit_count > LISTED:
        lines.append(f"  and {incident.unit_count - LISTED} more")
    lines += ["", f"As of {incident.as_of:%Y-%m-%d %H:%M} UTC; incident {incident.incident_id}."]
    return "\n".join(lines)


def _line(text: str) -> str:
    return " ".join(text.split())
