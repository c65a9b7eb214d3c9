"""Operations outside workspaces: is it alive, how are its parts, what does it count, what can it do."""

from proffer.api import answers
from proffer.api.operations import LOOP, PUBLIC, READ, WATCH, Answer, Call, Operation
from proffer.api.pages import operations_page
from proffer.engine.engine import Engine
from proffer.engine.health import Health

PLAIN = "text/plain; version=0.0.4; charset=utf-8"


def live(_: Call) -> answers.Liveness:
    """Answer at all."""
    return answers.Liveness(status="ok")


def ready(call: Call) -> Answer:
    """Say whether every workspace has folded its log and the server is not about to stop.

    One whose log cannot be reached still answers with slates: a balancer that took every process out for that would
    make it worse.
    """
    engines = call.site.engines
    if call.site.stopping:
        return Answer(value=answers.Liveness(status="stopping"), status=503)
    if any(engine.tail.away for engine in engines.values()):
        return Answer(value=answers.Liveness(status="degraded"))
    if engines and all(is_behind(engine) for engine in engines.values()):
        return Answer(value=answers.Liveness(status="folding"), status=503)
    return Answer(value=answers.Liveness(status="ok"))


def is_behind(engine: Engine) -> bool:
    """Say whether events of the log wait to be folded; a tail knows without asking."""
    return not engine.tail.running and engine.stores.log.last() > engine.state.position


def health(call: Call) -> dict[str, Health]:
    """Return each part of the token's workspace with the freshness of what it works on."""
    return {name: engine.reader.health() for name, engine in call.engines.items()}


def metrics(call: Call) -> Answer:
    """Return the token's workspace and the process in Prometheus' text form."""
    return Answer(value=call.site.metrics.text(call.engines), media_type=PLAIN)


def workspaces(call: Call) -> answers.Workspaces:
    """Return what the token may see, in the words of its application."""
    found = [
        answers.WorkspaceSummary(
            name=name,
            application=engine.app.name,
            doc=engine.app.doc,
            subject=engine.app.subject,
            item=engine.app.item,
            group=engine.app.group,
            pipelines=[pipeline.name for pipeline in engine.app.pipelines],
            events={event.name: event.doc for event in engine.app.events},
            entities={kind.name: [a.name for a in kind.attributes] for kind in engine.app.entities},
        )
        for name, engine in call.engines.items()
    ]
    return answers.Workspaces(version=call.site.version, workspaces=found)


def openapi(call: Call) -> Answer:
    """Return the description of every operation."""
    return Answer(value=call.site.document)


def page(call: Call) -> Answer:
    """Return the same description as a plain page for people."""
    return Answer(value=operations_page(call.site.operations).encode(), media_type="text/html; charset=utf-8")


OPERATIONS = (
    Operation(
        name="live",
        method="GET",
        path="/health/live",
        scope=PUBLIC,
        tag="monitoring",
        summary="Answer, if the process is alive.",
        returns=answers.Liveness,
        answer={"status": "ok"},
        lane=LOOP,
        call=live,
    ),
    Operation(
        name="ready",
        method="GET",
        path="/health/ready",
        scope=PUBLIC,
        tag="monitoring",
        summary="Say whether the server takes work: 200 when it does (degraded: slates only), else 503.",
        returns=answers.Liveness,
        answer={"status": "ok"},
        also={503: "Not ready."},
        lane=WATCH,
        call=ready,
    ),
    Operation(
        name="health",
        method="GET",
        path="/health",
        scope=READ,
        tag="monitoring",
        summary="Return the state of each part of the token's workspace, with data freshness.",
        returns=dict[str, Health],
        answer={"feed": {"status": "ok", "parts": {"log": {"status": "ok", "text": "the log can be read"}}}},
        lane=WATCH,
        call=health,
    ),
    Operation(
        name="metrics",
        method="GET",
        path="/metrics",
        scope=READ,
        tag="monitoring",
        summary="Return counts and times of the token's workspace and of the process, for Prometheus.",
        returns=str,
        media_type="text/plain",
        lane=WATCH,
        call=metrics,
    ),
    Operation(
        name="workspaces",
        method="GET",
        path="/api/v1",
        scope=READ,
        tag="description",
        summary="List the workspaces the token may see, with their applications' words.",
        returns=answers.Workspaces,
        lane=LOOP,
        call=workspaces,
    ),
    Operation(
        name="openapi",
        method="GET",
        path="/api/openapi.json",
        scope=PUBLIC,
        tag="description",
        summary="Return this description (OpenAPI 3.1).",
        returns=dict,
        lane=LOOP,
        call=openapi,
    ),
    Operation(
        name="page",
        method="GET",
        path="/api/docs",
        scope=PUBLIC,
        tag="description",
        summary="Return the table of operations as a page for people.",
        returns=str,
        media_type="text/html",
        lane=LOOP,
        call=page,
    ),
)
