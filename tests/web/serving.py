"""Serves a home with the demo page: python serving.py HOME PORT.

The advisor's pipeline is ordered by its heuristic `interest` here, which follows what a person did without a training,
and nothing is drawn by chance.
"""

import sys
from dataclasses import replace
from pathlib import Path

import proffer.apps.advisor.app as advisor
from proffer.api.serve import serve
from proffer.app import Exploration
from proffer.bootstrap import Environment

if __name__ == "__main__":
    order = replace(
        advisor.ASSESSED, ladder=("interest", "newest"), diversity=1.0, exploration=Exploration(policy="off")
    )
    # Before anything loads the application by its entry point, which is this very name.
    advisor.app = replace(advisor.app, pipelines=(order,))
    sys.exit(serve(Environment(home=Path(sys.argv[1]), port=int(sys.argv[2])), page=True))
