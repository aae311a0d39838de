"""An agent that completes as many steps as its argument says, and leaves."""

import asyncio
import sys

from connection import Connection, fail, run


async def main():
    connection = Connection()
    offers = asyncio.Queue()
    connection.socket.on("work.offered", offers.put)
    await connection.open()
    connection.say_transport()
    ready = await connection.command("agent:ready", {"instanceId": "stock-1"})
    if ready["agent"]["id"] != "stock":
        fail(f"somebody else: {ready['agent']}")

    left, taken = int(sys.argv[1]), set()
    while left:
        offer = await offers.get()
        attempt = offer["attempt"]
        if attempt["id"] in taken:  # an offer is repeated until it is answered
            continue
        taken.add(attempt["id"])
        lease = {"attemptId": attempt["id"], "epoch": attempt["epoch"]}
        await connection.command("attempt:accept", lease)
        await connection.command("attempt:heartbeat", lease)
        note = f"half of {offer['step']['name']}"
        await connection.command("attempt:progress", {**lease, "percent": 50, "note": note})
        await connection.command("attempt:complete", {**lease, "outputs": {"by": "stock"}})
        left -= 1
    await connection.socket.disconnect()


run(main())
