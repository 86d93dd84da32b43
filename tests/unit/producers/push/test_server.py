"""The open port: who connects and says nothing is shown out."""

import asyncio

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from corridor.settings import Settings, SettingsError
from producers.push import server


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("no request was sent")


@pytest.mark.parametrize("sent", [b"", b"POST /events HTTP/1.1\r\nHost: x\r\n"])
def test_a_connection_without_a_request_is_closed(
    monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(server, "FIRST_REQUEST_SECONDS", 0.05)

    async def run() -> bytes:
        config = uvicorn.Config(nothing, log_config=None, ws="none")
        listening = await asyncio.get_running_loop().create_server(
            lambda: server.Protocol(config, ServerState(), {}), "127.0.0.1", 0
        )
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        listening.close()
        return answer

    assert asyncio.run(run()) == b""


def test_no_message_may_be_larger_than_the_quarantine_keeps() -> None:
    with pytest.raises(SettingsError, match="CORRIDOR_PUSH_BYTES"):
        server.run(Settings(push_bytes=4_000_001))
