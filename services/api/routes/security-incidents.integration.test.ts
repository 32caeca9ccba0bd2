import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { refreshTokenReuse } from '#services/domain/security/detections.ts';
import { raiseIncident } from '#services/domain/security/raise-incident.ts';
import { refresh, signUp } from '#testing/flows/flows.ts';
import { testCaller } from '#testing/harness/ports.ts';
import type { ClientCredentials } from '#testing/http-client.ts';
import { expectProblem } from '#testing/http-client.ts';
import { openSecurityHarness, type SecurityHarness } from './security-harness.ts';

vi.setConfig({ testTimeout: 120_000 });

let harness: SecurityHarness;
let api: SecurityHarness['api'];
let other: SecurityHarness['other'];
let auditor: ClientCredentials;
beforeAll(async () => {
  harness = await openSecurityHarness();
  ({ api, other } = harness);
  auditor = await harness.newClient(['incidents:read']);
});
afterAll(() => harness?.close());

const get: SecurityHarness['get'] = (...asked) => harness.get(...asked);
const post: SecurityHarness['post'] = (...asked) => harness.post(...asked);
const incidentsOf: SecurityHarness['incidentsOf'] = (subject) => harness.incidentsOf(subject);

describe('incidents', () => {
  test('a replayed refresh token is one incident, however many workers evaluate it; the next replay increases its count', async () => {
    const user = await signUp({ api: api.url });
    for (const login of [user.tokens, (await harness.signInFrom(user, '127.0.0.1', 'node')).body.tokens]) {
      const first = await refresh({ api: api.url }, login.refresh_token);
      const second = await refresh({ api: api.url }, first.body.refresh_token);
      expect(second.status, second.text).toBe(200);
      expect((await refresh({ api: other.url }, login.refresh_token)).body.code).toBe('refresh_token_reused');
      await harness.detect();
    }
    const [incident, ...more] = await incidentsOf(user.id);
    expect(more).toEqual([]);
    expect(incident).toMatchObject({
      detection: 'refresh_token_reuse',
      severity: 'high',
      subject: { kind: 'user', id: user.id },
      state: 'open',
      count: 2,
      actions: [],
      detail: { family_id: expect.any(String) },
    });
    expect(await harness.detect(), 'nothing is judged twice').toBe(0);
    const raised = await harness.rows(
      `SELECT outcome, detail->>'detection' AS detection, detail->>'user_id' AS user_id FROM audit_outbox WHERE type = 'incident.raised' AND target_id = $1`,
      [incident.incident_id],
    );
    expect(raised).toEqual([{ outcome: 'open', detection: 'refresh_token_reuse', user_id: user.id }]);
  });

  test('are acknowledged and closed with a reason, with permission; a closed one stays closed, and the next detection opens another', async () => {
    const id = randomUUID();
    const raise = () =>
      raiseIncident(api.ports.sql, api.ports, testCaller, refreshTokenReuse, { target: { kind: 'user', id } });
    const { id: incident } = await raise();
    const path = `/v1/admin/incidents/${incident}`;
    expectProblem(await post(`${path}/close`, { reason: 'no' }, auditor), 403, 'permission_missing');
    expectProblem(await post(`${path}/close`, {}), 400, 'request_invalid');
    expectProblem(await post(`${path}/close`, { reason: 'x', state: 'open' }), 400, 'request_invalid');
    expectProblem(await get(`/v1/admin/incidents/${randomUUID()}`), 404, 'incident_unknown');
    expectProblem(await post(`/v1/admin/incidents/${randomUUID()}/close`, { reason: 'x' }), 404, 'incident_unknown');

    expect((await post(`${path}/acknowledge`, { reason: 'looking' })).body).toMatchObject({ state: 'acknowledged' });
    expect(await raise(), 'an acknowledged one takes up sightings').toMatchObject({ id: incident, count: 2 });
    const closed = await post(`${path}/close`, { reason: 'a lost phone' });
    expect(closed.body).toMatchObject({
      state: 'closed',
      count: 2,
      reason: 'a lost phone',
      changed_by: `client:${harness.operator.client_id}`,
    });
    expect((await get(path, auditor)).body).toEqual(closed.body);
    expectProblem(await post(`${path}/acknowledge`, { reason: 'again' }), 409, 'incident_closed');
    expect((await raise()).id).not.toBe(incident);
    const changes = await harness.rows(
      `SELECT outcome, detail->>'reason' AS reason FROM audit_outbox WHERE type = 'incident.changed' AND target_id = $1 ORDER BY id`,
      [incident],
    );
    expect(changes).toEqual([
      { outcome: 'acknowledged', reason: 'looking' },
      { outcome: 'closed', reason: 'a lost phone' },
    ]);
  });
});
