-- The list of events by actor, target, client or trace: each index is in the order of the list. Longer ids are personal
-- values, so the columns have at most 128 characters.
CREATE INDEX audit_events_actor ON audit_events (actor_id, seq) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_events_target ON audit_events (target_id, seq) WHERE target_id IS NOT NULL;
CREATE INDEX audit_events_client ON audit_events (client_id, seq) WHERE client_id IS NOT NULL;
CREATE INDEX audit_events_trace ON audit_events (trace_id, seq) WHERE trace_id IS NOT NULL;

-- The same for ids that are personal values, such as the user of a refused sign-in. A value that its sender chose can be
-- longer than an entry of a B-tree: it gets no place, and no filter finds it.
ALTER TABLE audit_personal ADD COLUMN seq bigint;
UPDATE audit_personal p SET seq = e.seq FROM audit_events e
 WHERE e.event_id = p.event_id AND p.field IN ('actor', 'client_id', 'target') AND length(p.value) <= 512;
CREATE INDEX audit_personal_place ON audit_personal (field, value, seq) WHERE seq IS NOT NULL;
