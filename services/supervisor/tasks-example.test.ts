import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { loadConfig } from '../platform/config/load.ts';
import { randomFreePort } from '../platform/local/ports.ts';
import { occupyPort } from './supervisor-harness.ts';
import { chooseTasksExample } from './tasks-example.ts';

let dataDir: string;
let lines: string[];
beforeEach(() => {
  dataDir = testFolder(onTestFinished);
  writeFileSync(join(dataDir, 'dev-credentials.json'), '{"client":{"client_id":"demo","client_secret":"of demo"}}');
  lines = [];
});

/** @param tasksPort as configured, set by the user or by default */
async function claim(tasksPort: number, env: Record<string, string> = {}) {
  const base = loadConfig(env);
  const config = { ...base, server: { ...base.server, tasksPort } };
  const say = (text: string) => lines.push(text);
  const apiUrl = () => 'http://localhost:3000';
  return chooseTasksExample({ config, env, dataDir, say, except: [], apiUrl, loopback: 'localhost' });
}

test('the tasks API gets the addresses and the demo client, and no other secret of the product', async () => {
  const port = await randomFreePort();
  const tasks = await claim(port);
  expect(tasks.url).toBe(`http://localhost:${port}`);
  const product = {
    PATH: '/bin',
    HOST: '0.0.0.0',
    BETTER_AUTH_URL: 'https://auth.example',
    BETTER_AUTH_SECRET: 'a secret',
    KEY_ENCRYPTION_KEY: 'a key',
    DATABASE_URL: 'postgres://owner@localhost/db',
    REDIS_URL: 'redis://localhost',
    JWT_SECRET: 'not in use',
  };
  const expected = {
    PATH: '/bin',
    HOST: '0.0.0.0',
    TASKS_PORT: String(port),
    BETTER_AUTH_URL: 'http://localhost:3000',
    JWT_ISSUER: 'https://auth.example',
    JWT_AUDIENCE: 'https://auth.example',
    CLIENT_ID: 'demo',
    CLIENT_SECRET: 'of demo',
    DATABASE_URL: '',
  };
  expect(tasks.spec.env?.(product)).toEqual(expected);
  const shared = { ...product, JWT_ALGORITHM: 'HS256', JWT_ISSUER: 'us', JWT_AUDIENCE: 'them', CORS_ORIGINS: 'x' };
  const changed = { JWT_SECRET: 'not in use', JWT_ISSUER: 'us', JWT_AUDIENCE: 'them', CORS_ORIGINS: 'x' };
  expect(tasks.spec.env?.(shared)).toEqual({ ...expected, ...changed });
});

test('a taken port moves the tasks API to the next free one, unless TASKS_PORT asks for it', async () => {
  const { port, close } = await occupyPort();
  onTestFinished(() => close());
  const moved = await claim(port);
  expect(moved.url).not.toContain(`:${port}`);
  expect(lines).toEqual([expect.stringMatching(`^tasks port ${port} is taken: using \\d+$`)]);
  await expect(claim(port, { TASKS_PORT: String(port) })).rejects.toMatchObject({ code: 'port_taken' });
});

test('beyond the development profile, whose demo client it uses, the tasks API is refused', async () => {
  const secret = 'a secret of thirty-two bytes, at least';
  const env = { SALLYPORT_PROFILE: 'staging', BETTER_AUTH_SECRET: secret, KEY_ENCRYPTION_KEY: `another ${secret}` };
  await expect(claim(8000, env)).rejects.toMatchObject({ code: 'tasks_refused' });
});
