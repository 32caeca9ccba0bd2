import { expect, test } from 'vitest';
import type { AuditEventView } from '#services/core/audit/read/event-view.ts';
import { eventSubjectOf } from './plan-deliveries.ts';

const event = (changes: Partial<AuditEventView>): AuditEventView => ({
  seq: 1,
  event_id: '6f2c3b1e-0000-4000-8000-000000000001',
  type: 'test.done',
  outcome: 'ok',
  actor: { kind: 'system', id: 'worker' },
  target: null,
  client_id: null,
  detail: {},
  trace_id: null,
  occurred_at: '2026-01-01T00:00:00.000Z',
  sealed_at: '2026-01-01T00:00:01.000Z',
  ...changes,
});

test.each<[string, Partial<AuditEventView>, string]>([
  [
    'its target, if that is a user',
    { target: { kind: 'user', id: 'ada' }, actor: { kind: 'user', id: 'eve' } },
    'user:ada',
  ],
  ['the user in its detail', { detail: { user_id: 'ada' }, client_id: 'notes' }, 'user:ada'],
  ['the user who acted', { actor: { kind: 'user', id: 'ada' }, target: { kind: 'session', id: 's' } }, 'user:ada'],
  ['its client', { client_id: 'notes', target: { kind: 'session', id: 's' } }, 'client:notes'],
  ['its target of another kind', { target: { kind: 'incident', id: 'i' } }, 'incident:i'],
  ['the installation', {}, 'installation:sallyport'],
  ['the installation, if the target has no id', { target: { kind: 'keys', id: null } }, 'installation:sallyport'],
  ['the installation, not a patient', { target: { kind: 'subject', id: 'mrn-7' } }, 'installation:sallyport'],
])('the subject of an event is %s', (_what, changes, expected) => {
  const { kind, id } = eventSubjectOf(event(changes));
  expect(`${kind}:${id}`).toBe(expected);
});
