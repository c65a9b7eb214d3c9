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


def test_no_example_is_left_out():
    assert [path.name for path in sorted(EXAMPLES.glob("*.py"))] == ["feed.py"]
