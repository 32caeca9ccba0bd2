import { expect, test } from 'vitest';
import type { Log } from '#services/core/ports.ts';
import { logSealed } from './log-sealed.ts';
import type { SealedRow } from './seal.store.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PERSONAL = { identifier: 'hash-of-an-address', ip: '203.0.113.7' };

function linesOf(...rows: Partial<SealedRow['row']>[]): unknown[] {
  const lines: unknown[] = [];
  const log = { info: (fields: object, message: string) => lines.push({ ...fields, message }) } as unknown as Log;
  const whole = { outcome: 'ok', clientId: null, actorId: 'u1', traceparent: null, ipHash: '1.ip', detail: {} };
  logSealed(
    log,
    rows.map((row, index) => ({ seq: index + 1, row: { ...whole, ...row } }) as unknown as SealedRow),
  );
  return lines;
}

test('a sign-in, the end of a session and a count of validations are one line each, and other events none', () => {
  const traceparent = `00-${TRACE}-b7ad6b7169203331-01`;
  expect(
    linesOf(
      { type: 'user.login', outcome: 'refused', client_id: 'shop', traceparent },
      { type: 'session.ended', detail: { reason: 'sign_out' } },
      { type: 'token.issued' },
      { type: 'token.validations', outcome: 'counted', detail: { active: 3, revoked: 1 } },
    ),
  ).toEqual([
    {
      event: 'user.login',
      outcome: 'refused',
      seq: 1,
      client_id: 'shop',
      trace_id: TRACE,
      message: expect.any(String),
    },
    { event: 'session.ended', outcome: 'ok', seq: 2, reason: 'sign_out', message: expect.any(String) },
    {
      event: 'token.validations',
      outcome: 'counted',
      seq: 4,
      counts: { active: 3, revoked: 1 },
      message: expect.any(String),
    },
  ]);
});

test('a line has a reason of ours, and no text that a person wrote', () =>
  expect(linesOf({ type: 'session.ended', detail: { reason: 'Ada lost her phone' } })).toEqual([
    { event: 'session.ended', outcome: 'ok', seq: 1, message: expect.any(String) },
  ]));

test('a line has neither the person nor what is kept apart of an event', () => {
  const text = JSON.stringify(linesOf({ type: 'user.login', detail: PERSONAL, target_id: 'u1' }));
  for (const value of ['u1', '1.ip', ...Object.values(PERSONAL)]) expect(text).not.toContain(value);
});
