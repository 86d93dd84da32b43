"""How to log in to Kafka, in the words of Faust."""

import faust
from faust.types.auth import CredentialsT

from corridor.settings import Settings


def faust_credentials(settings: Settings) -> CredentialsT | None:
    """Faust's `broker_credentials`."""
    protocol = settings.kafka_security_protocol
    context = settings.kafka_tls() if "SSL" in protocol else None
    if protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.kafka_username,
            password=settings.kafka_password.get_secret_value(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)
