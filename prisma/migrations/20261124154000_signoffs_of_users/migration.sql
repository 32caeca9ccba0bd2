-- Users list the sign-offs that they asked for, newest first.
CREATE INDEX signoffs_requested_by ON signoffs (requested_by_kind, requested_by, requested_at, id);
