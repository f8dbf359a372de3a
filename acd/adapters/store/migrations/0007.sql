-- Calls whose message is still to be printed: its subscriber's template runs outside of the card's transaction.
CREATE TABLE desk_owed (
  call TEXT PRIMARY KEY,
  since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
