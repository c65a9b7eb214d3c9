"""Values that fit a JSON schema, and values that nearly do."""

from typing import Any

from hypothesis import strategies as st

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3),
    max_leaves=8,
)
KNOWN = st.sampled_from(
    ["u1", "p1", "p2", "user", "post", "like", "view", "home", "similar", "entity.set", "entity.merge", "en", "title"]
)
TIMES = st.sampled_from(["2026-01-31T12:00:00Z", "2026-01-31T12:00:00+01:00", "1969-01-01T00:00:00Z", "now"])


def fitting(schema: dict[str, Any], components: dict[str, Any], depth: int = 4) -> st.SearchStrategy[Any]:
    """Return a strategy of values that fit a schema of the description."""
    if "$ref" in schema:
        return fitting(components[schema["$ref"].rsplit("/", 1)[1]], components, depth)
    if "anyOf" in schema:
        return st.one_of([fitting(each, components, depth) for each in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type")
    if kind == "object" and depth:
        return _object(schema, components, depth - 1)
    if kind == "array" and depth:
        items = schema["items"] if isinstance(schema.get("items"), dict) else {}
        low = schema.get("minItems", 0)
        return st.lists(fitting(items, components, depth - 1), min_size=low, max_size=max(low, 4))
    return _plain(schema, kind)


def _plain(schema: dict[str, Any], kind: str | None) -> st.SearchStrategy[Any]:
    if kind == "string":
        text = st.text(min_size=schema.get("minLength", 0), max_size=30)
        return TIMES if schema.get("format") == "date-time" else KNOWN | text
    if kind == "integer":
        return st.integers(schema.get("minimum", -5), schema.get("maximum", 2000))
    if kind == "number":
        low, high = schema.get("minimum"), schema.get("maximum")
        return st.floats(low, high, allow_nan=False, allow_infinity=False) | st.sampled_from([0, 1])
    return {"boolean": st.booleans(), "null": st.none()}.get(kind or "", ANYTHING)


def _object(schema: dict[str, Any], components: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    members = {name: fitting(each, components, depth) for name, each in schema.get("properties", {}).items()}
    required = set(schema.get("required", ()))
    if not members:
        more = schema.get("additionalProperties")
        values = fitting(more, components, depth) if isinstance(more, dict) else ANYTHING
        return st.dictionaries(KNOWN | st.text(max_size=8), values, max_size=4)
    return st.fixed_dictionaries(
        {name: each for name, each in members.items() if name in required},
        optional={name: each for name, each in members.items() if name not in required},
    )


@st.composite
def mutated(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> Any:
    """Draw a value with one member replaced, removed or added somewhere."""
    value = draw(values)
    if isinstance(value, dict) and value:
        name = draw(st.sampled_from(sorted(value)))
        how = draw(st.sampled_from(["replace", "remove", "add", "deeper"]))
        if how == "remove":
            return {key: each for key, each in value.items() if key != name}
        if how == "add":
            return {**value, draw(st.text(max_size=8)): draw(ANYTHING)}
        return {**value, name: draw(mutated(st.just(value[name])) if how == "deeper" else ANYTHING)}
    if isinstance(value, list) and value:
        return [draw(mutated(st.just(value[0]))), *value[1:]]
    return draw(ANYTHING)
