import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { loadList, modules } from '../modules.ts';
import { loadConfig } from '../platform/config/load.ts';
import { WINGS, type Wing } from '../platform/config/wings.ts';
import { askedIn } from './asked.ts';
import { compose } from './compose.ts';
import { mountFace } from './mount.ts';
import { taskToolsOf } from './task-shapes.ts';
import { toolsOf } from './tools.ts';

test('an API whose MCP server cannot be loaded answers /mcp with a stable code, tries again, and serves its own routes', async () => {
  const server = createServer((_request, response) => response.end('of the API'));
  const logged: string[] = [];
  const [app, api, input] = [
    { fastify: { server }, inFlight: new Set() },
    // Its ports are not there, so that loading fails.
    { ports: { log: { error: (_: object, text: string) => logged.push(text) } } },
    { urls: {} },
  ] as unknown as Parameters<typeof mountFace>;
  mountFace(app, api, input);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const path of ['/mcp', '/mcp?again']) {
    const response = await fetch(url + path, { method: 'POST' });
    expect([response.status, response.headers.get('retry-after'), response.headers.get('content-type')]).toEqual([
      503,
      '1',
      'application/problem+json; charset=utf-8',
    ]);
    expect(await response.json()).toMatchObject({ code: 'mcp_unavailable', retryable: true });
  }
  expect(logged).toEqual(['the MCP server could not be loaded', 'the MCP server could not be loaded']);
  expect(await (await fetch(`${url}/mcp-other`)).text()).toBe('of the API');
  server.closeAllConnections();
  server.close();
});

const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
const TASKS = { [CAPABILITIES]: { extensions: { 'io.modelcontextprotocol/tasks': {} } } };
const call = (name: unknown, _meta?: unknown) => ({ method: 'tools/call', params: { name, _meta } });

test('names the tools that a message or a batch calls, and whether a resource is read', () => {
  expect(askedIn(call('read_task'))).toMatchObject({ calls: new Set(['read_task']), readsResource: false });
  expect(askedIn([call('a'), call('b'), { method: 'resources/read' }])).toMatchObject({
    calls: new Set(['a', 'b']),
    readsResource: true,
  });
  expect(askedIn({ method: 'tools/list', params: { name: 'a' } }).calls.size).toBe(0);
});

test('says whether the client takes tasks, and whether it wants to hear of the progress of a call', () => {
  expect(askedIn(call('a', TASKS))).toMatchObject({ takesTasks: true, wantsProgress: false });
  expect(askedIn(call('a', { progressToken: 0 }))).toMatchObject({ takesTasks: false, wantsProgress: true });
  expect(askedIn({ method: 'tools/list', params: { _meta: { progressToken: 1 } } }).wantsProgress).toBe(false);
  for (const capabilities of [undefined, null, 'x', {}, { extensions: null }, { extensions: { other: {} } }])
    expect(askedIn(call('a', { [CAPABILITIES]: capabilities })).takesTasks).toBe(false);
});

test.each([undefined, null, 'text', 7, [], [null, 'x', [1]], { method: 'tools/call', params: null }])(
  'asks nothing of the server in %j',
  (body) => expect(askedIn(body)).toMatchObject({ readsResource: false, takesTasks: false, wantsProgress: false }),
);

const served = async (...leftOut: Wing[]): Promise<string[]> =>
  [...(await toolsOf({ leftOut })), ...taskToolsOf(await loadList('tasks', { leftOut }))].map(({ name }) => name);

test('a tool of a wing that is left out is not served, and the others are', async () => {
  const absent = async (...leftOut: Wing[]) => {
    const kept = await served(...leftOut);
    return (await served()).filter((name) => !kept.includes(name));
  };
  expect(await absent('compliance')).toEqual([
    'read_compliance_status',
    'read_compliance_report',
    'request_compliance_report',
  ]);
  expect(await absent('signoff')).toEqual(['list_signoffs', 'list_my_signoffs', 'rotate_signing_keys']);
  expect(await absent('monitoring')).toEqual([
    'read_authentication_progress',
    'read_security_metrics',
    'read_component_progress',
  ]);
  expect(await absent('privacy', 'agents', 'outbound', 'import', 'recovery')).toEqual([]);
});

test('an installation without the MCP server refuses to start one, with the fix', async () => {
  const input = { config: loadConfig({ SALLYPORT_LEAVE_OUT: 'mcp' }) } as Parameters<typeof compose>[0];
  await expect(compose(input)).rejects.toMatchObject({
    problems: [{ env: 'SALLYPORT_LEAVE_OUT', fix: 'do not start it, or do not leave out mcp' }],
  });
});

test('every folder of wings has a module that can be left out, and every wing but the console, a face of the others, has one', () => {
  expect([...new Set([...modules.flatMap(({ wing }) => wing ?? []), 'console'])].sort()).toEqual([...WINGS].sort());
  const named = modules.filter(({ wing }) => wing !== undefined).map(({ name }) => name.split('/')[0]);
  expect([...new Set(named)].sort()).toEqual(readdirSync(new URL('../wings', import.meta.url)).sort());
});
