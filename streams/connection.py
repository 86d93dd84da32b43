"""Where Kafka is and how to log in, in the words of aiokafka and of Faust."""

import ssl
from typing import Any

import faust
from faust.types.auth import CredentialsT

from corridor.settings import Settings


def aiokafka_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of every aiokafka client."""
    options = settings.kafka_client()
    options.pop("ssl_cafile", None)
    if "SSL" in settings.kafka_security_protocol:
        options["ssl_context"] = _tls(settings)
    return options


def faust_credentials(settings: Settings) -> CredentialsT | None:
    """Faust's `broker_credentials`."""
    protocol = settings.kafka_security_protocol
    context = _tls(settings) if "SSL" in protocol else None
    if protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.kafka_username,
            password=settings.kafka_password.get_secret_value(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)


def _tls(settings: Settings) -> ssl.SSLContext:
    cafile = None if settings.kafka_cafile is None else str(settings.kafka_cafile)
    return ssl.create_default_context(cafile=cafile)
