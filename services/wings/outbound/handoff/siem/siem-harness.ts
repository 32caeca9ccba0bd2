// For tests only: sealed events as the export reads them.
import type { AuditEventView } from '#services/core/audit/read/event-view.ts';

export const SOURCE = { issuer: 'https://auth.example.test', version: '0.2.0' };

/** A sealed event of a user who acts on a session, with these changes. */
export const sealedEvent = (changes: Partial<AuditEventView> = {}): AuditEventView => ({
  seq: 4_711,
  event_id: '0199f0a2-7c1e-7d2b-9c55-0c6d5a0a4b11',
  type: 'user.login',
  outcome: 'ok',
  actor: { kind: 'user', id: 'u-1' },
  target: { kind: 'user', id: 'u-1' },
  client_id: 'web',
  detail: { factor: 'password' },
  trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
  occurred_at: '2026-11-23T18:00:00.123456Z',
  sealed_at: '2026-11-23T18:00:01.000000Z',
  ...changes,
});

/** What a sender of a request may choose: it must do nothing to a log, a terminal or a parser. */
export const HOSTILE = 'ada"]\\ x="1"\r\n<13>1 - - - - - - forged\u001b[2J\u0000\u2028\ud800 & <script> ]';
