-- Who takes over on call for a while, by the subscriber's own word; laid over the project's rotation.
CREATE TABLE oncall_swaps (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project TEXT NOT NULL,
  rotation TEXT NOT NULL,
  person TEXT NOT NULL,
  starts_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL,
  made_at INTEGER NOT NULL,
  made_by TEXT NOT NULL
) STRICT;
CREATE INDEX oncall_swaps_by_end ON oncall_swaps (ends_at, project);
