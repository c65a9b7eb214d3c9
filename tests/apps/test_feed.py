"""The feed's declaration."""

import string

import pytest

from proffer.app import SOURCE
from proffer.apps.feed.app import app
from proffer.engine.fitted import unfitted


def test_every_template_names_a_column_or_a_source_that_there_is():
    for pipeline in app.pipelines:
        sources = unfitted(pipeline).sources
        for template in pipeline.templates:
            name = template.column.removeprefix(SOURCE)
            assert name in (sources if template.column.startswith(SOURCE) else app.view.columns), template


def test_every_reason_is_said_in_both_languages_with_the_same_figures():
    for pipeline in app.pipelines:
        for template in pipeline.templates:
            fields = [{name for _, name, _, _ in string.Formatter().parse(words) if name}
                      for words in (template.en, template.sv)]  # fmt: skip
            assert fields[0] == fields[1] <= {"author", "category", "title", "value"}
            assert template.en != template.sv


@pytest.mark.parametrize("name", ["view", "like", "comment", "share", "bookmark", "follow"])
def test_wanted(name):
    assert app.weights[name] > 0


@pytest.mark.parametrize("name", ["hide", "report", "block"])
def test_unwanted(name):
    assert app.weights[name] < 0


def test_every_column_says_how_it_is_made():
    assert len(app.view.columns) >= 30
    assert all(formula and window for _, formula, window, _ in app.view.describe())
