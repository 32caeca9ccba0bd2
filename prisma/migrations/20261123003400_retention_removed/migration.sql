-- Records by kind that a retention run removed so far; each batch adds to it in its own transaction, so the counts of a run
-- whose worker died are exact.
ALTER TABLE retention_runs ADD COLUMN removed jsonb NOT NULL DEFAULT '{}';
