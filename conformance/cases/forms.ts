import { deflateRawSync } from 'node:zlib';
import { encode, signatureOf } from '../signing.ts';
import {
  type Code,
  claims,
  type Group,
  headerOf,
  keys,
  partsOf,
  token,
  vector,
  withHeader,
  withPayload,
} from './world.ts';

const good = token();
const [head, body, mac] = partsOf(good);

const texts: Readonly<Record<string, string>> = {
  'the JSON serialisation': JSON.stringify({ protected: head, payload: body, signature: mac }),
  'braces around it': `{${good}}`,
  'quotes around it': `"${good}"`,
  'padding at the end': `${good}=`,
  'padding in the header': `${head}=.${body}.${mac}`,
  'a space before it': ` ${good}`,
  'a space after it': `${good} `,
  'a line break after it': `${good}\n`,
  'a line break inside it': `${head}.${body}\n.${mac}`,
  'a NUL after it': `${good}\0`,
  'a letter outside ASCII after it': `${good}é`,
  'two parts': `${head}.${body}`,
  'four parts': `${good}.${mac}`,
  'five parts': `${good}.${mac}.${mac}`,
  'a full stop after it': `${good}.`,
  'a full stop before it': `.${good}`,
  'an empty payload': `${head}..${mac}`,
  'an empty header': `.${body}.${mac}`,
  nothing: '',
  'full stops alone': '..',
  'standard base64': `${head}.${body}.${Buffer.from(mac, 'base64url').toString('base64')}`,
  'the scheme before it': `Bearer ${good}`,
  'stray bits in the last character': ((text) =>
    `${text.slice(0, -1)}${String.fromCharCode(text.charCodeAt(text.length - 1) + 1)}`)(good),
  'a JWE': `${encode({ alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 1_000_000_000, p2s: 'AAAA', zip: 'DEF' })}.AAAA.AAAA.${deflateRawSync(Buffer.alloc(100_000)).toString('base64url')}.AAAA`,
  'more than 8,192 characters': withPayload(claims({ filler: 'x'.repeat(6_000) })),
};

const extra = (members: object): string => withHeader(headerOf(keys.rs, members));

/** Header members that another issuer or an attacker writes: a verifier that follows them obeys the token. */
const members: Readonly<Record<string, object>> = {
  'crit with an unknown name': { crit: ['x'], x: 1 },
  'crit without names': { crit: [] },
  'crit of b64': { crit: ['b64'], b64: false },
  'b64 false': { b64: false },
  jku: { jku: 'https://attacker.example/jwks.json' },
  x5u: { x5u: 'https://attacker.example/cert.pem' },
  jwk: { jwk: keys.es.jwk },
  x5c: { x5c: ['MIIB'] },
  x5t: { x5t: 'AAAA' },
  zip: { zip: 'DEF' },
  p2c: { p2c: 1_000_000_000 },
  cty: { cty: 'JWT' },
  enc: { enc: 'A128GCM' },
  'an unknown member': { tenant: 'x' },
};

const headers: Readonly<Record<string, unknown>> = {
  'is a list': [],
  'is null': 'null',
  'is a text': '"x"',
  'is not JSON': '{',
  'is not an object': '1',
  'names alg twice': '{"alg":"RS256","kid":"rs-1","typ":"at+jwt","alg":"RS256"}',
  'names kid twice': '{"kid":"es-1","kid":"rs-1","alg":"RS256","typ":"at+jwt"}',
  'names kid twice, once escaped': '{"k\\u0069d":"es-1","kid":"rs-1","alg":"RS256","typ":"at+jwt"}',
  'has a kid that is a number': headerOf(keys.rs, { kid: 1 }),
  'has a kid that is an object': headerOf(keys.rs, { kid: { not: '' } }),
  'has a kid that is a list': headerOf(keys.rs, { kid: ['rs-1'] }),
  'has a kid that is null': headerOf(keys.rs, { kid: null }),
  'has no kid': headerOf(keys.rs, { kid: undefined }),
  'has a kid of 5,000 characters': headerOf(keys.rs, { kid: 'k'.repeat(5_000) }),
};

const kids = [
  '',
  'rs-0',
  'RS-1',
  'rs-1 ',
  'rs-1\0',
  '../../dev/null',
  '/dev/null',
  "' OR 1=1--",
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'https://attacker.example/key',
  '✓',
];

const types: Readonly<Record<string, unknown>> = {
  absent: undefined,
  JWT: 'JWT',
  'of an ID token': 'id+jwt',
  'of a logout token': 'logout+jwt',
  'of the revocation feed': 'revocations+jwt',
  'of a proof': 'dpop+jwt',
  empty: '',
  'with a space': 'at+jwt ',
  'in another registry': 'application/jwt',
  'with a parameter': 'at+jwt;v=1',
  'a number': 1,
  null: null,
  'a list': ['at+jwt'],
};

const json = JSON.stringify(claims());

const payloads: Readonly<Record<string, unknown>> = {
  'a list': '[]',
  null: 'null',
  'a text': '"x"',
  'a number': '1',
  true: 'true',
  'an open brace': '{',
  'JSON with a brace too many': '{"a":1}}',
  'JSON after a byte order mark': `\ufeff${json}`,
  'an empty object': '{}',
  'a text that is not UTF-8': ((bytes) => {
    bytes[bytes.indexOf('ada')] = 0xff;
    return bytes;
  })(Buffer.from(json)),
  'a claim twice': json.replace('{', '{"sub":"admin",'),
  'a claim twice, once escaped': json.replace('{', '{"\\u0073ub":"admin",'),
  'a name twice inside a claim': json.replace(/}$/, ',"act":{"sub":"a","sub":"b"}}'),
  'a name twice inside a list': json.replace(/}$/, ',"list":[{"a":1,"a":2}]}'),
  'nesting of 17 levels': json.replace(/}$/, `,"deep":${'['.repeat(16)}${']'.repeat(16)}}`),
  'nesting of 2,000 levels': json.replace(/}$/, `,"deep":${'['.repeat(1_999)}${']'.repeat(1_999)}}`),
  'JSON with a comment': json.replace('{', '{/* */'),
};

/** A token by an empty secret. */
const bySecret = (header: object): string => {
  const input = `${encode(header)}.${encode(claims())}`;
  return `${input}.${encode(signatureOf('HS256', Buffer.alloc(0), input))}`;
};

const each = <T>(prefix: string, from: Readonly<Record<string, T>>, code: Code, make: (of: T) => string): Group =>
  Object.entries(from).map(([what, of]) => vector(`${prefix} ${what}`, make(of), code));

export const forms: Group = [
  ...each('form:', texts, 'malformed', (text) => text),
  ...each('header:', members, 'malformed', extra),
  ...each('header:', headers, 'malformed', withHeader),
  ...kids.map((kid) => vector(`kid ${JSON.stringify(kid)}`, extra({ kid }), 'unknown_key')),
  vector(
    'an unknown kid, signed with an empty secret',
    bySecret(headerOf({ alg: 'HS256', kid: 'none' })),
    'unknown_key',
  ),
  ...each('type:', types, 'wrong_type', (typ) => extra({ typ })),
  ...each('payload:', payloads, 'malformed', withPayload),
  vector(
    'payload: nesting of 16 levels',
    withPayload(json.replace(/}$/, `,"deep":${'['.repeat(15)}${']'.repeat(15)}}`)),
    'active',
  ),
  vector(
    'payload: a claim named __proto__ has no effect',
    withPayload(json.replace('{', '{"__proto__":{"scope":"admin"},')),
    'insufficient_scope',
    { requiredScopes: ['admin'] },
  ),
  vector('payload: braces, colons and quotes inside a text', token({ act: { sub: '{"a":"b","a":1}:\\"' } }), 'active'),
  vector('payload: an unknown claim', token({ tenant: { id: 7, tags: ['a', 'b'] } }), 'active'),
];
