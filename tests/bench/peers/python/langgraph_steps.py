"""Five-step graphs on LangGraph with its Postgres checkpointer, as its documentation teaches: eight threads at once.

Prints {"steps", "seconds", "cpu"} as JSON.
"""
import json
import os
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TypedDict

from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.graph import END, START, StateGraph
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

SECONDS = float(sys.argv[1])


class State(TypedDict):
    total: int


def add(n: int):
    return lambda state: {"total": state["total"] + n}


builder = StateGraph(State)
names = [f"step_{n}" for n in range(1, 6)]
for n, name in enumerate(names, 1):
    builder.add_node(name, add(n))
for before, after in zip([START, *names], [*names, END]):
    builder.add_edge(before, after)

pool = ConnectionPool(
    os.environ["DATABASE_URL"],
    min_size=8,
    max_size=16,
    kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
)
saver = PostgresSaver(pool)
saver.setup()
graph = builder.compile(checkpointer=saver)


def run() -> None:
    result = graph.invoke({"total": 1}, {"configurable": {"thread_id": str(uuid.uuid4())}}, durability="sync")
    assert result["total"] == 16


run()  # what is made once is made before the clock starts


def work(deadline: float) -> int:
    done = 0
    while time.monotonic() < deadline:
        run()
        done += 5
    return done


cpu = time.process_time()
start = time.monotonic()
with ThreadPoolExecutor(8) as threads:
    steps = sum(threads.map(work, [start + SECONDS] * 8))
seconds = time.monotonic() - start
print(json.dumps({"steps": steps, "seconds": seconds, "cpu": time.process_time() - cpu}), flush=True)
os._exit(0)
