import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { openSealingHarness } from '#services/core/audit/seal/sealing-harness.ts';
import { testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { decideSignOff } from './decide-signoff.ts';
import { readReceipt } from './read-signoff.ts';
import { requestSignOff } from './request-signoff.ts';
import { runSignedOff } from './run-signoff.ts';

test('the receipt of an act proves the sealed event that names who approved which arguments', async () => {
  const log = await openSealingHarness();
  onTestFinished(() => log.end());
  const ports = {
    ...log,
    access: { client: () => undefined } as never,
    openSignOffsMax: 1,
    stepUp: { maxAgeSeconds: 600, needsSecondFactor: true, clock: log.clock },
    readSecurityScore: async () => null,
  };
  const request = {
    act: 'release.deploy',
    title: 'Deploy',
    arguments: { version: '1.4' },
    required_roles: ['qa'],
  } as const;
  const signOff = await requestSignOff(ports, request, testCaller);
  const userId = randomUUID();
  await log.raw`INSERT INTO users (id, email) VALUES (${userId}, ${`${userId}@example.test`})`;
  await log.raw`INSERT INTO user_roles (user_id, role) VALUES (${userId}, 'qa')`;
  const person = userCaller(userId, { acr: 'aal2', authTime: Math.floor(Date.now() / 1_000) });
  const { signoff_id, arguments_sha256 } = signOff;
  await decideSignOff(
    { ...ports, wakePings: () => {} },
    { signoff_id, role: 'qa', decision: 'approve', arguments_sha256 },
    person,
  );
  const input = { signoff_id, act: request.act, arguments: request.arguments };
  await runSignedOff(ports, input, async () => {}, testCaller);
  await log.seal();
  const receipt = await readReceipt(ports, { signoff_id }, testCaller);
  expect(receipt).toMatchObject({
    act: 'release.deploy',
    arguments_sha256,
    outcome: 'done',
    approvals: [{ role: 'qa', user_id: userId }],
    proof: expect.stringContaining('c2sp.org/tlog-proof@v1'),
  });
  const [sealed] = await log.raw<{ type: string; event_id: string; detail: object }>`SELECT type, event_id, detail
    FROM audit_events WHERE seq = ${receipt.seq}`;
  expect(sealed).toMatchObject({
    type: 'signoff.finished',
    event_id: receipt.event_id,
    detail: { arguments_sha256, approvals: receipt.approvals },
  });
});
