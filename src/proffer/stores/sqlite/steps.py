"""The tables of a workspace in SQLite, version by version."""

from collections.abc import Mapping

_FIRST = """
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY, id TEXT NOT NULL, type TEXT NOT NULL, at INTEGER NOT NULL,
  actor_kind TEXT NOT NULL, actor_id TEXT NOT NULL, target_kind TEXT, target_id TEXT, query_id TEXT,
  fields TEXT, digest BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX events_id ON events (id);
CREATE INDEX events_actor ON events (actor_id, actor_kind);
CREATE INDEX events_target ON events (target_id, target_kind) WHERE target_id IS NOT NULL;
CREATE INDEX events_query ON events (query_id) WHERE query_id IS NOT NULL;
CREATE INDEX events_type ON events (type);
CREATE INDEX events_at ON events (at);
CREATE TABLE quarantine (
  number INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, raw BLOB NOT NULL, reason BLOB NOT NULL, field BLOB,
  event_id BLOB, source BLOB NOT NULL, repaired_by TEXT) STRICT;
CREATE INDEX quarantine_open ON quarantine (number) WHERE repaired_by IS NULL;
CREATE TABLE counts (
  accepted INTEGER NOT NULL, duplicates INTEGER NOT NULL, conflicts INTEGER NOT NULL, quarantined INTEGER NOT NULL
) STRICT;
INSERT INTO counts VALUES (0, 0, 0, 0);
CREATE TABLE decisions (id TEXT PRIMARY KEY, subject_kind TEXT NOT NULL, subject_id TEXT NOT NULL, body BLOB NOT NULL)
  STRICT;
CREATE INDEX decisions_subject ON decisions (subject_id, subject_kind, id);
CREATE TABLE versions (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, pipeline TEXT NOT NULL, body BLOB NOT NULL)
  STRICT;
CREATE INDEX versions_pipeline ON versions (pipeline);
CREATE TABLE champions (pipeline TEXT PRIMARY KEY, version TEXT NOT NULL, revision INTEGER NOT NULL) STRICT;
CREATE TABLE tokens (name TEXT PRIMARY KEY, digest TEXT NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX tokens_digest ON tokens (digest);
"""
# What came in the time of version 1 was made where it was missing, so that some workspaces of that version have it.
# What served when there was no list of promotions yet begins it.
_SECOND = """
CREATE TABLE IF NOT EXISTS promotions (
  pipeline TEXT NOT NULL, revision INTEGER NOT NULL, version TEXT NOT NULL, at INTEGER NOT NULL, how TEXT NOT NULL,
  PRIMARY KEY (pipeline, revision)) STRICT;
CREATE TABLE IF NOT EXISTS vouched (
  version TEXT NOT NULL, code TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (version, code)) STRICT;
CREATE TABLE IF NOT EXISTS jobs (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, pipeline TEXT NOT NULL, key TEXT UNIQUE, active INTEGER NOT NULL,
  body BLOB NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS jobs_pipeline ON jobs (pipeline);
CREATE UNIQUE INDEX IF NOT EXISTS jobs_active ON jobs (pipeline) WHERE active;
CREATE TABLE IF NOT EXISTS leases (job TEXT PRIMARY KEY, until REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS reviews (number INTEGER PRIMARY KEY, version TEXT NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS reviews_version ON reviews (version);
INSERT OR IGNORE INTO promotions
  SELECT c.pipeline, c.revision, c.version,
         coalesce(strftime('%s', json_extract(CAST(v.body AS TEXT), '$.created_at')), 0) * 1000000, 'promote'
  FROM champions c JOIN versions v ON v.id = c.version;
"""

STEPS: Mapping[int, str] = {1: _FIRST, 2: _SECOND}
"""What leads to each version from the one before; each is one transaction."""
