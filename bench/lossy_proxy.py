"""A TCP proxy to ClickHouse that loses one reply: what is done, the client never hears of."""

import select
import socket
import threading
from contextlib import suppress

END_OF_STREAM = b"\x05"
"""With this byte, a packet of its own, ends what the server says to an INSERT that it has done."""


class LossyProxy:
    """Forwards connections on a port of its own until `close`."""

    def __init__(self, port: int, *, nth: int) -> None:
        """Listens at once.

        Args:
            port: Of the server.
            nth: Which of the server's confirmations is lost, and its connection with it.
        """
        self._target = ("127.0.0.1", port)
        self._left = nth
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def lost(self) -> bool:
        """The reply was lost."""
        return self._left <= 0

    def close(self) -> None:
        """Takes no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(self._target) as server:
            other = {client: server, server: client}
            while True:
                for source in select.select(list(other), [], [])[0]:
                    data = source.recv(1 << 16)
                    if not data or (source is server and self._loses(data)):
                        return
                    other[source].sendall(data)

    def _loses(self, data: bytes) -> bool:
        if not data.endswith(END_OF_STREAM):
            return False
        self._left -= 1
        return self._left == 0
