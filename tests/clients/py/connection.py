"""What both scripts share: a connection as the environment says, and commands that must succeed."""

import asyncio
import os
import sys

import socketio

TRANSPORTS = os.environ["TRANSPORTS"].split(",")


def fail(reason):
    print(reason, file=sys.stderr, flush=True)
    os._exit(1)


class Connection:
    def __init__(self):
        self.socket = socketio.AsyncClient(reconnection=False)

    async def open(self):
        await self.socket.connect(
            os.environ["BATON_URL"],
            auth={"token": os.environ["BATON_KEY"], "instanceId": "stock-1"},
            transports=TRANSPORTS,
            wait_timeout=20,
        )

    async def command(self, name, payload):
        ack = await self.socket.call(name, payload, timeout=20)
        if not ack["ok"]:
            fail(f"{name}: {ack['error']}")
        return ack["data"]

    def say_transport(self):
        # This client upgrades before it says that it is connected.
        print("transport", self.socket.transport(), flush=True)


def run(main):
    asyncio.run(asyncio.wait_for(main, 60))
