import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadConfig } from '../platform/config/load.ts';
import { processSpecs, withOwnRedisUser } from './process-specs.ts';

const settings = (env: Record<string, string> = {}) => loadConfig(env);

test('one API and one worker by default, because the API serves MCP clients, else as many as their settings say', () => {
  const copies = (env?: Record<string, string>) => processSpecs(settings(env)).map((spec) => [spec.name, spec.copies]);
  expect(copies()).toEqual([
    ['api', 1],
    ['worker', 1],
  ]);
  expect(copies({ API_COPIES: '3', WORKER_COPIES: '2', MCP_COPIES: '2' })).toEqual([
    ['api', 3],
    ['worker', 2],
    ['mcp', 2],
  ]);
  expect(copies({ WORKER_COPIES: '0', MCP_COPIES: '0' })).toEqual([['api', 1]]);
  expect(copies({ API_COPIES: '0', MCP_COPIES: '0' })).toEqual([['worker', 1]]);
  expect(copies({ SALLYPORT_LEAVE_OUT: 'mcp', MCP_COPIES: '2' })).toEqual([
    ['api', 1],
    ['worker', 1],
  ]);
});

test('a child connects to the local Redis as the user of its process, with the rest of its environment', () => {
  const [api] = processSpecs(settings());
  const own = { ...api!, env: (product: NodeJS.ProcessEnv) => ({ ...product, MORE: '1' }) };
  const env = withOwnRedisUser(own).env?.({ REDIS_URL: 'redis://:word@127.0.0.1:1/0', PORT: '3000' });
  expect(env).toMatchObject({ PORT: '3000', MORE: '1' });
  expect(env?.REDIS_URL).toMatch(/^redis:\/\/sallyport_api:[\w-]{43}@127\.0\.0\.1:1\/0$/);
});

test.each(['2.5', 'many', '65', '-1'])('API_COPIES=%s ends the start with an error that names it', (value) => {
  expect(() => loadConfig({ API_COPIES: value })).toThrow(/API_COPIES/);
});

test('a start without any process ends with an error that names all settings', () => {
  expect(() => loadConfig({ API_COPIES: '0', WORKER_COPIES: '0', MCP_COPIES: '0' })).toThrow(/API_COPIES/);
  expect(() => loadConfig({ API_COPIES: '0', WORKER_COPIES: '0', SALLYPORT_LEAVE_OUT: 'mcp' })).toThrow(/API_COPIES/);
});

test('a child is killed only after its own drain time', () => {
  const specs = processSpecs(settings({ DRAIN_SECONDS: '25', WORKER_DRAIN_SECONDS: '25' }));
  expect(specs.every((spec) => spec.drainSeconds > 25 && spec.drainSeconds <= 28)).toBe(true);
  const [api] = processSpecs(settings({ DRAIN_SECONDS: '10', DRAIN_NOTICE_SECONDS: '5' }));
  expect(api).toMatchObject({ name: 'api', drainSeconds: 18 });
});

test('every entry in the table is a file', () => {
  for (const spec of processSpecs(settings())) expect([spec.entry, existsSync(spec.entry)]).toEqual([spec.entry, true]);
});
