import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadConfig } from '../platform/config/load.ts';
import { processSpecs, withOwnRedisUser } from './process-specs.ts';

const settings = (env: Record<string, string> = {}) => loadConfig(env);

test('an API and a worker by default, because the API serves MCP clients, else those that the settings ask for', () => {
  const started = (env?: Record<string, string>) => processSpecs(settings(env)).map(({ name }) => name);
  expect(started()).toEqual(['api', 'worker']);
  expect(started({ MCP_COPIES: '1' })).toEqual(['api', 'worker', 'mcp']);
  expect(started({ WORKER_COPIES: '0' })).toEqual(['api']);
  expect(started({ API_COPIES: '0' })).toEqual(['worker']);
  expect(started({ SALLYPORT_LEAVE_OUT: 'mcp', MCP_COPIES: '1' })).toEqual(['api', 'worker']);
});

test('a child connects to the local Redis as the user of its process, with the rest of its environment', () => {
  const [api] = processSpecs(settings());
  const own = { ...api!, env: (product: NodeJS.ProcessEnv) => ({ ...product, MORE: '1' }) };
  const env = withOwnRedisUser(own).env?.({ REDIS_URL: 'redis://:word@127.0.0.1:1/0', PORT: '3000' });
  expect(env).toMatchObject({ PORT: '3000', MORE: '1' });
  expect(env?.REDIS_URL).toMatch(/^redis:\/\/sallyport_api:[\w-]{43}@127\.0\.0\.1:1\/0$/);
});

test.each(['API_COPIES', 'WORKER_COPIES', 'MCP_COPIES'])(
  '%s=2 ends the start: a supervisor runs one of a kind',
  (name) => expect(() => loadConfig({ [name]: '2' })).toThrow(`${name}: must be a whole number from 0 to 1`),
);

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
