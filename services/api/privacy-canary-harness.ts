// For tests only: health data through every privacy and compliance route, and through their jobs.
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import type { Product } from '#tools/testing/harness/product.ts';
import { type Json, type Sent, send } from '#tools/testing/http-client.ts';
import type { Operation } from '#tools/testing/openapi-check.ts';

const isPrivate = ({ path }: Operation): boolean => /^\/v1\/(privacy|compliance)\//.test(path);
const patternOf = (path: string): RegExp => new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`);

/**
 * Sends a value about a person to every privacy and compliance route: first where it does not belong, then as data in
 * calls that succeed. Fails if a route was left out.
 * @param by a caller with every permission
 * @param value invalid as an id, a purpose or a reference
 */
export async function usePrivacyRoutes(
  { api }: Product,
  by: Sent,
  value: string,
  all: readonly Operation[],
): Promise<void> {
  const operations = all.filter(isPrivate);
  expect(operations.length).toBeGreaterThan(40);
  for (const operation of operations) await sendWhereItDoesNotBelong(operation);
  const answered = new Set<string>();
  await succeedEverywhere();
  expect(operations.map(({ operationId }) => operationId).filter((id) => !answered.has(id))).toEqual([]);

  async function sendWhereItDoesNotBelong({ method, path, bodySchema }: Operation): Promise<void> {
    const inPath = path.replaceAll(/\{\w+\}/g, encodeURIComponent(value));
    const good = path.replaceAll(/\{\w+\}/g, () => randomUUID());
    // The reason of a change belongs in the audit log; everything else is refused.
    const names = Object.keys((bodySchema as Json | undefined)?.properties ?? {}).filter((name) => name !== 'reason');
    const wrong = Object.fromEntries(names.map((name) => [name, value]));
    const nested = Object.fromEntries(names.map((name) => [name, [{ [value]: value }]]));
    const bodies = [wrong, nested, { [value]: value }, { reason: [value] }].filter(
      (body) => bodySchema !== undefined && Object.keys(body).length > 0,
    );
    for (const target of new Set([inPath, good])) {
      if (bodies.length === 0) await send(api, method, `${target}?cursor=${encodeURIComponent(value)}`, by);
      const refuse = async (json: object): Promise<void> => {
        const { status } = await send(api, method, `${target}?${encodeURIComponent(value)}=1`, { ...by, json });
        expect([method, path, json === wrong, status < 400]).toEqual([method, path, json === wrong, false]);
      };
      await Promise.all(bodies.map(refuse));
    }
  }

  async function call(
    method: string,
    path: string,
    json?: object,
    headers: Record<string, string> = {},
  ): Promise<Json> {
    const sent: Sent = { ...by, ...(json === undefined ? {} : { json }), headers: { ...by.headers, ...headers } };
    const answer = await send(api, method, `/v1${path}`, sent);
    expect(answer.status, `${method} ${path}: ${answer.text.slice(0, 300)}`).toBeLessThan(300);
    const [plain = ''] = `/v1${path}`.split('?');
    // A path without parameters is found before one with a parameter in the same place.
    const found = operations
      .filter((each) => each.method === method && patternOf(each.path).test(plain))
      .sort((one, other) => one.path.split('{').length - other.path.split('{').length)[0];
    expect(found, `${method} ${path}`).toBeDefined();
    answered.add((found as Operation).operationId);
    return answer.body;
  }
  async function untilDone(path: string, state: string): Promise<void> {
    await eventually(`${path} to be done`, async () => (await call('GET', path))[state] === 'done', 180_000);
  }

  async function succeedEverywhere(): Promise<void> {
    const reason = 'canary';
    const subject_id = `canary-${randomUUID()}`;
    const of = `/privacy/subjects/${subject_id}`;
    const purpose = 'research';

    // Policies, consent, encryption and decryption.
    await call('PUT', '/privacy/policies/admin/research', { fields: ['*'], reason });
    await call('GET', '/privacy/policies');
    await call('POST', '/privacy/consents', { subject_id, purpose, granted: true, terms: '1' });
    await call('GET', `${of}/consents`);
    await call('GET', `${of}/consents/research`);
    await call('POST', '/privacy/access/validate', { subject_id, purpose, fields: ['note'] });
    const data = { note: value, [value]: [value] };
    const { encrypted } = await call('POST', '/privacy/phi/encrypt', { subject_id, purpose, data });
    expect((await call('POST', '/privacy/phi/decrypt', { purpose, encrypted })).data).toEqual(data);
    await call('POST', '/privacy/phi/accesses', { subject_id, purpose, action: 'view', reference: 'chart/1' });
    const rotation = await call('POST', '/privacy/phi/rotations', { reason });
    await call('GET', '/privacy/phi/keys');
    await untilDone(`/privacy/phi/rotations/${rotation.rotation_id}`, 'state');

    // Rights of the person.
    const { restriction_id } = await call('POST', `${of}/restrictions`, { purposes: ['legal'], reason });
    await call('GET', `${of}/restrictions`);
    await call('POST', `${of}/restrictions/${restriction_id}/end`, { reason });
    const words = { recipient: value, description: `${value} ${value}` };
    const disclosed = { purpose: 'legal', disclosed_at: new Date().toISOString(), ...words };
    await call('POST', `${of}/disclosures`, disclosed);
    expect((await call('GET', `${of}/disclosures`)).disclosures).toMatchObject([words]);
    await call('POST', '/privacy/break-glass', { subject_id, reason });
    const [opened] = (await call('GET', '/privacy/break-glass?reviewed=false')).break_glass;
    // Its review needs another user; the route is answered, and refuses this one.
    const review = `/v1/privacy/break-glass/${opened.break_glass_id}/review`;
    expect((await send(api, 'POST', review, { ...by, json: { outcome: 'justified', reason } })).status).toBe(409);
    answered.add('reviewBreakGlass');

    // The jobs: export, retention, deletion.
    const exported = await call('POST', `${of}/export`, { reason });
    await untilDone(`/privacy/requests/${exported.request_id}`, 'state');
    expect((await call('GET', `/privacy/requests/${exported.request_id}/export`)).export.disclosures).toMatchObject([
      words,
    ]);
    const { hold_id } = await call('POST', `${of}/holds`, { reason });
    await call('GET', `${of}/holds`);
    await call('PUT', '/privacy/retention', { kind: 'exports', keep_days: 8, reason });
    await call('GET', '/privacy/retention');
    for (const dry_run of [true, false]) {
      const { run_id } = await call('POST', '/privacy/retention/runs', { dry_run, reason });
      await untilDone(`/privacy/retention/runs/${run_id}`, 'state');
    }
    await call('POST', `${of}/holds/${hold_id}/end`, { reason });
    await call('POST', '/privacy/consents/withdraw', { subject_id, reason });
    const deleted = await call('POST', `${of}/delete`, { reason });
    await untilDone(`/privacy/requests/${deleted.request_id}`, 'state');
    const second = `canary-${randomUUID()}`;
    await call('POST', '/privacy/phi/encrypt', { subject_id: second, purpose, data });
    await call('POST', `/privacy/phi/subjects/${second}/shred`, { reason });
    await call('POST', '/privacy/policies/admin/research/delete', { reason });

    // Compliance: evidence of all of this, built by a job.
    await call('GET', '/compliance/controls');
    await call('POST', '/compliance/controls/training/attest', { reason });
    const report = await call('POST', '/compliance/reports', {});
    await untilDone(`/compliance/reports/${report.report_id}`, 'status');
    await call('GET', '/compliance/reports');
    await call('GET', `/compliance/reports/${report.report_id}`, undefined, { accept: 'application/pdf' });
    for (const part of ['bundle', 'evidence']) await call('GET', `/compliance/reports/${report.report_id}/${part}`);
    const cancelled = await call('POST', '/compliance/reports', {});
    await call('POST', `/compliance/reports/${cancelled.report_id}/cancel`, { reason });
    // A development installation has no TLS, so there is a violation.
    const violation = await eventually('a violation', async () => {
      const { violations } = await call('GET', '/compliance/violations?state=open');
      return violations[0] as Json | undefined;
    });
    const followed = `/compliance/violations/${violation.violation_id}`;
    await call('POST', `${followed}/assign`, { owner: 'operations', reason });
    await call('POST', `${followed}/acknowledge`, { through_seq: 0, reason });
    await call('POST', `${followed}/accept`, { reason });
  }
}
