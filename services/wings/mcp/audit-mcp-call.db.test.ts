import { expect, test } from 'vitest';
import { internalError, storeUnavailable } from '#services/platform/errors.ts';
import { clientCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { auditMcpCall } from './audit-mcp-call.ts';

const ports = opened(openTestPorts);

const OWNER = '0190b1d4-0000-7000-8000-000000000001';
const call = { method: 'tools/call', name: 'list_signing_keys' };
const eventsOf = (actorId: string) =>
  ports.raw`SELECT outcome, actor_kind, client_id, detail FROM audit_outbox
    WHERE type = 'operations.mcp_called' AND actor_id = ${actorId} ORDER BY id`;

test('a call has its event, with the user, the client and the party that acts for the user', async () => {
  const agent = userCaller(OWNER, { clientId: 'agent-1', actingId: 'agent-1' });
  expect(await auditMcpCall(ports, call, agent, () => 7)).toBe(7);
  expect(await eventsOf(OWNER)).toEqual([
    { outcome: 'ok', actor_kind: 'user', client_id: 'agent-1', detail: { ...call, acting_id: 'agent-1' } },
  ]);
});

test('a failed call has its event with the code of the error, which is rethrown', async () => {
  const caller = clientCaller('failing');
  const failures = [storeUnavailable(), new Error('a defect')];
  for (const failure of failures)
    await expect(auditMcpCall(ports, call, caller, () => Promise.reject(failure))).rejects.toBe(failure);
  expect(await eventsOf('failing')).toMatchObject([
    { outcome: 'failed', detail: { ...call, code: 'store_unavailable' } },
    { outcome: 'failed', detail: { ...call, code: 'internal_error' } },
  ]);
});

test('a result whose event cannot be stored is withheld', async () => {
  const lost = { sql: { query: () => Promise.reject(internalError()) } };
  await expect(auditMcpCall(lost, call, clientCaller('lost'), () => 'secret')).rejects.toMatchObject({
    code: 'internal_error',
  });
});
