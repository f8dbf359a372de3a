-- The desk. A message is what one card says in the subscriber's form; a version is one wording of it.
CREATE TABLE desk_messages (
  call TEXT NOT NULL,
  version INTEGER NOT NULL,
  digest TEXT NOT NULL,
  number TEXT NOT NULL,
  project TEXT NOT NULL,
  urgency TEXT NOT NULL,
  call_type TEXT NOT NULL,
  subject TEXT NOT NULL,
  body TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (call, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX desk_messages_by_project ON desk_messages (project, created_at);

-- One message version to one recipient by one channel: the key is the promise that nothing is doubled.
CREATE TABLE deliveries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL UNIQUE,
  call TEXT NOT NULL,
  version INTEGER NOT NULL,
  project TEXT NOT NULL,
  rule INTEGER NOT NULL,
  channel TEXT NOT NULL,
  recipient TEXT NOT NULL,
  person TEXT NOT NULL,
  urgent INTEGER NOT NULL,
  acknowledge_ms INTEGER NOT NULL,
  step INTEGER NOT NULL,
  digest INTEGER NOT NULL,
  batch TEXT NOT NULL DEFAULT '', -- a digest once composed keeps its members over every retry
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  next_try_at INTEGER NOT NULL,
  first_tried_at INTEGER,
  sent_at INTEGER,
  deadline INTEGER,
  acknowledged_at INTEGER,
  acknowledged_by TEXT NOT NULL,
  last_error TEXT NOT NULL
) STRICT;
CREATE INDEX deliveries_due ON deliveries (state, next_try_at);
CREATE INDEX deliveries_by_call ON deliveries (call, version);
CREATE TABLE delivery_log (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  delivery INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
  at INTEGER NOT NULL,
  event TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
CREATE INDEX delivery_log_by_delivery ON delivery_log (delivery, id);

-- What is not settled, by the number the client can quote.
CREATE TABLE cases (
  number TEXT PRIMARY KEY NOT NULL,
  project TEXT NOT NULL,
  state TEXT NOT NULL,
  subject TEXT NOT NULL,
  owner TEXT NOT NULL,
  client TEXT NOT NULL,
  client_name TEXT NOT NULL,
  client_email TEXT NOT NULL,
  helpdesk TEXT NOT NULL DEFAULT '',
  ticket TEXT NOT NULL,
  told_state TEXT NOT NULL DEFAULT '', -- what the help desk knows
  opened_at INTEGER NOT NULL,
  deadline INTEGER,
  resolved_at INTEGER,
  next_sync_at INTEGER NOT NULL DEFAULT 0,
  sync_error TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX cases_by_client ON cases (project, client, state);
CREATE INDEX cases_by_state ON cases (project, state, opened_at);
CREATE TABLE case_history (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  number TEXT NOT NULL REFERENCES cases (number) ON DELETE CASCADE,
  at INTEGER NOT NULL,
  who TEXT NOT NULL,
  event TEXT NOT NULL,
  text TEXT NOT NULL,
  public INTEGER NOT NULL
) STRICT;
CREATE INDEX case_history_by_case ON case_history (number, id);
CREATE TABLE case_calls (
  number TEXT NOT NULL REFERENCES cases (number) ON DELETE CASCADE,
  call TEXT NOT NULL,
  PRIMARY KEY (number, call)
) STRICT, WITHOUT ROWID;
CREATE INDEX case_calls_by_call ON case_calls (call);

-- Service-level clocks of every operation.
CREATE TABLE operation_clocks (
  project TEXT NOT NULL,
  operation TEXT NOT NULL,
  object TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  warn_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  stopped_at INTEGER,
  warned INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (project, operation, object)
) STRICT, WITHOUT ROWID;
CREATE INDEX operation_clocks_running ON operation_clocks (stopped_at, warn_at);
CREATE INDEX operation_clocks_by_time ON operation_clocks (started_at);

-- The local directory: clients by number, their matters, licences, organisations of the open register.
CREATE TABLE directory_clients (
  project TEXT NOT NULL,
  number TEXT NOT NULL,
  name TEXT NOT NULL,
  organisation TEXT NOT NULL,
  taxpayer_number TEXT NOT NULL,
  person TEXT NOT NULL,
  priority REAL NOT NULL,
  PRIMARY KEY (project, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE directory_matters (
  project TEXT NOT NULL,
  number TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  title TEXT NOT NULL,
  state TEXT NOT NULL,
  due TEXT NOT NULL,
  person TEXT NOT NULL,
  PRIMARY KEY (project, number, kind, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE directory_licences (
  licence TEXT PRIMARY KEY NOT NULL,
  project TEXT NOT NULL,
  product TEXT NOT NULL,
  region TEXT NOT NULL,
  organisation TEXT NOT NULL,
  taxpayer_number TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE directory_register (
  taxpayer_number TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Every version of a project that was in force.
CREATE TABLE project_versions (
  project TEXT NOT NULL,
  version INTEGER NOT NULL,
  digest TEXT NOT NULL,
  content TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (project, version)
) STRICT, WITHOUT ROWID;
