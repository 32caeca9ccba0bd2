import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { mountFace } from './mount.ts';

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
