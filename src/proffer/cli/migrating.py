"""`proffer migrate`: the tables of a workspace that an earlier Proffer made."""

import proffer.bootstrap as bootstrap
from proffer.cli.opening import Home, Json, Name, home_of
from proffer.cli.terminal import show, show_json


def migrate(name: Name, json: Json = False, home: Home = None) -> None:
    """Lead the tables of a workspace on to what this Proffer needs; one that was killed half way is repeated."""
    done = []
    for step in bootstrap.migrate(home_of(home), name):
        done.append(step)
        if not json:
            show(f"Tables of version {step}: made.")
    if json:
        show_json({"workspace": name, "steps": done})
    elif not done:
        show(f"Nothing to do: the tables of {name} are of this Proffer's version.")
