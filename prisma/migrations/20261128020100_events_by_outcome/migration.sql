-- Events are found by their outcome, also where it is rare among those of a type. Serves auditEventsOfOutcome.
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_events_outcome ON audit_events (outcome, type, occurred_at, seq);
