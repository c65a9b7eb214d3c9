"""A worker whose trainings take their time and give a version that is there: home, lease, seconds, version."""

import sys
from pathlib import Path

from proffer.api import work
from proffer.bootstrap import Environment
from proffer.engine.engine import Engine
from proffer.engine.jobs import Jobs

CHILD = """
import json, os, sys, threading, time
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
say = lambda **told: print(json.dumps(told), flush=True)
say(what=str(os.getpid()), done=0, total=1)
time.sleep(float(sys.argv[1]))
say(version=sys.argv[2])
"""


def main(home: str, lease: str, seconds: str, version: str) -> int:
    """Work until a signal."""

    def opened(place: Path, name: str) -> Engine:
        engine = open_engine(place, name)
        engine.jobs = Jobs(engine, lambda _: [sys.executable, "-c", CHILD, seconds, version], lease=float(lease))
        return engine

    open_engine, work.open_engine = work.open_engine, opened
    return work.work(Environment(home=Path(home)))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
