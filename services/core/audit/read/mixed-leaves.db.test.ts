import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import '#services/modules.ts';
import { noteSigner, sealInBulk } from '#tools/testing/fixtures/sealed-log.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { type LeafEvent, leafOf } from '../log/leaf.ts';
import { vkeyOf } from '../log/note.ts';
import { splitEvent } from '../seal/sealable-event.ts';
import { validateAuditTrail } from '../trail/validate-audit-trail.ts';
import { exportAuditLog } from './export-audit-log.ts';
import { followSealedEvents, listEvents } from './list-events.ts';
import { proveEvent } from './prove-event.ts';

// Leaves of earlier versions have ids and names in clear that leaves of today commit to. One log has both.

const VERIFIER = join(import.meta.dirname, '../../../../tools/verify-audit-log.mjs');
const signer = noteSigner('sallyport.test/mixed', 5);
const auditLogKeys = async () => [signer.key];
const SIZE = 300;
const IMPORTED = '123-45-6789';

/** The events are alike but for their form: even ones are as before, odd ones as today. */
function eventOf(seq: number): LeafEvent {
  const time = new Date(Date.UTC(2026, 0, 1) + seq * 1_000).toISOString().replace('Z', '000Z');
  const before: LeafEvent = {
    seq,
    event_id: `00000000-0000-7000-8000-${String(seq).padStart(12, '0')}`,
    type: 'alert.silenced',
    outcome: 'begun',
    actor_kind: 'user',
    actor_id: IMPORTED,
    target_kind: 'role',
    target_id: 'desk',
    client_id: 'shop',
    detail: { matchers: ['name=patient john'], until: '2026-12-01T00:00:00.000Z', silence_id: null },
    trace_id: null,
    occurred_at: time,
    sealed_at: time,
    personal: [{ field: 'ip_hash', salt: Buffer.alloc(32, 1), value: '1.ip' }],
  };
  if (seq % 2 === 0) return before;
  const row = { ...before, id: 1, occurred_at_micros: 0, now_micros: 0, ip_hash: '1.ip', agent_hash: null } as const;
  const { shown, hidden } = splitEvent({
    ...row,
    detail: before.detail as Record<string, string>,
    traceparent: null,
    known_seq: null,
  });
  return { ...before, ...shown, personal: hidden.map((one, at) => ({ ...one, salt: Buffer.alloc(32, at + 1) })) };
}

const ports = opened(() => openTestPorts());
const folder = testFolder();
beforeAll(async () => {
  await sealInBulk(ports.sql, { signer, batches: [100, SIZE - 100], event: eventOf });
});

const verify = (...args: string[]) => {
  const run = spawnSync(process.execPath, [VERIFIER, ...args, '--vkey', vkeyOf(signer.key), '--json'], {
    encoding: 'utf8',
  });
  return { status: run.status, result: JSON.parse(run.stdout) };
};

test('an export of old and new leaves verifies offline with every value that they commit to', async () => {
  const log = { sql: ports.sql, auditLogKeys, auditKeyRotations: async () => [] };
  for await (const { path, bytes } of exportAuditLog(log, { fromSeq: 0, toSeq: SIZE, personal: true })) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    appendFileSync(file, bytes);
  }
  const { status, result } = verify(folder, '--complete');
  expect(status, JSON.stringify(result)).toBe(0);
  // An old leaf commits to the address alone, a new one also to actor, client, target and names.
  expect(JSON.stringify(result)).toContain(`"disclosures":${(SIZE / 2) * (1 + 5)}`);
});

test('old and new leaves agree with their rows, and a changed value of either is found', async () =>
  expect(await validateAuditTrail({ sql: ports.sql, auditLogKeys })).toMatchObject({ valid: true }));

test.each([
  ['of an earlier version', 140],
  ['of today', 141],
])('the proof of a leaf %s verifies', async (_title, seq) => {
  const [proof, leaf] = [join(folder, `${seq}.proof`), join(folder, `${seq}.leaf`)];
  writeFileSync(proof, await proveEvent(ports, seq));
  writeFileSync(leaf, leafOf(eventOf(seq)));
  expect(verify('--proof', proof, '--leaf', leaf).status).toBe(0);
});

test('filters, views and the SIEM export show old and new events alike', async () => {
  const facts = {
    actor: { kind: 'user', id: IMPORTED },
    target: { kind: 'role', id: 'desk' },
    client_id: 'shop',
    detail: { matchers: ['name=patient john'], until: '2026-12-01T00:00:00.000Z' },
  };
  for (const filter of [{ actor: `user:${IMPORTED}` }, { target: 'role:desk' }, { client: 'shop' }]) {
    const { events } = await listEvents(ports, { ...filter, limit: 1_000 });
    expect(events).toHaveLength(SIZE);
    for (const event of events.slice(0, 4)) expect(event).toMatchObject(facts);
  }
  const exported = await followSealedEvents(ports, 140, 2);
  expect(exported.map(({ seq }) => seq)).toEqual([141, 142]);
  for (const event of exported) expect(event).toMatchObject(facts);
});
