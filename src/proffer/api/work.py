"""The worker process: runs the jobs of workspaces that several processes share, and answers nobody."""

import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import FrameType

from proffer.api.serve import chosen_workspaces, log_to_stderr, working
from proffer.bootstrap import Environment, open_engine
from proffer.core.clock import SystemClock
from proffer.engine.engine import Engine
from proffer.engine.schedule import Schedule
from proffer.engine.watch import Watch


def work(environment: Environment, names: Sequence[str] = (), *, tell: Callable[[str], None] = print) -> int:
    """Run the jobs of the named workspaces, or of every one of the home, until SIGTERM or SIGINT; return the status.

    Those are the trainings anybody asks for, the planned ones, and the skew watch. At the first signal a training under
    way is given back to whoever works next; a second one ends at once. Raises CannotStart for a workspace in SQLite,
    NotFound, Busy.
    """
    chosen = chosen_workspaces(environment, names, shared="worker")
    told = threading.Event()

    def leave(number: int, _: FrameType | None) -> None:
        told.set()
        signal.signal(number, signal.SIG_DFL)

    with ExitStack() as open_things:
        engines: dict[str, Engine] = {}
        for name in chosen:
            engines[name] = open_engine(environment.home, name)
            open_things.callback(engines[name].close)
            engines[name].tail.start()
        clock = SystemClock()
        schedule, watch = Schedule(engines, clock=clock), Watch(engines, clock=clock)
        log_to_stderr()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, leave)
        open_things.enter_context(working(engines, schedule, watch))
        for name, engine in engines.items():
            tell(f"Working for {name} ({engine.app.name}): trainings, their schedule, the skew watch")
        tell("Stop with Ctrl-C.")
        told.wait()
    return 0
