"""A command as a child: of low priority, gone with its parent, whom it tells what comes of it in lines of JSON."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

import msgspec

from proffer.cli.terminal import Progress
from proffer.core.errors import ProfferError
from proffer.engine.trainer import GRACE_SECONDS

NICE = 10
LINE_SECONDS = 0.2
STOPPED = 143


def as_child(work: Callable[[], dict[str, Any]]) -> NoReturn:
    """Work with low priority as long as the parent lives, tell it what came of that as a line of JSON, and end."""
    os.nice(NICE)
    _end_with_parent()
    try:
        told = work()
    except ProfferError as error:
        _say({"error": str(error.message), "remedy": error.remedy})
        sys.exit(1)
    except Exception as error:
        # The parent keeps what stands on standard error as the job's log.
        import traceback

        traceback.print_exc()
        _say({"error": f"{type(error).__name__}: {error}", "remedy": "This is a fault of Proffer: see the job's log."})
        sys.exit(1)
    _say(told)
    sys.exit(0)


def _say(message: dict[str, Any]) -> None:
    # A library may have left its own line unfinished; one write is one piece, however many threads write.
    os.write(1, b"\n" + msgspec.json.encode(message) + b"\n")


def telling() -> Progress:
    """Return what tells the parent of progress as lines of JSON, not more often than it can be seen."""
    said: tuple[str, float] = ("", 0.0)

    def tell(what: str, done: int, total: int) -> None:
        nonlocal said
        now = time.monotonic()
        if what != said[0] or now - said[1] >= LINE_SECONDS or done == total:
            said = (what, now)
            _say({"what": what, "done": done, "total": total})

    return tell


def _end_with_parent() -> None:
    """End at SIGTERM, removing what is half written, and likewise when the parent ends, which held our input open."""

    def leave(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 (as the signal module calls it)
        raise SystemExit(STOPPED)

    def watch() -> None:
        # Not sys.stdin: a thread that waits inside its buffer stands in the way of a normal end.
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        os._exit(STOPPED)

    signal.signal(signal.SIGTERM, leave)
    threading.Thread(target=watch, daemon=True).start()
