import { afterAll, beforeAll, expect, test } from 'vitest';
import { testCaller } from '../../../platform/testing/ports.ts';
import { type OwnLogWorld, openLogWorld } from '../../../platform/testing/worlds/log-world.ts';
import { userLogin } from '../../identity/audit-events.ts';
import { familyEnded, tokenRevoked } from '../../tokens/audit-events.ts';
import { erasePersonal } from '../erase-personal.ts';
import { type AuditDetail, recordEvent } from '../record-event.ts';
import { sealEvents } from '../seal/seal-events.ts';
import { validateAuditTrail } from '../trail/validate-audit-trail.ts';
import { listEvents } from './list-events.ts';

let world: OwnLogWorld;
beforeAll(async () => {
  world = await openLogWorld();
});
afterAll(() => world?.end());

type Leaf = { readonly personal?: Record<string, string>; readonly target?: object; readonly detail: object };
type Event = Parameters<typeof recordEvent>[2];

/** Records, seals, and gives the leaf, everything a dump of the sealed rows shows, and what a reader with rights sees. */
async function sealed(event: Event, detail: AuditDetail<string>) {
  await world.transact((tx) => recordEvent(tx, testCaller, event, detail));
  await sealEvents(world, {}, testCaller);
  const [row] = await world.raw<{ leaf: Buffer; columns: string; outbox: string }>(
    `SELECT leaf, (to_jsonb(e) - 'leaf')::text AS columns, (SELECT to_jsonb(o)::text FROM audit_outbox o WHERE o.event_id = e.event_id) AS outbox
     FROM audit_events e ORDER BY seq DESC LIMIT 1`,
  );
  const { events } = await listEvents(world, { limit: 1 });
  const text = row!.leaf.toString();
  return { leaf: JSON.parse(text) as Leaf, everywhere: text + row!.columns + row!.outbox, view: events[0]! };
}

test('a refused sign-in looks alike for a known and an unknown account, and names neither (U6)', async () => {
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

test('what a refused request named is not in the log, whatever its sender typed', async () => {
  const id = 'sid:ada.lovelace@example.test';
  const { everywhere, view } = await sealed(tokenRevoked, { outcome: 'refused', target: { kind: 'revocation', id } });
  expect(everywhere).not.toContain('lovelace');
  expect(view.target).toEqual({ kind: 'revocation', id });
});

test('a reason that somebody wrote is not in the log; a code of ours is', async () => {
  const target = { kind: 'family', id: 'f1' } as const;
  const written = await sealed(familyEnded, { outcome: 'ok', target, detail: { reason: 'Ada lost her phone' } });
  expect(written.everywhere).not.toContain('phone');
  expect(written.view).toMatchObject({ target, detail: { reason: 'Ada lost her phone' } });
  const code = await sealed(familyEnded, { outcome: 'ok', target, detail: { reason: 'sign_out' } });
  expect(code.leaf.detail).toEqual({ reason: 'sign_out' });
});

test('what is committed to can be erased: the reader sees it no more, and the trail stays valid (V9)', async () => {
  const detail = { factor: 'password', identifier: '1.hash' };
  const target = { kind: 'user', id: 'user-888' } as const;
  const { view } = await sealed(userLogin, { outcome: 'refused', target, detail });
  expect(view.target?.id).toBe('user-888');
  await erasePersonal(world, { subject: 'user-888' }, testCaller);
  const { events } = await listEvents(world, { limit: 100 });
  expect(events.find(({ seq }) => seq === view.seq)).toMatchObject({ target: null, detail: { factor: 'password' } });
  const auditLogKeys = async (origin: string) => (await world.logSigner.signers(origin)).map(({ key }) => key);
  expect((await validateAuditTrail({ sql: world.sql, auditLogKeys })).valid).toBe(true);
});
