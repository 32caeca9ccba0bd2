import { expect, test } from 'vitest';
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

test('targets are read with name, format and URL, by commas and spaces, and none is the default', () => {
  expect(loadConfig({}).siem.targets).toEqual([]);
  const text =
    'splunk=ocsf+https://siem.example/in?a=b, soc-2=ecs+syslogs://siem.example:6515 old=ocsf+syslogs://siem.example';
  expect(loadConfig({ SIEM_TARGETS: text }).siem.targets).toEqual([
    { name: 'splunk', format: 'ocsf', url: 'https://siem.example/in?a=b' },
    { name: 'soc-2', format: 'ecs', url: 'syslogs://siem.example:6515' },
    { name: 'old', format: 'ocsf', url: 'syslogs://siem.example' },
  ]);
});

test.each([
  'https://siem.example',
  'soc=https://siem.example',
  'soc=cef+https://siem.example',
  'Soc=ocsf+https://siem.example',
  'soc=ocsf+ftp://siem.example',
  'soc=ocsf+https://user:secret@siem.example',
  'soc=ocsf+https://siem.example/#part',
  'soc=ocsf+https://[',
  'soc=ocsf+syslogs://siem.example/path',
  'soc=ocsf+syslogs://siem.example?a=b',
  'a=ocsf+https://a.example,a=ecs+https://b.example',
  Array.from({ length: 9 }, (_, n) => `e${n}=ocsf+https://e.example/${n}`).join(','),
])('SIEM_TARGETS=%s is refused', (text) => {
  expect(refused({ SIEM_TARGETS: text })).toEqual(['SIEM_TARGETS']);
});

test.each(['http://10.0.0.7/in', 'syslog://10.0.0.7:514'])(
  '%s, without TLS, is refused unless private networks are allowed',
  (url) => {
    const env = { SIEM_TARGETS: `soc=ecs+${url}` };
    expect(refused(env)).toEqual(['SIEM_TARGETS']);
    expect(refused({ ...env, SIEM_PRIVATE: 'true' })).toEqual([]);
  },
);

test('credentials are those of https targets, and nothing else', () => {
  const env = { SIEM_TARGETS: 'a=ocsf+https://a.example,b=ocsf+syslogs://b.example' };
  expect([...loadConfig({ ...env, SIEM_AUTHORIZATION: 'a=Splunk 1 2, ' }).siem.authorization]).toEqual([
    ['a', 'Splunk 1 2'],
  ]);
  for (const text of ['b=Bearer x', 'c=Bearer x', 'a=x', 'Bearer x'])
    expect(refused({ ...env, SIEM_AUTHORIZATION: text })).toEqual(['SIEM_AUTHORIZATION']);
});

test('a certificate needs its key', () => {
  expect(refused({ SIEM_TLS_CERT_FILE: '/c.pem' })).toEqual(['SIEM_TLS_CERT_FILE']);
  expect(refused({ SIEM_TLS_KEY_FILE: '/k.pem' })).toEqual(['SIEM_TLS_CERT_FILE']);
  expect(refused({ SIEM_TLS_CERT_FILE: '/c.pem', SIEM_TLS_KEY_FILE: '/k.pem' })).toEqual([]);
});
