import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pathOf } from '#tools/testing/fixtures/hostile-bodies.ts';
import { signUp } from '#tools/testing/flows/flows.ts';
import { startProductHarness } from '#tools/testing/harness/product.ts';
import { expectErrorForm, expectProblem, type Json, send } from '#tools/testing/http-client.ts';
import { needsCredential, type Operation } from '#tools/testing/openapi-check.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { hasWings } from '#tools/testing/processes/child-env.ts';

/** Texts of the formats that contracts require; the first that fits is sent. */
const TEXTS = [
  ...'unknown@example.test https://example.test/ 2026-01-01T00:00:00Z'.split(' '),
  ...'0190a5e2-0000-7000-8000-000000000000 x 1'.split(' '),
  ...[8, 16, 22, 32, 43, 64].map((length) => 'x'.repeat(length)),
];

function textOf({ format, pattern, allOf = [], minLength = 1 }: Json): string {
  const patterns = [pattern, ...allOf.map((each: Json) => each.pattern)].filter((each) => each !== undefined);
  const isFitting = (text: string): boolean =>
    text.length >= minLength && patterns.every((each) => new RegExp(each, 'u').test(text));
  const preferred = format === undefined ? [...TEXTS.slice(4), ...TEXTS] : TEXTS;
  return preferred.find(isFitting) ?? 'x'.repeat(minLength);
}

/** An address that matches its contract, with ids of things that do not exist. */
function fittingPathOf({ path, parameters }: Operation): string {
  const schemaOf = (name: string): Json => parameters.find((each) => each.in === 'path' && each.name === name)?.schema;
  const filled = path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => textOf(schemaOf(name) ?? {}));
  const asked = parameters.filter((each) => each.in === 'query' && (each as Json).required);
  const query = new URLSearchParams(
    asked.map(({ name, schema }): [string, string] => [name, String(exampleOf(schema))]),
  );
  return asked.length === 0 ? filled : `${filled}?${query}`;
}

/** The smallest value that fits a schema. */
function exampleOf(schema: Json): Json {
  if (schema === undefined) return undefined;
  const [chosen] = schema.anyOf ?? schema.oneOf ?? [schema];
  if (chosen !== schema) return exampleOf(chosen);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.type === 'object')
    return Object.fromEntries(
      (schema.required ?? []).map((name: string) => [name, exampleOf(schema.properties[name])]),
    );
  if (schema.type === 'array') return Array.from({ length: schema.minItems ?? 0 }, () => exampleOf(schema.items));
  if (schema.type === 'boolean') return true;
  return schema.type === 'string' ? textOf(schema) : (schema.minimum ?? 0);
}

const harness = opened(startProductHarness);
const product = partOf(() => harness.product);
let operations: readonly Operation[];

beforeAll(() => {
  ({ operations } = harness);
});
// Stopped rather than killed, so that it reports coverage.
afterAll(() => product.stop?.());

/** Every path of the contract that this release serves. */
const CONTRACT = [
  'GET /healthz',
  'GET /readyz',
  'GET /.well-known/jwks.json',
  'GET /.well-known/oauth-authorization-server',
  'GET /.well-known/openid-configuration',
  'GET /.well-known/oauth-protected-resource',
  'GET /openapi.json',
  'GET /docs',
  'POST /api/auth/signup',
  'POST /api/auth/signin',
  'POST /api/auth/signout',
  'GET /api/auth/session',
  'POST /api/auth/sign-up/email',
  'POST /api/auth/sign-in/email',
  'POST /api/auth/sign-out',
  'GET /api/auth/get-session',
  'GET /api/auth/jwks',
  'POST /v1/tokens',
  'POST /v1/tokens/refresh',
  'POST /v1/tokens/validate',
  'POST /v1/tokens/validate-batch',
  'POST /v1/tokens/revoke',
  'GET /v1/tokens/{token_id}',
  'GET /v1/tokens/stats',
  'GET /v1/revocations',
  'GET /v1/revocations/stream',
  'POST /oauth2/token',
  'POST /oauth2/introspect',
  'POST /oauth2/revoke',
  'GET /v1/keys',
  'POST /v1/keys/rotate',
  'POST /v1/keys/{kid}/compromise',
  'GET /v1/audit/events',
  'GET /v1/audit/events/{seq}',
  'GET /v1/audit/events/{seq}/proof',
  'GET /v1/audit/log/checkpoint',
  'GET /v1/audit/log/vkey',
  'GET /v1/audit/log/key-rotations',
  'GET /v1/audit/log/tile/{tile}',
  'GET /v1/admin/queues',
  'GET /v1/admin/job-queues',
  'GET /v1/admin/dead-letters',
  'GET /v1/admin/dead-letters/{queue}/{job_id}',
  'POST /v1/admin/dead-letters/{queue}/{job_id}/retry',
  'POST /v1/admin/dead-letters/{queue}/{job_id}/discard',
  'GET /v1/admin/users/{user_id}/why',
  'GET /v1/admin/clients/{client_id}/why',
  'GET /v1/admin/clients/refusals',
  'GET /v1/admin/search',
  'GET /v1/admin/refs',
  'GET /v1/admin/first-steps',
  'POST /v1/admin/users/{user_id}/password-mail',
  'POST /v1/admin/users/{user_id}/email/verify',
  'POST /v1/admin/users/{user_id}/email/change',
  'GET /v1/admin/users/{user_id}/consents',
  'DELETE /v1/admin/users/{user_id}/consents/{client_id}',
  'GET /v1/admin/applications',
  'POST /v1/admin/applications',
  'DELETE /v1/admin/applications/{application}',
  'POST /v1/api-keys/verify',
];
const CONTRACT_OF_WINGS = [
  'GET /bridge',
  'POST /bridge',
  'POST /v1/legacy/sessions',
  'POST /v1/legacy/webhook',
  'GET /v1/compliance/controls',
  'POST /v1/admin/alert-targets',
  'GET /v1/admin/alert-targets',
  'PATCH /v1/admin/alert-targets/{target_id}',
  'POST /v1/admin/alert-targets/{target_id}/remove',
  'POST /v1/admin/alert-targets/{target_id}/test',
  'GET /v1/admin/alert-targets/{target_id}/deliveries',
  'GET /v1/admin/alerts',
  'POST /v1/admin/alerts/{alert_id}/acknowledge',
  'POST /v1/admin/alerts/{alert_id}/resolve',
  'POST /v1/admin/silences',
  'GET /v1/admin/silences',
  'POST /v1/admin/silences/{silence_id}/end',
  'POST /v1/alerts/alertmanager',
  'POST /v1/admin/signal-transmitters',
  'GET /v1/admin/signal-transmitters',
  'POST /v1/admin/signal-transmitters/{transmitter_id}/remove',
  'GET /v1/admin/signals',
  'GET /v1/admin/signal-streams',
  'POST /v1/admin/signal-streams/{stream_id}/status',
  'POST /v1/admin/signal-streams/{stream_id}/verify',
  'POST /ssf/events',
  'GET /.well-known/ssf-configuration',
  'POST /ssf/streams',
  'GET /ssf/streams',
  'PATCH /ssf/streams',
  'PUT /ssf/streams',
  'DELETE /ssf/streams',
  'GET /ssf/status',
  'POST /ssf/status',
  'POST /ssf/subjects/add',
  'POST /ssf/subjects/remove',
  'POST /ssf/verify',
  'POST /ssf/poll/{stream_id}',
  'POST /v1/admin/imports',
  'GET /v1/admin/imports',
  'GET /v1/admin/imports/{import_id}',
  'GET /v1/admin/imports/{import_id}/rejects',
  'POST /v1/admin/agents',
  'GET /v1/admin/agents',
  'GET /v1/admin/agents/{agent_id}',
  'GET /v1/admin/agents/{agent_id}/why',
  'GET /v1/admin/agents/{agent_id}/limits',
  'PUT /v1/admin/agents/{agent_id}/limits',
  'POST /v1/admin/agents/{agent_id}/kill',
  'GET /v1/agents',
  'GET /v1/agents/{agent_id}/why',
  'GET /v1/agents/{agent_id}/limits',
  'PUT /v1/agents/{agent_id}/limits',
  'POST /v1/agents/{agent_id}/kill',
  'POST /v1/agents/heartbeat',
  'POST /v1/handoff/signoffs',
  'GET /v1/handoff/signoffs',
  'GET /v1/handoff/signoffs/{signoff_id}',
  'POST /v1/handoff/signoffs/{signoff_id}/approve',
  'POST /v1/handoff/signoffs/{signoff_id}/deny',
  'POST /v1/handoff/signoffs/{signoff_id}/start',
  'POST /v1/handoff/signoffs/{signoff_id}/finish',
  'GET /v1/handoff/signoffs/{signoff_id}/receipt',
  'GET /v1/handoff/dead-letters',
  'POST /v1/handoff/dead-letters/{delivery_id}/replay',
  'GET /v1/siem/targets',
  'POST /v1/siem/targets/{siem_target}/replay',
  'POST /v1/compliance/controls/{control_id}/attest',
  'GET /v1/compliance/violations',
  'POST /v1/compliance/violations/{violation_id}/assign',
  'POST /v1/compliance/violations/{violation_id}/accept',
  'POST /v1/compliance/violations/{violation_id}/acknowledge',
  'GET /v1/admin/dashboard',
  'GET /v1/admin/capacity',
  'POST /v1/admin/reports',
  'GET /v1/admin/reports',
  'GET /v1/admin/reports/{report_id}',
  'GET /v1/admin/reports/{report_id}/file',
  'GET /v1/admin/reports/{report_id}/days',
  'POST /v1/compliance/reports',
  'GET /v1/compliance/reports',
  'GET /v1/compliance/reports/{report_id}',
  'POST /v1/compliance/reports/{report_id}/cancel',
  'GET /v1/compliance/reports/{report_id}/bundle',
  'GET /v1/compliance/reports/{report_id}/evidence',
];

/** Pages that a client which accepts no HTML, or asks for a mail that does not exist, does not find. */
const FOR_BROWSERS = new Set(['showStart', 'listDevMails', 'showDevMail']);

describe('the route table is the contract', () => {
  test('every path of the contract is in /openapi.json', () => {
    const documented = operations.map(({ method, path }) => `${method} ${path}`);
    expect(documented).toEqual(expect.arrayContaining(hasWings ? [...CONTRACT, ...CONTRACT_OF_WINGS] : CONTRACT));
  });

  test('every documented operation is served: none answers 405, or 404 for its route', async () => {
    // A stream does not end by itself; its own test reads it.
    const finite = operations.filter(({ responses }) => !responses[200]?.content?.['text/event-stream']);
    expect(finite.length).toBeGreaterThanOrEqual(operations.length - 2);
    for (const operation of finite) {
      const answer = await harness.call(operation.method, pathOf(operation), { basic: product.credentials.client });
      expect([operation.operationId, answer.status]).not.toEqual([operation.operationId, 405]);
      if (FOR_BROWSERS.has(operation.operationId)) continue;
      expect([operation.operationId, answer.body?.code]).not.toEqual([operation.operationId, 'route_unknown']);
    }
  });

  test('undocumented routes are not served: Better Auth answers only under the documented names', async () => {
    const documented = (target: string): boolean =>
      operations.some(({ path }) => new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(target));
    const foreign = `/api/auth/ok /api/auth/error /api/auth/update-session /api/auth/two-factor/send-otp
      /api/auth/two-factor/get-totp-uri /api/auth/token /api/auth/update-user /api/auth/change-password
      /api/auth/forget-password /api/auth/request-password-reset /api/auth/sign-in/social /api/auth/callback/google
      /api/auth/oauth2/token /api/auth/oauth2/register /api/auth / /v1 /metrics`
      .split(/\s+/)
      .filter((path) => !documented(path));
    expect(foreign.length).toBeGreaterThanOrEqual(8);
    for (const path of foreign) {
      expectProblem(await send(product.api, 'GET', path), 404, 'route_unknown');
      expectProblem(await send(product.api, 'POST', path, { json: {} }), 404, 'route_unknown');
    }
  });

  test('every operation that needs a credential answers 401 without one, with a challenge that names no error', async () => {
    const guarded = operations.filter(needsCredential);
    expect(guarded.length).toBeGreaterThanOrEqual(10);
    for (const operation of guarded) {
      const { method, bodyType, bodySchema } = operation;
      const body = bodyType?.includes('form') ? { form: { token: 'x' } } : { json: exampleOf(bodySchema) };
      const answer = await harness.call(method, fittingPathOf(operation), bodyType === undefined ? {} : body);
      expect([operation.operationId, answer.status]).toEqual([operation.operationId, 401]);
      expectErrorForm(answer);
      expect(answer.headers.get('www-authenticate')).not.toContain('error=');
    }
  });

  test('a malformed bearer token gets 401 invalid_token at every operation that accepts bearer tokens', async () => {
    const guarded = operations.filter((each) => needsCredential(each) && each.security.some((way) => 'bearer' in way));
    expect(guarded.length).toBeGreaterThanOrEqual(8);
    for (const operation of guarded) {
      const { method, bodyType, bodySchema } = operation;
      const body = bodyType?.includes('form') ? { form: {} } : { json: exampleOf(bodySchema) };
      const sent = { ...(bodyType === undefined ? {} : body), bearer: 'unknown' };
      const answer = await send(product.api, method, fittingPathOf(operation), sent);
      expectProblem(answer, 401, 'unauthenticated');
      const metadata = `resource_metadata="${product.api}/.well-known/oauth-protected-resource"`;
      expect(answer.headers.get('www-authenticate')).toBe(
        `Bearer realm="sallyport", error="invalid_token", ${metadata}`,
      );
    }
  });

  test('a user without the permission gets 403 where the contract requires one', async () => {
    const { tokens } = await signUp(product);
    const guarded: [string, string][] = [
      ['GET', '/v1/keys'],
      ['POST', '/v1/keys/rotate'],
      ['GET', '/v1/tokens/stats'],
      ['GET', '/v1/tokens/unknown'],
      ['GET', '/v1/revocations'],
      ['GET', '/v1/revocations/stream'],
    ];
    for (const [method, path] of guarded) {
      const answer = await harness.call(method, path, { bearer: tokens.access_token });
      expectProblem(answer, 403, 'permission_missing');
    }
    const answer = await send(product.api, 'POST', '/v1/keys/unknown/compromise', {
      bearer: tokens.access_token,
      json: { reason: 'x' },
    });
    expectProblem(answer, 403, 'permission_missing');
  });

  /** The console passes every method on to the operation that it names; of streams SSF 1.0 §8.1.1 defines each. */
  const EVERY_METHOD = ['/console/api/{path}', '/ssf/streams'];

  test('another method on a known path is 405 with the allowed methods', async () => {
    const allowed = new Map<string, Set<string>>();
    for (const { path, method } of operations) allowed.set(path, (allowed.get(path) ?? new Set()).add(method));
    const served = (target: string, method: string): boolean =>
      operations.some(
        (each) => each.method === method && new RegExp(`^${each.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(target),
      );
    for (const [path, methods] of allowed) {
      const target = path.replaceAll(/\{\w+\}/g, 'unknown');
      // `stats` and similar paths also match the templates of their neighbours.
      const other = ['DELETE', 'PUT', 'PATCH'].find((method) => !served(target, method));
      if (other === undefined && EVERY_METHOD.includes(path)) continue;
      if (other === undefined) throw new Error(`${path} takes every method`);
      const answer = await send(product.api, other, target);
      expectProblem(answer, 405, 'method_not_allowed');
      const named = (answer.headers.get('allow') ?? '').split(', ');
      for (const method of methods) expect(named, target).toContain(method);
      expect(named).not.toContain(other);
    }
  });

  test('GET at a token endpoint is 405 in OAuth’s error format', async () => {
    for (const path of ['/oauth2/revoke', '/oauth2/token', '/oauth2/introspect']) {
      const answer = await send(product.api, 'GET', path);
      expectProblem(answer, 405, 'method_not_allowed');
      expect([answer.headers.get('content-type'), answer.body.error]).toEqual([
        'application/json; charset=utf-8',
        'invalid_request',
      ]);
    }
  });

  test('RFC 9700 §4.3: a token in the address is refused', async () => {
    const paths = operations.filter(({ path, method }) => method === 'POST' && /^\/(v1\/tokens|oauth2)/.test(path));
    for (const operation of paths)
      for (const name of ['access_token', 'token', 'refresh_token']) {
        const { method, bodyType, bodySchema } = operation;
        const body = bodyType?.includes('form')
          ? { form: { grant_type: 'client_credentials', token: 'x' } }
          : { json: exampleOf(bodySchema) };
        const target = `${pathOf(operation)}?${name}=secret`;
        const answer = await send(product.api, method, target, { ...body, basic: product.credentials.client });
        expect([target, answer.status, answer.body?.code]).toEqual([target, 400, 'request_invalid']);
        expect(answer.text).not.toContain('secret');
      }
  });
});
