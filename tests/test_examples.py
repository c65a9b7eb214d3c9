"""Every example runs and says what it promises."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_feed_shows_two_slates_and_the_hidden_post_is_gone():
    done = subprocess.run([sys.executable, str(EXAMPLES / "feed.py")], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    before, after = done.stdout.split("After she hid the soup")
    assert "soup: You follow eve" in before
    assert "soup" not in after
    assert "bread" not in before  # she has read it


def test_the_advisor_orders_by_confidence_then_by_objectives_and_what_is_done_is_gone():
    done = subprocess.run([sys.executable, str(EXAMPLES / "advisor.py")], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    before, rest = done.stdout.split("For saving and little risk")
    weighed, after = rest.split("After the backups were set up")
    assert "1. a2-backups" in before
    assert "1. a2-rightsize" in weighed
    assert "backups" not in after.split("\n", 1)[1]
    assert "It serves what this assessment puts first" in before


def test_no_example_is_left_out():
    assert [path.name for path in sorted(EXAMPLES.glob("*.py"))] == ["advisor.py", "feed.py"]
