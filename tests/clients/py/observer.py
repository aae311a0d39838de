"""Follows one room from its beginning and checks that nothing is missing, until its process has completed."""

import asyncio
import sys

from connection import Connection, fail, run


async def main():
    room_id = sys.argv[1]
    connection = Connection()
    live = asyncio.Queue()

    async def take(name, event):
        if event.get("roomId") == room_id and "seq" in event:
            if name != event["type"]:
                fail(f"{event['type']} came as {name}")
            await live.put(event)

    connection.socket.on("*", take)
    await connection.open()
    joined = await connection.command("room:join", {"roomId": room_id, "since": 0})
    if joined["reset"] or joined["more"]:
        fail("a short log comes whole")
    print("joined", flush=True)
    connection.say_transport()

    last = 0
    backlog = list(joined["events"])
    while True:
        event = backlog.pop(0) if backlog else await live.get()
        if event["seq"] != last + 1:
            fail(f"seq {event['seq']} after {last}")
        last = event["seq"]
        if event["type"] == "process.completed":
            break
    print("completed", last, flush=True)
    await connection.socket.disconnect()


run(main())
