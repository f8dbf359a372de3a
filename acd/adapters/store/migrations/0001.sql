-- Cards: one row per call that entered, keyed by the dialplan's call id. All times are epoch milliseconds.
CREATE TABLE cards (
  call TEXT PRIMARY KEY NOT NULL,
  number TEXT NOT NULL UNIQUE,
  version INTEGER NOT NULL,
  digest TEXT NOT NULL,
  subscriber TEXT NOT NULL,
  queue TEXT NOT NULL,
  did TEXT NOT NULL,
  ani TEXT NOT NULL,
  caller TEXT NOT NULL, -- the ani in one normal form, to find the same caller again
  entered_at INTEGER NOT NULL,
  answered_at INTEGER,
  ended_at INTEGER NOT NULL,
  end_reason TEXT NOT NULL,
  ended_by TEXT NOT NULL,
  cause INTEGER NOT NULL,
  wait_ms INTEGER NOT NULL,
  talk_ms INTEGER NOT NULL,
  hold_ms INTEGER NOT NULL,
  acw_ms INTEGER NOT NULL,
  agent TEXT,
  explanation TEXT NOT NULL,
  stored_at INTEGER NOT NULL
) STRICT;
CREATE INDEX cards_by_time ON cards (entered_at);
CREATE INDEX cards_by_subscriber ON cards (subscriber, entered_at);
CREATE INDEX cards_by_ani ON cards (ani, entered_at);
CREATE INDEX cards_by_caller ON cards (caller, answered_at);

CREATE TABLE card_segments (
  call TEXT NOT NULL REFERENCES cards (call) ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,
  agent TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  offered_at INTEGER NOT NULL,
  answered_at INTEGER,
  ended_at INTEGER,
  outcome TEXT NOT NULL,
  hold_ms INTEGER NOT NULL,
  acw_ms INTEGER NOT NULL,
  PRIMARY KEY (call, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE card_history (
  call TEXT NOT NULL REFERENCES cards (call) ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,
  at INTEGER NOT NULL,
  state TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (call, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE card_fields (
  call TEXT NOT NULL REFERENCES cards (call) ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (call, ordinal),
  UNIQUE (call, name)
) STRICT, WITHOUT ROWID;

-- The intent row: committed before its Redirect leaves.
CREATE TABLE intents (
  call TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  agent TEXT NOT NULL,
  effect INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (call, attempt, agent)
) STRICT, WITHOUT ROWID;
CREATE INDEX intents_by_time ON intents (at);

CREATE TABLE agents (
  agent TEXT PRIMARY KEY NOT NULL,
  logged_in INTEGER NOT NULL,
  paused_reason TEXT NOT NULL,
  device TEXT NOT NULL,
  since INTEGER NOT NULL,
  wrap_up_until INTEGER
) STRICT;

-- Card numbers are handed out from blocks; a block reserved here is never handed out again.
CREATE TABLE number_blocks (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  next INTEGER NOT NULL
) STRICT;
INSERT INTO number_blocks (id, next) VALUES (1, 10000);

-- What others must be told, in the same transaction as what happened.
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  destination TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  call TEXT NOT NULL,
  payload TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  next_try_at INTEGER NOT NULL,
  done_at INTEGER,
  last_error TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'dead')),
  UNIQUE (destination, idempotency_key)
) STRICT;
CREATE INDEX outbox_due ON outbox (destination, state, next_try_at);
CREATE INDEX outbox_by_call ON outbox (destination, call, state);

-- Asterisk's own record, as far as we read it. The cursor commits with the rows derived from it.
CREATE TABLE journal_cursors (
  path TEXT NOT NULL,
  inode INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  tail BLOB NOT NULL,
  PRIMARY KEY (path, inode)
) STRICT, WITHOUT ROWID;
CREATE TABLE journal_rows (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  source TEXT NOT NULL,
  kind TEXT NOT NULL,
  call TEXT NOT NULL,
  queue TEXT NOT NULL,
  agent TEXT NOT NULL,
  ms INTEGER NOT NULL,
  fields TEXT NOT NULL
) STRICT;
CREATE INDEX journal_rows_by_call ON journal_rows (call, id);
CREATE INDEX journal_rows_by_time ON journal_rows (ms);
CREATE TABLE counters (
  name TEXT PRIMARY KEY NOT NULL,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Missed calls: exactly one open task per number and subscriber (failure mode 38).
CREATE TABLE missed_tasks (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  number TEXT NOT NULL,
  subscriber TEXT NOT NULL,
  state TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  deadline INTEGER NOT NULL,
  missed INTEGER NOT NULL,
  waited_ms INTEGER NOT NULL,
  last_missed_at INTEGER NOT NULL,
  reason TEXT NOT NULL,
  asked INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  next_try_at INTEGER NOT NULL,
  approved_by TEXT NOT NULL,
  closed_at INTEGER,
  closed_by TEXT NOT NULL,
  close_reason TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX missed_one_open ON missed_tasks (number, subscriber)
  WHERE closed_at IS NULL AND number <> '';
CREATE INDEX missed_by_time ON missed_tasks (opened_at);
CREATE TABLE missed_calls (
  call TEXT PRIMARY KEY NOT NULL,
  task INTEGER NOT NULL REFERENCES missed_tasks (id) ON DELETE CASCADE,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX missed_calls_by_task ON missed_calls (task);

-- Who did what, without content; each row's digest covers the one before.
CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  who TEXT NOT NULL,
  what TEXT NOT NULL,
  object TEXT NOT NULL,
  digest TEXT NOT NULL
) STRICT;
