import { afterEach, expect, test, vi } from 'vitest';
import { loadConfig } from '#services/platform/config/load.ts';
import { limitsCheck } from './limits.ts';

const judge = (env: Record<string, string>) => {
  vi.unstubAllEnvs();
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  return limitsCheck.run(async () => loadConfig(process.env));
};
afterEach(() => vi.unstubAllEnvs());

const production = {
  SALLYPORT_PROFILE: 'production',
  BETTER_AUTH_SECRET: 'doctor-limits-0123456789-abcdefghijkl',
  BETTER_AUTH_URL: 'https://auth.example.test',
  KEY_ENCRYPTION_KEY: 'ZG9jdG9yLWxpbWl0cy0wMTIzNDU2Nzg5LWFiY2RlZmdoaWprbA==',
};

test('warns about production without a trusted proxy, where all clients would share one address', async () =>
  expect(await judge({ ...production, TRUSTED_PROXIES: '' })).toMatchObject({
    result: 'warn',
    fix: expect.stringContaining('TRUSTED_PROXIES'),
  }));

test('reports the source of client addresses', async () => {
  expect(await judge({ TRUSTED_PROXIES: '' })).toEqual({
    result: 'pass',
    evidence: 'address of the connection; rate limits development',
  });
  expect(await judge({ ...production, TRUSTED_PROXIES: '10.0.0.1' })).toMatchObject({
    result: 'pass',
    evidence: 'forwarded by 1 trusted proxy; rate limits default',
  });
  expect(await judge({ TRUSTED_PROXIES: '10.0.0.1,10.0.0.2', RATE_LIMIT_PROFILE: 'load' })).toMatchObject({
    evidence: 'forwarded by 2 trusted proxies; rate limits load',
  });
});
