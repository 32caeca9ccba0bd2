-- The dashboard shows counts of token families that a job took: counting reads every family.
ALTER TABLE monitoring_state ADD COLUMN tokens jsonb CHECK (jsonb_typeof(tokens) = 'object');
ALTER TABLE monitoring_state ADD COLUMN tokens_at timestamptz(3);
