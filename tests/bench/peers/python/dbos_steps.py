"""Five-step workflows on DBOS, as its documentation teaches: a decorated workflow of decorated steps, eight at once.

Prints {"steps", "seconds", "cpu"} as JSON.
"""
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from dbos import DBOS, DBOSConfig

SECONDS = float(sys.argv[1])
config: DBOSConfig = {
    "name": "bench",
    "system_database_url": os.environ["DATABASE_URL"],
    "log_level": "ERROR",
    "run_admin_server": False,
}
DBOS(config=config)


@DBOS.step()
def step(n: int, before: int) -> int:
    return before + n


@DBOS.workflow()
def workflow(start: int) -> int:
    total = start
    for n in range(1, 6):
        total = step(n, total)
    return total


DBOS.launch()
workflow(0)  # what is made once is made before the clock starts


def work(deadline: float) -> int:
    done = 0
    while time.monotonic() < deadline:
        assert workflow(1) == 16
        done += 5
    return done


cpu = time.process_time()
start = time.monotonic()
with ThreadPoolExecutor(8) as pool:
    steps = sum(pool.map(work, [start + SECONDS] * 8))
seconds = time.monotonic() - start
print(json.dumps({"steps": steps, "seconds": seconds, "cpu": time.process_time() - cpu}), flush=True)
DBOS.destroy()
os._exit(0)
