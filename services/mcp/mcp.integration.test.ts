import { request } from 'node:http';
import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { newPerson } from '#tools/testing/flows/people.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { type Json, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { killAgent } from '../wings/agents/manage-agents.ts';
import { countEventHours } from '../wings/monitoring/count-event-hours.ts';
import { measureProgress } from '../wings/monitoring/progress/measure-progress.ts';
import { recordProgress } from '../wings/monitoring/progress/record-progress.ts';
import { openMcpHarness } from './mcp-harness.ts';

const harness = opened(openMcpHarness);

const call = (token: string, name: string, input: object = {}, meta: object = {}) =>
  harness.ask(token, 'tools/call', { name, arguments: input, _meta: meta }, {});

describe.each(['modern', 'legacy'] as const)('a client of the %s era', (era) => {
  test('lists the tools and resources that its scopes allow, and reads them', async () => {
    const client = await harness.connect(await harness.tokenOf(['keys:read', 'audit:read', 'incidents:read']), era);
    expect(client.getProtocolEra()).toBe(era);
    const names = (await client.listTools()).tools.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['list_signing_keys', 'search_audit_log', 'list_incidents']));
    expect(names).not.toContain('read_token_statistics');
    const keys = await client.callTool({ name: 'list_signing_keys', arguments: {} });
    expect(keys.structuredContent).toEqual({ keys: harness.api.ports.keyRing.list() });
    expect((await client.listResources()).resources.map(({ uri }) => uri)).toContain('sallyport://keys');
    const { contents } = await client.readResource({ uri: 'sallyport://incidents' });
    expect(JSON.parse((contents[0] as { text: string }).text)).toEqual({ incidents: [], next: null });
    const { events } = (await client.callTool({ name: 'search_audit_log', arguments: {} })).structuredContent as Json;
    expect(events).toEqual([]);
    await client.close();
  });

  test('gets an error of the registry as the result of a tool, and refused arguments', async () => {
    const client = await harness.connect(await harness.tokenOf(['audit:read']), era);
    const unknown = await client.callTool({ name: 'read_audit_event', arguments: { seq: 4_000_000 } });
    expect(unknown).toMatchObject({ isError: true, structuredContent: { code: 'audit_event_unknown', status: 404 } });
    const wrong = await client.callTool({ name: 'read_audit_event', arguments: { seq: -1, more: true } });
    expect(wrong.isError).toBe(true);
    await expect(client.readResource({ uri: 'sallyport://audit/events/x' })).rejects.toThrow();
    await expect(client.readResource({ uri: 'sallyport://audit/events/4000000' })).rejects.toThrow('not found');
    await client.close();
  });
});

describe('access', () => {
  test('without a valid token is refused with the address of the metadata, which names this server and its issuer', async () => {
    const bare = await harness.post({ jsonrpc: '2.0', id: 1, method: 'ping' });
    expect(bare.status).toBe(401);
    const metadata = /resource_metadata="([^"]+)"/.exec(bare.headers.get('www-authenticate') ?? '')?.[1];
    expect(metadata).toBe(harness.mcpUrl.replace('/mcp', '/.well-known/oauth-protected-resource/mcp'));
    const { pathname, origin } = new URL(metadata as string);
    expect((await send(origin, 'GET', pathname)).body).toMatchObject({
      resource: harness.mcpUrl,
      authorization_servers: [harness.api.ports.issuer],
    });
  });

  test('with a token of another audience is refused', async () => {
    const token = await harness.tokenOf(['keys:read'], harness.api.ports.publicUrl);
    expect((await call(token, 'list_signing_keys')).status).toBe(401);
    const person = await newPerson(harness.api, ['admin']);
    expect((await call(person.bearer, 'list_signing_keys')).status).toBe(401);
  });

  test('with the token of an agent that was killed is refused', async () => {
    const token = await harness.tokenOf(['keys:read']);
    const { client_id: agentId } = decodeJwt(token) as { client_id: string };
    const owner = await newPerson(harness.api, ['admin']);
    const insert = `INSERT INTO agents (client_id, owner_id, expires_at) VALUES ($1, $2, now() + interval '1 day')`;
    await harness.rows(insert, [agentId, owner.id]);
    expect((await call(token, 'list_signing_keys')).status).toBe(200);
    const ports = { ...harness.owner, accessChanged: () => {} };
    await killAgent(ports, { agent_id: agentId, reason: 'test' }, testCaller);
    await expect.poll(async () => (await call(token, 'list_signing_keys')).status).toBe(401);
  });

  test('without the scope of a tool or resource gets an error that names it and the fix, and is recorded', async () => {
    const token = await harness.tokenOf(['keys:read']);
    const client = await harness.connect(token);
    const refused = await client.callTool({ name: 'search_audit_log', arguments: {} });
    expect(refused).toMatchObject({
      isError: true,
      structuredContent: {
        code: 'permission_missing',
        detail: expect.stringContaining('audit:read'),
        fix: expect.stringContaining('administrator'),
      },
    });
    const data = { code: 'permission_missing', detail: expect.stringContaining('audit:read') };
    await expect(client.readResource({ uri: 'sallyport://audit/events/0' })).rejects.toMatchObject({ data });
    await client.close();
    const denied = await harness.rows`SELECT detail FROM audit_outbox WHERE type = 'access.denied'`;
    expect(denied.map(({ detail }) => detail)).toContainEqual({
      code: 'permission_missing',
      permission: 'audit:read',
      operation: 'callMcp search_audit_log',
    });
  });

  test('access by a name or from a page of another site is refused: DNS rebinding (CVE-2026-35568, MCP Java SDK: a page could call the tools of a server on the machine of its visitor)', async () => {
    const token = await harness.tokenOf(['keys:read']);
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    const foreign = await harness.post(ping, { token, headers: { origin: 'https://evil.example' } });
    expect([foreign.status, foreign.body.code]).toEqual([403, 'origin_refused']);
    const rebound = await new Promise<number | undefined>((done, fail) => {
      const sent = request(harness.mcpUrl, { method: 'POST', headers: { host: 'evil.example:80' } }, (answer) =>
        done(answer.resume().statusCode),
      );
      sent.once('error', fail).end();
    });
    expect(rebound).toBe(403);
    const own = await harness.post(ping, { token, headers: { origin: new URL(harness.mcpUrl).origin } });
    expect(own.status).toBe(200);
  });
});

describe('the audit log', () => {
  test('has each call with its actor and outcome, in the trace that `_meta` names', async () => {
    const token = await harness.tokenOf(['audit:read']);
    const before = (await harness.calls()).length;
    const traceId = 'a'.repeat(32);
    const meta = { traceparent: `00-${traceId}-${'b'.repeat(16)}-01` };
    const answered = await call(token, 'read_audit_event', { seq: 4_000_000 }, meta);
    expect(answered.body.result._meta.traceparent.slice(3, 35)).toBe(traceId);
    expect(answered.body.result.structuredContent.trace_id).toBe(traceId);
    await call(token, 'search_audit_log');
    const calls = (await harness.calls()).slice(before);
    expect(calls.map(({ outcome, actor_kind, detail }) => ({ outcome, actor_kind, ...detail }))).toEqual([
      {
        outcome: 'failed',
        actor_kind: 'client',
        method: 'tools/call',
        name: 'read_audit_event',
        code: 'audit_event_unknown',
      },
      { outcome: 'ok', actor_kind: 'client', method: 'tools/call', name: 'search_audit_log' },
    ]);
    expect(calls[0].traceparent.slice(3, 35)).toBe(traceId);
  });
});

describe('hostile messages', () => {
  const nested = (depth: number): unknown => (depth === 0 ? 1 : { a: nested(depth - 1) });
  const ping = (id: number) => ({ jsonrpc: '2.0', id, method: 'ping' });
  test.each([
    ['too deep', { jsonrpc: '2.0', id: 1, method: 'tools/call', params: nested(40) }, 400],
    ['deeper than any parser likes', nested(3_000), 400],
    ['too many at once', Array.from({ length: 11 }, (_, id) => ping(id)), 400],
    ['too large', { jsonrpc: '2.0', id: 1, method: 'x', params: { text: 'x'.repeat(70_000) } }, 413],
    ['no object', 'text', 400],
    ['an empty batch', [], 400],
    ['an id that is an object', { jsonrpc: '2.0', id: {}, method: 'ping' }, 400],
  ])('%s get an answer and harm nothing', async (_what, message, status) => {
    const token = await harness.tokenOf(['keys:read']);
    expect((await harness.post(message, { token })).status).toBe(status);
    expect((await call(token, 'list_signing_keys')).status).toBe(200);
  });

  test('that cancel themselves are answered, and hold no request open', async () => {
    const token = await harness.tokenOf(['keys:read']);
    const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } };
    const tool = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'list_signing_keys', arguments: {} } };
    const answered = harness.post([tool, cancel], { token });
    const late = new Promise((resolve) => setTimeout(resolve, 10_000, 'no answer'));
    expect(await Promise.race([answered, late])).toMatchObject({ status: 200 });
    expect((await harness.post([cancel, cancel], { token })).status).toBe(202);
  });

  test('with the names of built-in members as tools, and wrong types as arguments, are refused', async () => {
    const token = await harness.tokenOf(['keys:read', 'audit:read']);
    for (const name of ['constructor', '__proto__', 'toString', ''])
      expect((await call(token, name)).body.error).toMatchObject({ code: -32_602 });
    for (const input of [[], 'text', { seq: {} }, { seq: 1e300 }, { seq: '0x10; DROP' }])
      expect((await call(token, 'read_audit_event', input as object)).body).toSatisfy(
        (body: Json) => body.error !== undefined || body.result.isError === true,
      );
  });

  test('of two clients with the same ids at the same time get their own answers', async () => {
    const [reader, auditor] = [await harness.tokenOf(['keys:read']), await harness.tokenOf(['audit:read'])];
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        at % 2 === 0 ? call(reader, 'list_signing_keys') : call(auditor, 'read_audit_event', { seq: 4_000_000 + at }),
      ),
    );
    answers.forEach(({ body }, at) => {
      expect(body.id).toBe(1);
      expect(body.result.structuredContent).toHaveProperty(at % 2 === 0 ? 'keys' : 'trace_id');
    });
  });

  test('that subscribe are told that there is no such method, and those of sessions of 2025 are told that there is none', async () => {
    const token = await harness.tokenOf(['keys:read']);
    const refused = await harness.ask(token, 'subscriptions/listen', { notifications: {} }, {});
    expect(refused).toMatchObject({ status: 404, body: { id: 1, error: { code: -32_601 } } });
    for (const method of ['GET', 'DELETE'])
      expect((await send(harness.mcpUrl, method, '', { bearer: token })).status).toBe(405);
  });
});

test('any copy answers: what one began another continues, because none keeps a session', async () => {
  const second = await harness.startMcp();
  const token = await harness.tokenOf(['keys:read']);
  const init = {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'old', version: '1' } },
  };
  const first = await harness.post(init, { token });
  expect(first.headers.get('mcp-session-id')).toBeNull();
  expect(first.text).toContain('"protocolVersion":"2025-06-18"');
  const headers = { accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-06-18' };
  const listed = await send(second.url, 'POST', '', {
    bearer: token,
    headers,
    json: { jsonrpc: '2.0', id: 2, method: 'tools/list' },
  });
  expect(listed.text).toContain('list_signing_keys');
});

test('progress of components, and of a security that was measured, is shown to every client', async () => {
  const { owner, api } = harness;
  const id = '0190b1d4-0000-7000-8000-000000000001';
  const report = { kind: 'component', id, at: '2026-01-01T00:00:00.000Z', component: 'security' } as const;
  await recordProgress(owner, { ...report, status: 'in_progress', percent: 60 });
  await countEventHours(owner, { signal: new AbortController().signal });
  await measureProgress({ ...owner, readSecurityScore: api.ports.readSecurityScore });
  const client = await harness.connect(await harness.tokenOf([]));
  const { structuredContent } = await client.callTool({ name: 'read_component_progress', arguments: {} });
  expect(structuredContent).toMatchObject({ components: [{ component: 'security', percent: 60 }] });
  await client.close();
  const reader = await harness.connect(await harness.tokenOf(['audit:read', 'incidents:read']));
  const metrics = await reader.callTool({ name: 'read_security_metrics', arguments: {} });
  expect(metrics.structuredContent).toMatchObject({ measured: { tokens: { replays: 0 } } });
  const events = await reader.callTool({ name: 'read_authentication_progress', arguments: {} });
  expect(events.structuredContent).toHaveProperty('events');
  await reader.close();
});
