"""What an application may declare, and what is refused before anything starts."""

from dataclasses import replace

import pytest

from proffer.app import Template
from proffer.apps.feed.app import HOME, app
from proffer.core.errors import CannotStart, Invalid
from proffer.core.schema import EventType
from proffer.models.rankers.linear import LinearHeuristic
from proffer.models.retrievers.newest import Newest

NOWHERE = LinearHeuristic({"nope": (1.0, "identity")})
WORDS = {"code": "x", "above": 0.0, "en": "x", "sv": "x"}


def with_home(**changes):
    return replace(app, pipelines=(replace(HOME, **changes),))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: replace(app, item="page"), "declares no entity kind page"),
        (lambda: replace(app, pipelines=()), "declares no pipeline"),
        (lambda: replace(app, events=(EventType("x", "ghost", ("post",)),)), "event x of feed names unknown kinds"),
        (lambda: replace(app, response=("i_ctr_decay", "nope")), "the response of feed names columns"),
        (lambda: with_home(ladder=()), "does not end with one of its retrievers"),
        (lambda: with_home(ladder=("newest", "personal")), "does not end with one of its retrievers"),
        (lambda: with_home(ladder=("nope", "newest")), "names what does not exist: source:nope"),
        (lambda: with_home(weights={"nope": 1.0}), "names what does not exist: source:nope"),
        (lambda: with_home(retrievers=(Newest, Newest), templates=()), "two sources of pipeline home have one name"),
        (lambda: with_home(templates=(Template(column="nope", **WORDS),)), "names what does not exist: nope"),
        (lambda: with_home(templates=(Template(column="source:nope", **WORDS),)), "does not exist: source:nope"),
        (lambda: with_home(heuristics={**HOME.heuristics, "h": NOWHERE}), "exist: nope"),
    ],
)  # fmt: skip
def test_what_cannot_work_does_not_start(make, says):
    with pytest.raises(CannotStart, match=says):
        make()


def test_pipelines_by_name():
    assert app.pipeline("similar").name == "similar"
    with pytest.raises(Invalid, match="unknown pipeline 'nope'") as caught:
        app.pipeline("nope")
    assert caught.value.remedy == "Use one of home, similar."


def test_empty_settings_are_the_declared_ones():
    settings = app.settings({})
    assert (settings.labels, settings.rules, settings.diversity) == ({}, {}, {})


@pytest.mark.parametrize(
    "where",
    [{"category": "a"}, {"category": ["a", "b"]}, {"category": {"in": ["a"]}}, {"title": {"exists": False}},
     {"category": {"above": 2}}, {"category": {"not_in": []}}],
)  # fmt: skip
def test_sound_conditions(where):
    rule = {"do": "filter", "where": where}
    assert app.settings({"rules": {"home": [rule]}}).rules["home"][0].where == where


@pytest.mark.parametrize("name", ["erased", "entity.erase", "settings.set"])
def test_the_engines_own_names_are_taken(name):
    with pytest.raises(CannotStart, match="the engine's own"):
        replace(app, events=(*app.events, EventType(name, "user")))
