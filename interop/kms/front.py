"""A TLS server on a free port that answers HTTP as a function says, or misbehaves when told to.

The function plays a key service, or hands the request on to one. What is put into `faults` happens
to the next requests instead of an answer, one fault a request.
"""

import collections
import contextlib
import dataclasses
import json
import select
import socket
import ssl
import threading


@dataclasses.dataclass
class Request:
    method: str
    target: str
    headers: dict
    body: bytes
    raw: bytes


class Listener:
    """Serves each connection to its port in a thread, while its `with` block runs."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        # Closing alone would leave `accept` waiting.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()


class Front(Listener):
    """Answers while its `with` block runs; `requests` are those that were read whole."""

    def __init__(self, certificate, key, answer):
        super().__init__()
        self.answer = answer
        self.faults = collections.deque()
        self.requests = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)

    def _serve(self, connection):
        # A client that does not trust the certificate hangs up, which is its right.
        with contextlib.suppress(OSError), self._context.wrap_socket(connection, server_side=True) as stream:
            request = read_request(stream)
            self.requests.append(request)
            fault = self.faults.popleft() if self.faults else None
            if fault is None:
                stream.sendall(self.answer(request))
            else:
                fault(stream, lambda: self.answer(request))


def read_request(stream):
    data = b""
    while b"\r\n\r\n" not in data:
        part = stream.recv(65536)
        if not part:
            raise ConnectionError("the client hung up")
        data += part
    head, body = data.split(b"\r\n\r\n", 1)
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {}
    for line in lines:
        name, value = line.split(":", 1)
        headers[name.lower()] = value.strip()
    while len(body) < int(headers.get("content-length", 0)):
        part = stream.recv(65536)
        if not part:
            raise ConnectionError("the client hung up")
        body += part
    return Request(method, target, headers, body, head + b"\r\n\r\n" + body)


def reply(status, body, content_type="application/json"):
    """An HTTP reply as bytes."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} -\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def refuse(status, body):
    """Answers with this instead."""
    return lambda stream, _: stream.sendall(reply(status, body))


def drop(_stream, _answer):
    """Closes the connection without a word."""


def truncate(stream, answer):
    """Sends the first half of the answer and closes the connection."""
    whole = answer()
    stream.sendall(whole[: len(whole) // 2])


def dribble(stream, answer):
    """Sends the answer byte by byte."""
    for byte in answer():
        stream.sendall(bytes([byte]))


def stall(stream, _answer):
    """Says nothing until the client hangs up."""
    select.select([stream], [], [], 60)


def forward(port, authority):
    """Hands requests on to a server on this port."""
    context = ssl.create_default_context(cafile=authority)

    def answer(request):
        with socket.create_connection(("127.0.0.1", port)) as plain:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as stream:
                stream.sendall(request.raw)
                received = b""
                while True:
                    part = stream.recv(65536)
                    if not part:
                        return received
                    received += part

    return answer


class Tunnel(Listener):
    """An HTTP proxy that leads every `CONNECT` to one port, whatever host it names."""

    def __init__(self, port):
        super().__init__()
        self.target = port
        self.hosts = []

    def _serve(self, client):
        with contextlib.suppress(OSError), client:
            request = read_request(client)
            assert request.method == "CONNECT", request.method
            self.hosts.append(request.target)
            with socket.create_connection(("127.0.0.1", self.target)) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                other = {client: server, server: client}
                while True:
                    for ready in select.select(list(other), [], [])[0]:
                        part = ready.recv(65536)
                        if not part:
                            return
                        other[ready].sendall(part)
