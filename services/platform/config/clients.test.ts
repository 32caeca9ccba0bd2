import { expect, test } from 'vitest';
import { type ConfigError, loadConfig, registrationOf } from './load.ts';

const base = { BETTER_AUTH_SECRET: 'a-secret-of-more-than-32-characters-1234' };

const OWN = ['own.sessions', 'own.events', 'own.signoffs', 'own.applications', 'own.api_keys'];

test('every caller may register a client in development, and none elsewhere unless the operator says so', () => {
  const of = (env: object) => registrationOf(loadConfig({ ...base, ...env }));
  const staging = { SALLYPORT_PROFILE: 'staging', KEY_ENCRYPTION_KEY: 'x8Lq2c0v7sK1f9Zr4tY6uB3nM5wE8aQdH0jGpVhTiRk=' };
  expect([of({}), of(staging)]).toEqual(['open', 'off']);
  expect(of({ CLIENT_REGISTRATION: 'off' })).toBe('off');
  expect(of({ ...staging, CLIENT_REGISTRATION: 'token' })).toBe('token');
});

test('client documents are off by default, and clients without an administrator may ask for few scopes', () => {
  expect(loadConfig(base).clients).toEqual({
    registration: undefined,
    readsDocuments: false,
    documentsPrivate: false,
    logoutPrivate: false,
    scopes: ['openid', 'profile', 'email', 'offline_access', ...OWN],
    audiences: [],
  });
  const set = {
    UNVETTED_CLIENT_SCOPES: 'openid, tasks:read openid',
    UNVETTED_CLIENT_AUDIENCES: 'https://api.example/mcp',
  };
  expect(loadConfig({ ...base, ...set }).clients).toMatchObject({
    scopes: ['openid', 'tasks:read'],
    audiences: ['https://api.example/mcp'],
  });
});

test.each([
  ['CLIENT_REGISTRATION', { CLIENT_REGISTRATION: 'yes' }],
  ['UNVETTED_CLIENT_SCOPES', { UNVETTED_CLIENT_SCOPES: 'a"b' }],
  ['UNVETTED_CLIENT_AUDIENCES', { UNVETTED_CLIENT_AUDIENCES: 'https://api.example/mcp, *' }],
  ['CLIENT_DOCUMENTS_PRIVATE', { CLIENT_DOCUMENTS_PRIVATE: 'true', SALLYPORT_PROFILE: 'staging' }],
])('%s is refused if it is unsafe or unreadable', (env, changes) => {
  try {
    loadConfig({ ...base, ...changes });
    expect.unreachable();
  } catch (err) {
    expect((err as ConfigError).problems.map((problem) => problem.env)).toContain(env);
  }
});
