"""Commands on a workspace that PostgreSQL keeps: made, filled, trained, served, and written beside its server."""

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import httpx
import pytest

import proffer.bootstrap as bootstrap
from proffer.core.errors import ProfferError
from proffer.testing.postgres_server import PostgresServer

from .conftest import Run, counts, parsed, served


@pytest.fixture
def store(postgres: PostgresServer, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address, without its password, of a database of the test's own; the password is in the environment."""
    import psycopg

    name = f"cli_{uuid.uuid4().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    monkeypatch.setenv("PGPASSWORD", postgres.password)
    return postgres.url(name).replace(f":{postgres.password}@", "@")


def files_with(word: str, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


def post(url: str, token: str, path: str, body: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{url}/api/v1/feed{path}", json=body, headers=headers, timeout=30, trust_env=False)


def get(url: str, token: str, path: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{url}/api/v1/feed{path}", headers=headers, timeout=30, trust_env=False)


@pytest.mark.timeout(200)
def test_from_init_to_a_restart(store: str, run: Run, home: Path, events: Path, tmp_path: Path) -> None:
    made = parsed(run("init", "feed", "--store", store, "--json"))
    assert (made["store"], made["app"]) == (store, "feed")
    assert parsed(run("import", "feed", events, "--json"))["counts"]["accepted"] == 120
    version = parsed(run("train", "feed", "--budget", 1, "--json"))
    token = parsed(run("token", "feed", "--scopes", "read,write,admin", "--json"))["token"]
    alone = [item["id"] for item in parsed(run("recommend", "feed", "u1", "--json"))["items"]]
    with served(home) as child:
        slate = post(child.url, token, "/recommend", {"subject": "u1", "n": 10}).json()
        assert [item["id"] for item in slate["items"]] == alone[:10]
        # Everybody writes: nothing goes through the server, and nothing has to wait for its end.
        again = run("import", "feed", events, "--json")
        assert "Through the server" not in again.stderr
        assert parsed(again)["counts"]["duplicates"] == 120
        assert parsed(run("token", "feed", "--name", "other", "--json"))["name"] == "other"
        (tmp_path / "new.json").write_text('{"diversity": {"home": 0.5}, "schedule": {"home": "off"}}')
        run("settings", "feed", "--set", tmp_path / "new.json")
        rows = [{"id": "mine", "type": "like", "actor": "u1", "target": "p1", "at": "2024-01-01T00:00:00Z"}]
        assert post(child.url, token, "/events", rows).status_code < 300
        status = parsed(run("status", "feed", "--json"))
        assert (status["store"], status["server"]) == (store, child.url)
        assert [each["version"] for each in status["champions"].values()].count(version["id"]) <= 1
        found = get(child.url, token, f"/decisions/{slate['decision']}")
        assert found.status_code == 200
    with served(home) as child:
        assert get(child.url, token, f"/decisions/{slate['decision']}").json() == found.json()
        [job] = get(child.url, token, "/jobs").json()["jobs"]
        assert (job["state"], job["version"]) == ("succeeded", version["id"])
    # 120 rows, 5 users with a country, the settings twice and the like.
    assert counts(home) == {"accepted": 128, "duplicates": 120, "conflicts": 0, "quarantined": 0}
    assert run("events", "feed", "--limit", 1).stdout.count("like") == 1
    assert not (home / "feed" / "log.db").exists()


def test_a_second_machine_joins_and_has_the_models(store: str, run: Run, home: Path, events: Path) -> None:
    run("init", "feed", "--store", store)
    run("import", "feed", events)
    version = parsed(run("train", "feed", "--budget", 1, "--json"))
    other = home.parent / "other"
    assert "Joined the one of" in run("init", "feed", "--store", store, "--home", other).stdout
    assert [*(other / "feed").iterdir()] == [other / "feed" / "workspace.json"]
    shown = parsed(run("models", "feed", "--version", version["id"], "--json", "--home", other))
    assert shown["id"] == version["id"]
    engine = bootstrap.open_engine(other, "feed")
    try:
        assert engine.state.position == 125
        assert engine.stores.registry.load(version["id"])[0] == engine.stores.registry.history("home")[0]
    finally:
        engine.close()
    assert (other / "feed" / "models" / version["id"] / "arrays.npz").is_file()


@pytest.mark.timeout(120)
def test_one_process_cancels_the_training_of_another(store: str, run: Run, home: Path, events: Path) -> None:
    run("init", "feed", "--store", store)
    run("import", "feed", events)
    assert "no job" in run("jobs", "feed", "--cancel", "j_none", status=1).stderr
    command = [sys.executable, "-m", "proffer", "train", "feed"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as training:
        stores = bootstrap.open_stores(home / "feed", writable=False)
        try:
            while not (jobs := stores.jobs.find()) and training.poll() is None:
                time.sleep(0.01)
        finally:
            stores.log.close()
        cancelled = parsed(run("jobs", "feed", "--cancel", jobs[0].id, "--json"))
        _, said = training.communicate(timeout=60)
    assert (cancelled["id"], cancelled["state"]) == (jobs[0].id, "cancelled")
    assert training.returncode == 1
    assert "the training was cancelled" in said
    assert parsed(run("jobs", "feed", "--json"))[0]["state"] == "cancelled"


def test_a_password_is_used_and_never_kept_or_shown(
    store: str, postgres: PostgresServer, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch, events: Path
) -> None:
    monkeypatch.delenv("PGPASSWORD")
    whole = store.replace("@", f":{postgres.password}@")
    said = run("init", "feed", "--store", whole)
    assert postgres.password not in said.output
    assert bootstrap.workspace(home, "feed").store == store
    refused = run("status", "feed", status=1)
    assert "password is wrong or missing" in refused.stderr
    assert "PROFFER_DATABASE" in refused.stderr
    monkeypatch.setenv("PROFFER_DATABASE", whole)
    assert postgres.password not in repr(bootstrap.environment())
    run("import", "feed", events)
    shown = run("status", "feed", "--json")
    assert (parsed(shown)["store"], parsed(shown)["received"]) == (store, 125)
    run("init", "second", "--app", "feed")
    assert bootstrap.workspace(home, "second").store == store
    run("init", "third", "--app", "feed", "--store", "sqlite")
    assert bootstrap.workspace(home, "third").store is None
    assert postgres.password not in shown.output
    assert files_with(postgres.password, home) == []
    # Nor shown where somebody wrote it into the file by hand.
    path = home / "feed" / "workspace.json"
    path.write_text(path.read_text().replace(store, whole))
    monkeypatch.delenv("PROFFER_DATABASE")
    shown = run("status", "feed", "--json")
    assert (parsed(shown)["store"], postgres.password in shown.output) == (store, False)


@pytest.mark.parametrize("how", ["passfile", "service"])
def test_passwords_come_from_where_postgresql_keeps_them(
    store: str, postgres: PostgresServer, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.delenv("PGPASSWORD")
    name, file = store.rsplit("/", 1)[1], tmp_path / how
    if how == "passfile":
        file.write_text(f"127.0.0.1:{postgres.port}:{name}:proffer:{postgres.password}\n")
        monkeypatch.setenv("PGPASSFILE", str(file))
    else:
        rows = {"host": "127.0.0.1", "port": postgres.port, "dbname": name, "user": "proffer"}
        lines = [f"{key}={value}" for key, value in {**rows, "password": postgres.password}.items()]
        file.write_text("\n".join(["[shop]", *lines, ""]))
        monkeypatch.setenv("PGSERVICEFILE", str(file))
        store = "postgresql:///?service=shop"
    file.chmod(0o600)
    assert parsed(run("init", "feed", "--store", store, "--json"))["store"] == store
    assert parsed(run("status", "feed", "--json"))["store"] == store


@pytest.mark.parametrize(
    "url", ["mysql://me:canary@host/shop", "canary", "postgresql:canary", "", "host=x password=canary"]
)
def test_what_is_no_address_is_refused_without_quoting_it(run: Run, home: Path, url: str) -> None:
    said = run("init", "feed", "--store", url, status=1)
    assert "neither an address of PostgreSQL nor sqlite" in said.stderr
    assert "canary" not in said.output
    assert not (home / "feed").exists()


def test_no_server_leaves_nothing_behind(run: Run, home: Path) -> None:
    said = run("init", "feed", "--store", "postgresql://me:canary@127.0.0.1:9/shop", status=1)
    assert "cannot be reached" in said.stderr
    assert "canary" not in said.output
    assert [*home.iterdir()] == []
    run("init", "feed", "--store", "sqlite")


def test_a_workspace_that_exists_is_not_made_again(store: str, run: Run, home: Path) -> None:
    run("init", "feed", "--store", "sqlite")
    assert "feed exists" in run("init", "feed", "--store", store, status=1).stderr
    run("init", "shop", "--app", "feed", "--store", store)
    assert "feed exists" in run("init", "feed", status=1).stderr


def test_without_psycopg_the_extra_is_named(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    run("init", "feed", "--store", store)
    for name in [name for name in sys.modules if name.startswith(("psycopg", "proffer.stores.postgres"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for words in (("status", "feed"), ("init", "other", "--app", "feed", "--store", store)):
        said = run(*words, status=1).stderr
        assert "needs the extra postgres" in said
        assert "pip install 'proffer[postgres]'" in said
    run("init", "third", "--app", "feed", "--store", "sqlite")
    with pytest.raises(ProfferError, match="needs the extra postgres"):
        bootstrap.open_stores(home / "feed")


def test_a_server_that_was_killed_is_not_taken_for_one_that_runs(store: str, run: Run, home: Path) -> None:
    run("init", "feed", "--store", store)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    for pid, found in ((ended.pid, None), (os.getpid(), "http://127.0.0.1:1")):
        told = {"url": "http://127.0.0.1:1", "pid": pid, "token": "pf_x"}
        (home / "feed" / "server.json").write_text(json.dumps(told))
        assert parsed(run("status", "feed", "--json"))["server"] == found
