import { expect, test } from 'vitest';
import { type ConfigError, loadConfig } from './load.ts';

const base = { BETTER_AUTH_SECRET: 'a-secret-of-more-than-32-characters-1234' };

test('self-registration and client documents are off by default, and such clients may ask for few scopes', () => {
  expect(loadConfig(base).clients).toEqual({
    registration: 'off',
    readsDocuments: false,
    documentsPrivate: false,
    logoutPrivate: false,
    scopes: ['openid', 'profile', 'email', 'offline_access'],
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
