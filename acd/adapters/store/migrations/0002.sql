-- Call backs dialled, for the daily caps.
CREATE TABLE missed_dials (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  task INTEGER NOT NULL REFERENCES missed_tasks (id) ON DELETE CASCADE,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX missed_dials_by_time ON missed_dials (at);
CREATE INDEX missed_dials_by_task ON missed_dials (task);
CREATE INDEX missed_due ON missed_tasks (next_try_at) WHERE closed_at IS NULL;
