"""What an application may declare, and what is refused before anything starts."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as replace_struct

from proffer.app import Template
from proffer.apps.feed.app import HOME, app
from proffer.core.errors import CannotStart, Invalid
from proffer.core.schema import Attribute, EventType
from proffer.models.rankers.linear import LinearHeuristic
from proffer.models.retrievers.newest import Newest

NOWHERE = LinearHeuristic({"nope": (1.0, "identity")})
WORDS = {"code": "x", "above": 0.0, "en": "x", "sv": "x"}


def with_home(**changes):
    return replace(app, pipelines=(replace(HOME, **changes),))


def with_attribute(name, type, **said):
    kinds = [
        replace_struct(kind, attributes=(*kind.attributes, Attribute(name, type, **said)))
        if kind.name == "post"
        else kind
        for kind in app.entities
    ]
    return replace(app, entities=tuple(kinds))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: replace(app, item="page"), "declares no entity kind page"),
        (lambda: replace(app, pipelines=()), "declares no pipeline"),
        (lambda: replace(app, events=(EventType("x", "ghost", ("post",)),)), "event x of feed names unknown kinds"),
        (lambda: replace(app, response=("i_ctr_decay", "nope")), "the response of feed names columns"),
        (lambda: with_attribute("x", "text", role="group", kind="ghost"), "x of post is no text that holds the id"),
        (lambda: with_attribute("x", "text", role="group", kind="post"), "of a declared kind other than post"),
        (lambda: with_attribute("x", "list", role="group", kind="user"), "x of post is no text"),
        (lambda: with_attribute("x", "number", role="code"), "x of post is no code"),
        (lambda: with_attribute("segment", "text", role="code"), "or has the name of a role"),
        (lambda: with_attribute("x", "number", levels=("a", "b")), "x of post has levels, but is no text"),
        (lambda: with_attribute("x", "text", levels=("a", "a")), "not distinct"),
        (lambda: with_attribute("x", "text", levels=("a",)), "fewer than two"),
        (lambda: replace(app, values={"view": "minutes"}), "the value of view of feed fills no field"),
        (lambda: replace(app, values={"stare": "seconds"}), "the value of stare of feed fills no field"),
        (lambda: with_home(schedule="each night"), "pipeline home: 'each night' is no cron expression"),
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


def test_a_text_of_levels_is_one_of_them():
    schema = with_attribute("effort", "text", levels=("low", "high")).schema
    assert schema.attributes("post", {"effort": "high"}) == {"effort": "high"}
    with pytest.raises(Invalid, match="'huge' is no level") as caught:
        schema.attributes("post", {"effort": "huge"})
    assert (caught.value.field, caught.value.remedy) == ("fields.effort", "Use one of low, high.")


def test_groups_and_codes_are_told_by_the_schema():
    made = with_attribute("owner", "text", role="group", kind="user")
    assert (made.group, made.schema.group("user"), app.group) == ("user", None, None)
    assert with_attribute("brand", "text", role="code").schema.codes == ("brand",)
