"""The description is valid, complete, and its examples are what the server takes and gives."""

import pytest
from openapi_spec_validator import validate

from proffer.api.operations import PUBLIC, SCOPES, Operation
from proffer.api.table import OPERATIONS

from .served import Site


def test_the_description_is_valid_openapi(site: Site) -> None:
    validate(site.document)
    assert site.send("GET", "/api/openapi.json", token=None).json() == site.document


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_every_operation_is_described(site: Site, operation: Operation) -> None:
    told = site.document["paths"][operation.path][operation.method.lower()]
    assert told["operationId"] == operation.name
    assert operation.call.__doc__
    assert told["x-scope"] in SCOPES
    assert told["security"] == ([] if operation.scope == PUBLIC else [{"token": []}])
    assert {f"{{{each['name']}}}" for each in told.get("parameters", ()) if each["in"] == "path"} == {
        part for part in operation.path.split("/") if part.startswith("{")
    }


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.body], ids=lambda each: each.name)
def test_examples_of_bodies_fit_their_schema(site: Site, operation: Operation) -> None:
    told = site.document["paths"][operation.path][operation.method.lower()]
    content = told["requestBody"]["content"]["application/json"]
    assert content["examples"]
    for example in content["examples"].values():
        site.schemas.validator(content["schema"]).validate(example["value"])


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.answer], ids=lambda each: each.name)
def test_examples_of_answers_fit_their_schema(site: Site, operation: Operation) -> None:
    told = site.document["paths"][operation.path][operation.method.lower()]
    content = told["responses"][str(operation.status)]["content"]["application/json"]
    site.schemas.validator(content["schema"]).validate(content["example"])


def test_the_page_for_people_names_every_operation(site: Site) -> None:
    page = site.send("GET", "/api/docs", token=None).text
    assert all(each.path in page for each in OPERATIONS)
