"""Where a database is: URLs, what may be shown of them, and the schema a workspace has there."""

from hashlib import blake2b
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from proffer.core.errors import Invalid

LONGEST = 63
_DEFAULTS = {
    "connect_timeout": "3", "keepalives_idle": "5", "keepalives_interval": "2", "keepalives_count": "3",
    "tcp_user_timeout": "8000",
}  # fmt: skip
_SECRET = ("password", "sslpassword")


def parameters(url: str) -> dict[str, str]:
    """Return the connection parameters of a URL (or of libpq's key=value form), with short timeouts where none is set.

    Raises Invalid without quoting what was given: a password may be in it.

    >>> parameters("postgresql://me@db.example/shop")["connect_timeout"]
    '3'
    """
    return _DEFAULTS | _given(url)


def without_password(url: str) -> str:
    """Return an address as a URL without any password, fit to be shown and kept.

    >>> without_password("postgresql://me:secret@db.example:5432/shop?sslmode=require")
    'postgresql://me@db.example:5432/shop?sslmode=require'
    >>> without_password("host=/run/postgresql dbname=shop password=secret")
    'postgresql://%2Frun%2Fpostgresql/shop'
    """
    left = {name: value for name, value in _given(url).items() if name not in _SECRET and value}
    user = quote(left.pop("user", ""), safe="")
    hosts = left.pop("host", "").split(",")
    ports = left.pop("port", "").split(",")
    places = []
    for number, host in enumerate(hosts):
        port = ports[number] if len(ports) > number else ports[-1]
        name = f"[{host}]" if ":" in host else quote(host, safe="")
        places.append(f"{name}:{port}" if port else name)
    database = quote(left.pop("dbname", ""), safe="")
    where = f"{user}@{','.join(places)}" if user else ",".join(places)
    return f"postgresql://{where}/{database}" + (f"?{urlencode(left)}" if left else "")


def schema_name(workspace: str) -> str:
    """Return the schema of a workspace; a name too long for PostgreSQL ends in a hash of it.

    >>> schema_name("shop")
    'proffer_shop'
    """
    name = f"proffer_{workspace}"
    if len(name.encode()) <= LONGEST:
        return name
    return f"{name[:46]}_{blake2b(name.encode(), digest_size=8).hexdigest()}"


def _given(url: str) -> dict[str, str]:
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.ProgrammingError:
        given = {"host": "@"}
    ports = given.get("port", "").replace(",", "")
    # A password with a bare @, / or : ends up in one of these, and would be shown with them.
    if "@" in given.get("host", "") + given.get("dbname", "") or (ports and not ports.isdecimal()):
        remedy = "Write postgresql://user@host:5432/database; special characters in it as %XX (@ is %40)."
        raise Invalid("the address of the database cannot be read", field="store", remedy=remedy)
    return given
