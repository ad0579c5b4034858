"""One end of a ping-pong over iceoryx2's Python binding: publish and subscribe, polled, as fast as it goes.

Run by peers.py with the interpreter of build/bench-peers: peer_iceoryx2.py ROLE SOCKET NAME. A sample is a structure of 48 bytes that is
written where the subscriber will read it.
"""

import ctypes
import sys

import iceoryx2
from peer_end import serve

BYTES = 48


class Message(ctypes.Structure):
    """A message; its layout is the service's type."""

    _fields_ = [("data", ctypes.c_uint8 * BYTES)]


def main() -> None:
    role, address, name = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    iceoryx2.set_log_level(iceoryx2.LogLevel.Fatal)
    node = iceoryx2.NodeBuilder.new().create(iceoryx2.ServiceType.Ipc)

    def service(direction: str) -> iceoryx2.PortFactoryPublishSubscribe:
        named = node.service_builder(iceoryx2.ServiceName.new(f"{name}/{direction}"))
        return named.publish_subscribe(Message).open_or_create()

    ways = [service("there"), service("back")]
    publisher = ways[role].publisher_builder().create()
    subscriber = ways[not role].subscriber_builder().create()
    message = Message()

    def send() -> None:
        publisher.loan_uninit().write_payload(message).send()

    def receive() -> Message:
        while (sample := subscriber.receive()) is None:
            pass
        return sample.payload()

    serve(role, address, send, receive)


main()
