import { expect, test } from 'vitest';
import { pushedByDefault } from '#services/modules.ts';
import { ConfigError, loadConfig } from './load.ts';

function refused(env: Record<string, string>): string[] {
  try {
    loadConfig(env);
    return [];
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err;
    return err.problems.map((problem) => problem.env);
  }
}
const endpointsOf = (text: string) => loadConfig({ HANDOFF_ENDPOINTS: text }).handoff.endpoints;

test('endpoints are read with their names, by commas and spaces, and none is the default', () => {
  expect(endpointsOf('')).toEqual([]);
  expect(endpointsOf('siem=https://siem.example/in?a=b, crm-2=https://crm.example')).toEqual([
    { name: 'siem', url: 'https://siem.example/in?a=b' },
    { name: 'crm-2', url: 'https://crm.example/' },
  ]);
});

test.each([
  'https://siem.example',
  'Siem=https://siem.example',
  'siem=ftp://siem.example',
  'siem=https://user:secret@siem.example',
  'siem=https://siem.example/#part',
  'siem=https://[',
  'a=https://a.example,a=https://b.example',
  Array.from({ length: 9 }, (_, n) => `e${n}=https://e.example/${n}`).join(','),
])('HANDOFF_ENDPOINTS=%s is refused', (text) => {
  expect(refused({ HANDOFF_ENDPOINTS: text })).toEqual(['HANDOFF_ENDPOINTS']);
});

test('plain http is refused unless private networks are allowed', () => {
  const env = { HANDOFF_ENDPOINTS: 'siem=http://10.0.0.7/in' };
  expect(refused(env)).toEqual(['HANDOFF_ENDPOINTS']);
  expect(refused({ ...env, HANDOFF_PRIVATE: 'true' })).toEqual([]);
});

test.each(['handoff.given_up', 'login', 'user.login;drop'])('HANDOFF_TYPES=%s is refused', (types) => {
  expect(refused({ HANDOFF_TYPES: types })).toEqual(['HANDOFF_TYPES']);
});

test('the types are those that it names, and without it none are set, so that those of the modules count', () => {
  expect(loadConfig({ HANDOFF_TYPES: 'user.login, user.login session.ended' }).handoff.types).toEqual([
    'user.login',
    'session.ended',
  ]);
  expect(loadConfig({}).handoff.types).toBeUndefined();
});

test('what is pushed by default may also be configured', () => {
  expect(loadConfig({ HANDOFF_TYPES: pushedByDefault.join(',') }).handoff.types).toEqual(pushedByDefault);
});
