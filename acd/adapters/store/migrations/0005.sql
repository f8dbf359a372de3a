-- What an agent wrote before the card was there: what HTTP has accepted must survive our death (000-06).
CREATE TABLE card_drafts (
  call TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (call, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX card_drafts_by_age ON card_drafts (at);
