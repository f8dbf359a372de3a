-- A call back is known by its call id before it is dialled; its outcome is found by it (crash-safe).
ALTER TABLE missed_dials ADD COLUMN call TEXT NOT NULL DEFAULT '';
-- '' under way, no_agent (the number was not dialled: counts in no cap), else what became of the number
ALTER TABLE missed_dials ADD COLUMN outcome TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX missed_dials_by_call ON missed_dials (call) WHERE call <> '';
ALTER TABLE missed_tasks ADD COLUMN why TEXT NOT NULL DEFAULT '';
