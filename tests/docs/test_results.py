"""A figure without the command that makes it is not a result."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = re.compile(r"^\|[^\n]*\n\|[ :|-]+\n", re.MULTILINE)


def sections_without_command(page: str) -> list[str]:
    """Return the headings of sections that hold a table but no line `$ command` in a block."""
    sections = re.split(r"^#+ ", page, flags=re.MULTILINE)
    tables = [section for section in sections if TABLE.search(section)]
    return [section.split("\n", 1)[0] for section in tables if not re.search(r"^```sh\n\$ ", section, re.MULTILINE)]


def test_every_table_of_results_names_its_command() -> None:
    assert sections_without_command((ROOT / "docs" / "results.md").read_text()) == []


def test_a_table_without_command_is_found() -> None:
    table = "| a |\n|---|\n| 1 |\n"
    page = f"# Good\n```sh\n$ make bench\n```\n{table}\n## Bad\n{table}\n## Only words\nNothing.\n"
    assert sections_without_command(page) == ["Bad"]


def test_commands_of_results_exist() -> None:
    page = (ROOT / "docs" / "results.md").read_text()
    for name in re.findall(r"^\$ (?:python )?(?:\.venv/bin/python )?((?:scripts|bench)/\S+)", page, re.MULTILINE):
        assert (ROOT / name).exists(), name
