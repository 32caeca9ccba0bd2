import { AUDIENCE, type Group, ISSUER, NOW, token, type VectorOptions, vector } from './world.ts';

const required = ['iss', 'aud', 'sub', 'client_id', 'iat', 'exp', 'jti'];

/** Values of the wrong type, which a language may convert by its own rules; and ids that a store would cut at NUL. */
const wrong: Readonly<Record<string, readonly unknown[]>> = {
  iss: [null, 1, '', [ISSUER], {}],
  aud: [null, 1, '', [], {}, [1], [''], [AUDIENCE, 1], [AUDIENCE, '']],
  sub: [null, 1, '', [], {}, 'user\0', '\0'],
  client_id: [null, 1, '', ['web'], 'web\0'],
  jti: [null, 1, '', ['x'], 'x\0'],
  iat: [null, String(NOW), -1, 1.5, [NOW]],
  exp: [null, '9', -1, 1e308, NOW + 900.5, [NOW + 900], true],
  nbf: [null, String(NOW), -1, 1.5],
  sid: [null, 1, '', 's\0'],
  fid: [null, 1, '', 'f\0'],
  scope: [null, 1, ['tasks:read']],
  roles: [null, 'user', [1]],
  permissions: [null, 'tasks:read', [1], {}],
  email: [null, 1, ''],
  email_verified: [null, 'true', 1],
  auth_time: [null, String(NOW), -1],
  acr: [null, 1, ''],
  amr: [null, 'pwd', [1]],
  ue: [null, '3', -1, 1.5],
  ce: [null, '1', -1],
  authorization_details: [null, [], {}, [null], [{}], [{ type: '' }], [{ type: 1 }]],
  cnf: [null, 'x', []],
  origins: [null, [], [null], [{ jti: 'a', client_id: 'b' }], [{ jti: '', client_id: 'b', ce: 1 }], {}],
};

const types: Group = Object.entries(wrong).flatMap(([name, values]) =>
  values.map((value) =>
    vector(`${name} ${value === 1e308 ? '1e308' : JSON.stringify(value)}`, token({ [name]: value }), 'malformed'),
  ),
);

const optional = ['sid', 'fid', 'scope', 'roles', 'permissions', 'email', 'email_verified', 'auth_time', 'ue', 'ce'];

const TASKS = 'https://tasks.example';
const asked: readonly (readonly [string, unknown, string | undefined, boolean])[] = [
  ['another audience', 'https://other.example', undefined, false],
  ['the issuer as audience', ISSUER, undefined, false],
  ['the audience with a slash', `${AUDIENCE}/`, undefined, false],
  ['the audience in capitals', AUDIENCE.toUpperCase(), undefined, false],
  ['an audience that begins with ours', `${AUDIENCE}.attacker.example`, undefined, false],
  ['a wildcard as audience', '*', undefined, false],
  ['other audiences', ['https://a.example', 'https://b.example'], undefined, false],
  ['the configured audience', TASKS, TASKS, true],
  ['the configured audience among several', ['https://a.example', TASKS], TASKS, true],
  ['the default audience where another is configured', AUDIENCE, TASKS, false],
];

const issuers = [
  `${ISSUER}/`,
  ISSUER.toUpperCase(),
  'https://attacker.example',
  'http://auth.example',
  `${ISSUER}@attacker.example`,
  'auth.example',
];

/** Name, changed claims, seconds after the issue, whether it is active, and the skew that is allowed. */
const times: readonly (readonly [
  string,
  Readonly<Record<string, unknown>>,
  number,
  'active' | 'expired' | 'not_yet_valid',
  number?,
])[] = [
  ['at its issue', {}, 0, 'active'],
  ['a second before its end', {}, 899, 'active'],
  ['at its end, within the skew', {}, 900, 'active'],
  ['a second before the end of the skew', {}, 904, 'active'],
  ['at the end of the skew', {}, 905, 'expired'],
  ['a second after the skew', {}, 906, 'expired'],
  ['an hour after its end', {}, 4_500, 'expired'],
  ['a second before its end, without skew', {}, 899, 'active', 0],
  ['at its end, without skew', {}, 900, 'expired', 0],
  ['a second before the end of a skew of a minute', {}, 959, 'active', 60],
  ['at the end of a skew of a minute', {}, 960, 'expired', 60],
  ['half a second before the end of the skew', {}, 904.5, 'active'],
  ['issued by a clock within the skew ahead', {}, -5, 'active'],
  ['issued by a clock beyond the skew ahead', {}, -6, 'not_yet_valid'],
  ['issued by a clock a second ahead, without skew', {}, -1, 'not_yet_valid', 0],
  ['issued by a clock a minute ahead, a skew of a minute', {}, -60, 'active', 60],
  ['not before its issue', { nbf: NOW }, 0, 'active'],
  ['not before five seconds later', { nbf: NOW + 5 }, 0, 'active'],
  ['not before six seconds later', { nbf: NOW + 6 }, 0, 'not_yet_valid'],
  ['not before an hour later', { nbf: NOW + 3_600 }, 0, 'not_yet_valid'],
  ['not before six seconds later, without skew and in time', { nbf: NOW + 6 }, 6, 'active', 0],
  ['an end before its issue', { exp: NOW - 10 }, 0, 'expired'],
  ['an end at zero', { exp: 0 }, 0, 'expired'],
  ['an end at the largest safe integer', { exp: Number.MAX_SAFE_INTEGER }, 0, 'active'],
  ['expired and not yet valid', { exp: NOW - 10, nbf: NOW + 100 }, 0, 'expired'],
];

const scopes: readonly (readonly [string, unknown, readonly string[], boolean])[] = [
  ['one that it has', 'openid tasks:read', ['tasks:read'], true],
  ['two that it has', 'openid tasks:read', ['tasks:read', 'openid'], true],
  ['none', 'openid', [], true],
  ['none of a token without scope', undefined, [], true],
  ['one that it lacks', 'openid', ['tasks:read'], false],
  ['one of two', 'openid', ['openid', 'tasks:read'], false],
  ['one of a token without scope', undefined, ['openid'], false],
  ['one of a token with an empty scope', '', ['openid'], false],
  ['a prefix', 'tasks:readall', ['tasks:read'], false],
  ['another case', 'Tasks:Read', ['tasks:read'], false],
  ['one between spaces', ' tasks:read  openid ', ['tasks:read'], true],
  ['one behind a tab', 'openid\ttasks:read', ['tasks:read'], false],
];

const withAudience = (name: string | undefined): VectorOptions => (name === undefined ? {} : { audience: name });

export const claimVectors: Group = [
  ...required.map((name) => vector(`without ${name}`, token({ [name]: undefined }), 'malformed')),
  ...types,
  ...optional.map((name) => vector(`without ${name}`, token({ [name]: undefined }), 'active')),
  vector(
    'a token of a client alone',
    token({
      sub: 'web',
      sid: undefined,
      fid: undefined,
      roles: undefined,
      email: undefined,
      email_verified: undefined,
      auth_time: undefined,
      ue: undefined,
    }),
    'active',
  ),
  vector('a token of a party that acts for the user', token({ act: { sub: 'agent' }, auth_time: undefined }), 'active'),
  ...asked.map(([name, aud, configured, isRight]) =>
    vector(`audience: ${name}`, token({ aud }), isRight ? 'active' : 'wrong_audience', withAudience(configured)),
  ),
  ...issuers.map((iss) => vector(`issuer ${iss}`, token({ iss }), 'wrong_issuer')),
  ...times.map(([name, changes, at, code, clockSkew]) =>
    vector(`time: ${name}`, token(changes), code, clockSkew === undefined ? {} : { clockSkew }, at),
  ),
  ...scopes.map(([name, scope, requiredScopes, isHeld]) =>
    vector(`required scope: ${name}`, token({ scope }), isHeld ? 'active' : 'insufficient_scope', { requiredScopes }),
  ),
  // The first fault in the order of checks is the one that is named.
  vector(
    'order: issuer before audience',
    token({ iss: 'https://a.example', aud: 'https://b.example' }),
    'wrong_issuer',
  ),
  vector('order: audience before time', token({ aud: 'https://b.example', exp: NOW - 100 }), 'wrong_audience'),
  vector('order: time before scope', token({ exp: NOW - 100 }), 'expired', { requiredScopes: ['admin'] }),
];
