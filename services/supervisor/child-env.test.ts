import { expect, test } from 'vitest';
import { childEnv, type Surroundings } from './child-env.ts';

const at: Surroundings = {
  host: '127.0.0.1',
  port: 3_001,
  apiUrl: 'http://127.0.0.1:3001',
  mcp: undefined,
  databaseUrl: 'postgresql://local/sallyport',
  redisUrl: 'redis://local',
  dataDir: '/data',
  authSecret: 'made',
};

test('a child gets the addresses actually used, whatever was requested', () => {
  const asked = { HOST: '::', PORT: '3000', DATABASE_URL: 'x', REDIS_URL: 'y', SALLYPORT_DATA_DIR: 'data', OTHER: 'z' };
  expect(childEnv(asked, at)).toEqual({
    BETTER_AUTH_SECRET: 'made',
    BETTER_AUTH_URL: at.apiUrl,
    SALLYPORT_GENERATED: 'BETTER_AUTH_SECRET,BETTER_AUTH_URL',
    HOST: at.host,
    PORT: '3001',
    DATABASE_URL: at.databaseUrl,
    REDIS_URL: at.redisUrl,
    SALLYPORT_DATA_DIR: at.dataDir,
    OTHER: 'z',
  });
});

test('a given secret and public address replace the generated ones; empty ones do not', () => {
  const given = { BETTER_AUTH_SECRET: 'given', BETTER_AUTH_URL: 'https://auth.example.test' };
  expect(childEnv(given, at)).toMatchObject({ ...given, SALLYPORT_GENERATED: '' });
  const empty = { BETTER_AUTH_SECRET: '', BETTER_AUTH_URL: '', OTHER: '' };
  expect(childEnv(empty, at)).toMatchObject({ BETTER_AUTH_SECRET: 'made', BETTER_AUTH_URL: at.apiUrl });
  expect(childEnv(empty, at)).not.toHaveProperty('OTHER');
});

test('without a generated secret, a child has no secret rather than an empty one', () =>
  expect(childEnv({}, { ...at, authSecret: undefined })).not.toHaveProperty('BETTER_AUTH_SECRET'));

test('every child knows the address of the MCP server, and a given one replaces it', () => {
  const withMcp = { ...at, mcp: { port: 3_002, url: 'http://127.0.0.1:3002' } };
  expect(childEnv({ MCP_PORT: '0' }, withMcp)).toMatchObject({
    MCP_URL: 'http://127.0.0.1:3002/mcp',
    MCP_PORT: '3002',
  });
  expect(childEnv({ MCP_URL: 'https://mcp.example' }, withMcp)).toMatchObject({ MCP_URL: 'https://mcp.example' });
});
