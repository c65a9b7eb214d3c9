"""Which snapshots stay: the newest few to start from, and older ones spread over the log to replay from."""

from collections.abc import Sequence

NEWEST, OLDER = 3, 6
"""So many of the newest stay, and so many older ones: that bounds the disk that past decisions may cost."""


def stale(saved: Sequence[tuple[str, int]], *, newest: int = NEWEST, older: int = OLDER) -> list[int]:
    """Return the places of those snapshots that may go, of (version, position) in order of writing.

    The `newest` stay, of whatever version. Of the rest those of the version written last stay, thinned to `older` so
    that the longest stretch between two of them, and from the beginning of the log, stays short.

    >>> stale([("v", position) for position in (1, 2, 3, 4, 5, 6)], newest=2, older=2)
    [0, 2]
    """
    first = max(len(saved) - newest, 0)
    version = saved[-1][0] if saved else ""
    gone = [place for place in range(first) if saved[place][0] != version]
    kept = sorted((saved[place][1], place) for place in range(first) if saved[place][0] == version)
    end = min((position for one, position in saved[first:] if one == version), default=0)
    while len(kept) > older:
        positions = [0, *(position for position, _ in kept), max(end, kept[-1][0])]
        # What is left between two neighbours when the one between them goes.
        gaps = [after - before for before, after in zip(positions, positions[2:], strict=False)]
        gone.append(kept.pop(gaps.index(min(gaps)))[1])
    return sorted(gone)
