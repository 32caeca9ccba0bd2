import { expect, test } from 'vitest';
import { clientDeleted } from '#services/core/access/audit-events.ts';
import { userLogin } from '#services/core/identity/audit-events.ts';
import { familyEnded, tokenIssued, tokenRevoked } from '#services/core/tokens/audit-events.ts';
import { openLogHarness } from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { erasePersonal } from '../erase-personal.ts';
import { type AuditDetail, recordEvent } from '../record-event.ts';
import { sealEvents } from '../seal/seal-events.ts';
import { validateAuditTrail } from '../trail/validate-audit-trail.ts';
import { listEvents } from './list-events.ts';

const harness = opened(openLogHarness);

type Leaf = { readonly personal?: Record<string, string>; readonly target?: object; readonly detail: object };
type Event = Parameters<typeof recordEvent>[2];

/** Records and seals an event. Returns its leaf, a dump of its sealed rows, and what `audit:read` shows. */
async function sealed(event: Event, detail: AuditDetail<string>) {
  await harness.transact((tx) => recordEvent(tx, testCaller, event, detail as never));
  await sealEvents(harness, {}, testCaller);
  const [row] = await harness.raw<{ leaf: Buffer; columns: string; outbox: string }>`
    SELECT leaf, (to_jsonb(e) - 'leaf')::text AS columns,
    (SELECT to_jsonb(o)::text FROM audit_outbox o WHERE o.event_id = e.event_id) AS outbox
    FROM audit_events e ORDER BY seq DESC LIMIT 1`;
  const { events } = await listEvents(harness, { limit: 1 });
  const text = row!.leaf.toString();
  return { leaf: JSON.parse(text) as Leaf, everywhere: text + row!.columns + row!.outbox, view: events[0]! };
}

test('a refused sign-in has the same form for a known and an unknown account, and names neither', async () => {
  const detail = { factor: 'password', identifier: '1.hash' };
  const known = await sealed(userLogin, { outcome: 'refused', target: { kind: 'user', id: 'user-777' }, detail });
  const unknown = await sealed(userLogin, { outcome: 'refused', detail });
  const shape = ({ leaf }: { leaf: Leaf }) => [Object.keys(leaf), Object.keys(leaf.personal ?? {}), leaf.detail];
  expect(shape(known)).toEqual(shape(unknown));
  expect(known.leaf.target).toBeUndefined();
  expect(known.everywhere).not.toContain('user-777');
  expect(known.view).toMatchObject({ target: { kind: 'user', id: 'user-777' }, detail });
  expect(unknown.view).toMatchObject({ target: null, detail });
});

test('the target that the sender of a refused request chose is not in the log', async () => {
  const id = 'sid:ada.lovelace@example.test';
  const { everywhere, view } = await sealed(tokenRevoked, { outcome: 'refused', target: { kind: 'revocation', id } });
  expect(everywhere).not.toContain('lovelace');
  expect(view.target).toEqual({ kind: 'revocation', id });
});

test.each(['Ada lost her phone', 'hiv_positive_johndoe', 'phone'])(
  'a free-text reason is not in the log, not even one word: %s',
  async (reason) => {
    const target = { kind: 'family', id: 'f1' } as const;
    const written = await sealed(familyEnded, { outcome: 'ok', target, detail: { reason } });
    expect(written.everywhere).not.toContain(reason);
    expect(written.view).toMatchObject({ target, detail: { reason } });
  },
);

test('a reason code of our own is in the log', async () => {
  const target = { kind: 'family', id: 'f1' } as const;
  const code = await sealed(familyEnded, { outcome: 'ok', target, detail: { reason: 'sign_out' } });
  expect(code.leaf.detail).toEqual({ reason: 'sign_out' });
  const refused = await sealed(tokenIssued, { outcome: 'refused', detail: { reason: 'scope_invalid' } });
  expect(refused.leaf.detail).toEqual({ reason: 'scope_invalid' });
});

test('a client id that is a URL is not in the leaf, and a reader with `audit:read` sees it', async () => {
  const clientId = 'https://example.test/hiv_positive_johndoe';
  const target = { kind: 'client', id: clientId } as const;
  const detail = { client_id: clientId, user_id: 'u1' };
  const granted = await sealed(clientDeleted, { outcome: 'ok', target, clientId, detail });
  expect(JSON.stringify(granted.leaf)).not.toContain('johndoe');
  expect(granted.view).toMatchObject({ target, client_id: clientId, detail });
});

test('an id that an administrator typed and that does not exist is not in the leaf', async () => {
  const target = { kind: 'token', id: 'hiv_positive_johndoe' } as const;
  const ended = await sealed(tokenRevoked, { outcome: 'ok', target, detail: {} });
  expect(JSON.stringify(ended.leaf)).not.toContain('johndoe');
  expect(ended.view).toMatchObject({ target });
});

test('a job id that an operator typed is not in the leaf', async () => {
  const target = { kind: 'queue', id: 'mail' } as const;
  const asked = await sealed(clientDeleted, { outcome: 'ok', target, detail: { action: 'retry', job_id: 'johndoe' } });
  expect(asked.everywhere).not.toContain('johndoe');
  expect(asked.view.detail).toEqual({ action: 'retry', job_id: 'johndoe' });
});

test('values behind commitments can be erased: readers no longer see them, and the trail stays valid', async () => {
  const detail = { factor: 'password', identifier: '1.hash' };
  const target = { kind: 'user', id: 'user-888' } as const;
  const { view } = await sealed(userLogin, { outcome: 'refused', target, detail });
  expect(view.target?.id).toBe('user-888');
  await erasePersonal(harness, { subject: 'user-888' }, testCaller);
  const { events } = await listEvents(harness, { limit: 100 });
  expect(events.find(({ seq }) => seq === view.seq)).toMatchObject({ target: null, detail: { factor: 'password' } });
  const auditLogKeys = async (origin: string) => (await harness.logSigner.signers(origin)).map(({ key }) => key);
  expect((await validateAuditTrail({ sql: harness.sql, auditLogKeys })).valid).toBe(true);
});
