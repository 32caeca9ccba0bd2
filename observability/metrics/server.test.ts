import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createRegistry } from './instruments.ts';
import { type MetricsServer, serveMetrics } from './server.ts';

const directory = mkdtempSync(join(tmpdir(), 'metrics-'));
const open: MetricsServer[] = [];
afterEach(() => Promise.all(open.splice(0).map((server) => server.close())));

const registry = createRegistry();
registry
  .defineHistogram({ name: 'wait_seconds', help: 'Wait.', buckets: [1] })
  .at()
  .record(0.5, 'a'.repeat(32));

async function serve(options: Parameters<typeof serveMetrics>[0]): Promise<MetricsServer> {
  const server = await serveMetrics({ collect: registry.collect, ...options });
  open.push(server);
  return server;
}

describe('the metrics port', () => {
  it('answers GET /metrics in the text format, HEAD without a body, and nothing else', async () => {
    const { port } = await serve({ port: 0, constantLabels: { process: 'api-0' } });
    const base = `http://127.0.0.1:${port}`;
    const answer = await fetch(`${base}/metrics?x=1`);
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await answer.text()).toContain('wait_seconds_count{process="api-0"} 1');
    const head = await fetch(`${base}/metrics`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect((await fetch(`${base}/metrics`, { method: 'POST', body: 'x' })).status).toBe(405);
    expect((await fetch(`${base}/`)).status).toBe(404);
  });

  it('shows exemplars to a client that asks for OpenMetrics, when they are on', async () => {
    const accept = { accept: 'application/openmetrics-text' };
    const off = await serve({ port: 0 });
    const plain = await fetch(`http://127.0.0.1:${off.port}/metrics`, { headers: accept });
    expect(await plain.text()).not.toContain('trace_id');
    const on = await serve({ port: 0, exemplars: true });
    const rich = await fetch(`http://127.0.0.1:${on.port}/metrics`, { headers: accept });
    expect(rich.headers.get('content-type')).toContain('application/openmetrics-text');
    expect(await rich.text()).toContain('trace_id="aaaa');
    expect(await (await fetch(`http://127.0.0.1:${on.port}/metrics`)).text()).not.toContain('trace_id');
  });

  it('serves a unix socket that only its owner may use, and replaces one left by a dead process', async () => {
    const socketPath = join(directory, 'api.sock');
    writeFileSync(socketPath, '');
    const server = await serve({ socketPath });
    expect(server.port).toBeUndefined();
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
    const text = await new Promise<string>((resolve, reject) => {
      request({ socketPath, path: '/metrics' }, async (response) => {
        let body = '';
        for await (const chunk of response) body += chunk;
        resolve(body);
      })
        .on('error', reject)
        .end();
    });
    expect(text).toContain('wait_seconds_count 1');
    rmSync(directory, { recursive: true });
  });

  it('rejects when the port is taken', async () => {
    const { port } = await serve({ port: 0 });
    await expect(serveMetrics({ port: port as number })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});
