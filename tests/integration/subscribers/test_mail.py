"""Mail, to a real SMTP server."""

import asyncio
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from corridor.codes import AlertState, Channel, DeliveryOutcome
from corridor.models import EmailSettings
from corridor.settings import Settings
from sinks.subscribers.attempt import Attempt, Letter
from sinks.subscribers.mail import Mail
from tests.support import free_port
from tests.unit.subscribers.samples import incident, subscription

TO = subscription(channel=EmailSettings(type=Channel.EMAIL, address="li@example.org"))


class Postbox:
    """Keeps mail; refuses as it is told."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answer = "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            mail = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
        return self.answer


@pytest.fixture
def postbox() -> Iterator[tuple[Postbox, Settings]]:
    box = Postbox()
    port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, Settings(smtp=f"127.0.0.1:{port}", smtp_security="none", smtp_sender="a@c.example")
    controller.stop()


def send(settings: Settings, letter: Letter) -> Attempt:
    return asyncio.run(Mail(settings).send(TO, letter))


def test_people_read_what_stands_and_what_is_over_in_one_thread(
    postbox: tuple[Postbox, Settings],
) -> None:
    box, settings = postbox
    first = Letter("msg_1", incident(), b"")
    over = Letter("msg_2", incident(revision=2, state=AlertState.RESOLVED), b"")
    assert send(settings, first).outcome is DeliveryOutcome.DELIVERED
    assert send(settings, over).outcome is DeliveryOutcome.DELIVERED
    assert [mail["Subject"][:7] for mail in box.mails] == ["[major]", "[over] "]
    assert box.mails[0]["Message-ID"] == "<msg_1@c.example>"
    assert box.mails[0]["References"] == box.mails[1]["References"]
    assert "U1" in box.mails[0].get_content()


def test_a_refusal_for_good_is_given_up_and_another_is_tried_again(
    postbox: tuple[Postbox, Settings],
) -> None:
    box, settings = postbox
    letter = Letter("msg_1", incident(reason="a line\nand: a header"), b"")
    box.answer = "550 no such mailbox"
    assert send(settings, letter).outcome is DeliveryOutcome.FAILED
    box.answer = "451 later"
    assert send(settings, letter).outcome is DeliveryOutcome.RETRYING


def test_without_a_server_nothing_is_promised() -> None:
    letter = Letter("msg_1", incident(), b"")
    assert send(Settings(), letter).outcome is DeliveryOutcome.REFUSED
    nobody = Settings(smtp=f"127.0.0.1:{free_port()}", smtp_security="none")
    assert send(nobody, letter).outcome is DeliveryOutcome.RETRYING
