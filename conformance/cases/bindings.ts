import { hs256, jws, keyNamed, sha256, thumbprintOf, type VectorKey } from '../signing.ts';
import { type Code, type Group, NOW, token, type VectorOptions, vector, withSignature } from './world.ts';

const METHOD = 'GET';
/** A route of the example services, which run the vectors. */
const PATH = '/api/other/tasks';
const URL_OF_REQUEST = `https://tasks.example${PATH}`;
const [es, rs, ed, other] = [
  keyNamed('es-proof'),
  keyNamed('rs-proof'),
  keyNamed('ed-proof'),
  keyNamed('es-other-proof'),
];
const THUMB = sha256('the client certificate of the vectors');

type Changes = Readonly<Record<string, unknown>>;
type Proof = { readonly header?: Changes; readonly claims?: Changes; readonly key?: VectorKey };

const proofHeader = (key: VectorKey): Changes => {
  const { kty, n, e, crv, x, y } = key.jwk;
  return {
    typ: 'dpop+jwt',
    alg: key.alg,
    jwk: kty === 'RSA' ? { kty, n, e } : kty === 'EC' ? { kty, crv, x, y } : { kty, crv, x },
  };
};

/** A proof for the request and the token; `undefined` leaves a member out. */
function proofFor(text: string, { header = {}, claims = {}, key = es }: Proof = {}): string {
  const body = { jti: 'proof-1', htm: METHOD, htu: URL_OF_REQUEST, iat: NOW + 1, ath: sha256(text), ...claims };
  return jws(key, { ...proofHeader(key), ...header }, body);
}

const boundTo = (key: VectorKey, changes: Changes = {}): string =>
  token({ cnf: { jkt: thumbprintOf(key) }, ...changes });
const with_ = (proof: string, url = URL_OF_REQUEST, method = METHOD): VectorOptions => ({
  dpop: { proof, method, url },
});

const bound = boundTo(es);
const shown = (name: string, proof: string, code: Code = 'binding_mismatch', url?: string, method?: string) =>
  vector(`DPoP: ${name}`, bound, code, with_(proof, url, method));
const claimed = (name: string, claims: Changes, code?: Code) => shown(name, proofFor(bound, { claims }), code);
const headed = (name: string, header: Changes, code?: Code) => shown(name, proofFor(bound, { header }), code);

const ahead = (name: string, seconds: number, code: Code = 'binding_mismatch') =>
  vector(`DPoP: ${name}`, bound, code, {
    ...with_(proofFor(bound, { claims: { iat: NOW + 1 + seconds } })),
    clockSkew: 30,
  });

const good = proofFor(bound);
const privateJwk = { ...(proofHeader(es).jwk as object), d: es.privateJwk.d };

const dpop: Group = [
  ...[es, rs, ed].map((key) =>
    vector(`DPoP: a proof by ${key.alg}`, boundTo(key), 'active', with_(proofFor(boundTo(key), { key }))),
  ),
  vector('DPoP: no proof', bound, 'binding_mismatch'),
  vector('DPoP: an unbound token with a proof', token(), 'binding_mismatch', with_(proofFor(token()))),
  vector('DPoP: a certificate in place of a proof', bound, 'binding_mismatch', { certificate: thumbprintOf(es) }),
  shown('an empty proof', ''),
  shown('a proof that is no JWT', 'x'),
  shown('the token as its own proof', bound),
  shown('a proof by another key', proofFor(bound, { key: other })),
  shown('the key of another proof', proofFor(bound, { header: { jwk: proofHeader(other).jwk } })),
  shown('a proof with a zero signature', withSignature(good, Buffer.alloc(64))),
  shown('a proof cut off', good.slice(0, -4)),
  shown('a proof with padding', `${good}=`),
  shown('two proofs', `${good},${good}`),
  shown('another method', good, 'binding_mismatch', undefined, 'POST'),
  shown('another path', good, 'binding_mismatch', 'https://tasks.example/api/another/tasks'),
  shown('another host', good, 'binding_mismatch', `https://other.example${PATH}`),
  shown('another port', good, 'binding_mismatch', `https://tasks.example:8443${PATH}`),
  shown('another scheme', good, 'binding_mismatch', `http://tasks.example${PATH}`),
  shown('the request has a query', good, 'active', `${URL_OF_REQUEST}?page=2#top`),
  shown('the default port is written', good, 'active', `https://tasks.example:443${PATH}`),
  shown('the host in capitals', good, 'active', `https://TASKS.example${PATH}`),
  claimed('the proof has a query', { htu: `${URL_OF_REQUEST}?page=2` }, 'active'),
  claimed('the method in small letters', { htm: 'get' }),
  claimed('no method', { htm: undefined }),
  claimed('no URL', { htu: undefined }),
  claimed('a URL that is none', { htu: PATH }),
  claimed('no jti', { jti: undefined }),
  claimed('an empty jti', { jti: '' }),
  claimed('a jti that is a number', { jti: 1 }),
  claimed('a jti of 257 characters', { jti: 'j'.repeat(257) }),
  claimed('no iat', { iat: undefined }),
  claimed('an iat that is a text', { iat: String(NOW) }),
  claimed('a minute old', { iat: NOW - 59 }, 'active'),
  claimed('more than a minute old', { iat: NOW - 60 }),
  claimed('from a clock 10 s ahead', { iat: NOW + 11 }, 'active'),
  claimed('from a clock 11 s ahead', { iat: NOW + 12 }),
  claimed('from a clock a minute ahead', { iat: NOW + 61 }),
  ahead('from a clock ahead, within a skew of half a minute', 30, 'active'),
  ahead('from a clock ahead, beyond a skew of half a minute', 31),
  claimed('no hash of the token', { ath: undefined }),
  claimed('the hash of another token', { ath: sha256('another') }),
  claimed('with a nonce', { nonce: 'n' }, 'active'),
  claimed('with an empty nonce', { nonce: '' }),
  headed('the type in capitals', { typ: 'DPoP+JWT' }, 'active'),
  headed('the type of an access token', { typ: 'at+jwt' }),
  headed('no type', { typ: undefined }),
  headed('no key', { jwk: undefined }),
  headed('a private key', { jwk: privateJwk }),
  headed('a key that is a text', { jwk: JSON.stringify(proofHeader(es).jwk) }),
  headed('an algorithm that is not the key’s', { alg: 'RS256' }),
  headed('algorithm none', { alg: 'none' }),
  headed('a critical header', { crit: ['x'], x: 1 }),
  headed('a key off the curve', { jwk: { ...(proofHeader(es).jwk as object), x: 'A'.repeat(43) } }),
  shown(
    'signed by a shared secret',
    hs256(
      'x'.repeat(32),
      { ...proofHeader(es), alg: 'HS256', jwk: { kty: 'oct', k: 'eHh4' } },
      { jti: 'p', htm: METHOD, htu: URL_OF_REQUEST, iat: NOW + 1, ath: sha256(bound) },
    ),
  ),
  vector(
    'DPoP: a weak RSA key',
    boundTo(keyNamed('rs-weak')),
    'binding_mismatch',
    with_(proofFor(boundTo(keyNamed('rs-weak')), { key: keyNamed('rs-weak') })),
  ),
];

const certified = token({ cnf: { 'x5t#S256': THUMB } });
const both = token({ cnf: { jkt: thumbprintOf(es), 'x5t#S256': THUMB } });

const certificates: Group = [
  vector('certificate: the one it is bound to', certified, 'active', { certificate: THUMB }),
  vector('certificate: another', certified, 'binding_mismatch', { certificate: sha256('another') }),
  vector('certificate: none', certified, 'binding_mismatch'),
  vector('certificate: a proof in its place', certified, 'binding_mismatch', with_(proofFor(certified))),
  vector('certificate: a token that is not bound', token(), 'active', { certificate: THUMB }),
  vector('certificate and DPoP: both', both, 'active', { ...with_(proofFor(both)), certificate: THUMB }),
  vector('certificate and DPoP: the proof alone', both, 'binding_mismatch', with_(proofFor(both))),
  vector('certificate and DPoP: the certificate alone', both, 'binding_mismatch', { certificate: THUMB }),
  vector('certificate and DPoP: another certificate', both, 'binding_mismatch', {
    ...with_(proofFor(both)),
    certificate: sha256('another'),
  }),
  vector('certificate and DPoP: another key', both, 'binding_mismatch', {
    ...with_(proofFor(both, { key: other })),
    certificate: THUMB,
  }),
  vector('certificate and DPoP: neither', both, 'binding_mismatch'),
  vector('binding: an empty cnf', token({ cnf: {} }), 'binding_mismatch'),
  vector('binding: a method that we do not know', token({ cnf: { jwk: { kty: 'EC' } } }), 'binding_mismatch'),
  vector('binding: a method that we do not know, and a certificate', token({ cnf: { kid: 'x' } }), 'binding_mismatch', {
    certificate: THUMB,
  }),
  vector('order: binding before scope', bound, 'binding_mismatch', { requiredScopes: ['admin'] }),
  vector('order: end before binding', boundTo(es, { exp: NOW - 100 }), 'expired'),
];

export const bindingVectors: Group = [...dpop, ...certificates];
