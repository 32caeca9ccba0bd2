import { encode, jws, keyNamed, publicKeyOf, signatureOf, type VectorKey } from '../signing.ts';
import {
  claims,
  type Group,
  headerOf,
  keys,
  partsOf,
  token,
  vector,
  withHeader,
  withPayload,
  withSignature,
} from './world.ts';

const ours: readonly VectorKey[] = Object.values(keys);

/** Good tokens of every algorithm and of every form that we write. */
const good: Group = ours.flatMap((key) => [
  vector(`${key.alg}: a token of a sign-in`, token({}, key), 'active'),
  vector(`${key.alg}: the media type in full`, withHeader(headerOf(key, { typ: 'application/at+jwt' }), key), 'active'),
  vector(`${key.alg}: the type in capitals`, withHeader(headerOf(key, { typ: 'AT+JWT' }), key), 'active'),
  vector(`${key.alg}: claims with white space`, withPayload(JSON.stringify(claims(), null, 2), key), 'active'),
  vector(
    `${key.alg}: several audiences`,
    token({ aud: ['https://other.example', 'https://api.example'] }, key),
    'active',
  ),
]);

/** The header names an algorithm that is not the key's; the signature is one that the algorithm or the key would make. */
const otherAlgorithms: Group = [
  ...[
    'none',
    'None',
    'NONE',
    'nOnE',
    '',
    'RS384',
    'RS512',
    'PS256',
    'ES256',
    'ES384',
    'EdDSA',
    'HS256',
    'rs256',
    'RS256 ',
  ].map((alg) =>
    vector(
      `algorithm ${JSON.stringify(alg)} for an RS256 key`,
      withHeader(headerOf(keys.rs, { alg })),
      'bad_signature',
    ),
  ),
  ...['none', 'RS256', 'ES384', 'ES512', 'ES256K', 'EdDSA', 'HS256'].map((alg) =>
    vector(`algorithm ${alg} for an ES256 key`, withHeader(headerOf(keys.es, { alg }), keys.es), 'bad_signature'),
  ),
  ...['none', 'RS256', 'ES256', 'Ed25519', 'Ed448', 'HS256'].map((alg) =>
    vector(`algorithm ${alg} for an EdDSA key`, withHeader(headerOf(keys.ed, { alg }), keys.ed), 'bad_signature'),
  ),
  vector(
    'algorithm RS512, and signed so, for an RS256 key',
    jws({ ...keys.rs, alg: 'RS512' }, headerOf(keys.rs, { alg: 'RS512' }), claims()),
    'bad_signature',
  ),
  ...[undefined, null, 1, true, ['RS256'], {}].map((alg) =>
    vector(`algorithm ${JSON.stringify(alg) ?? 'absent'}`, withHeader(headerOf(keys.rs, { alg })), 'malformed'),
  ),
  vector(
    'algorithm none and no signature',
    `${encode({ alg: 'none', typ: 'at+jwt' })}.${encode(claims())}.`,
    'malformed',
  ),
  vector(
    'algorithm none with our kid and an empty signature',
    `${encode(headerOf(keys.rs, { alg: 'none' }))}.${encode(claims())}.`,
    'malformed',
  ),
];

/** A public key taken for the secret of an HMAC. */
const confusion: Group = ours.flatMap((key) => {
  const pem = publicKeyOf(key).export({ type: 'spki', format: 'pem' }) as string;
  const secrets: Readonly<Record<string, string | Buffer>> = {
    'its PEM': pem,
    'its PEM without the last line break': pem.trimEnd(),
    'its PEM after a space': ` ${pem}`,
    'its DER': publicKeyOf(key).export({ type: 'spki', format: 'der' }) as Buffer,
    'its JWK': JSON.stringify(key.jwk),
    'the key set': JSON.stringify({ keys: ours.map(({ jwk }) => jwk) }),
    'an empty secret': '',
  };
  return Object.entries(secrets).map(([what, secret]) => {
    const input = `${encode(headerOf(key, { alg: 'HS256' }))}.${encode(claims())}`;
    const mac = signatureOf('HS256', Buffer.from(secret), input);
    return vector(`HMAC with ${what} under an ${key.alg} key`, `${input}.${encode(mac)}`, 'bad_signature');
  });
});

const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const numberBytes = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex');

/** The DER form of an ECDSA signature, which JWS does not use (RFC 7518 §3.4). */
function derOf(signature: Buffer): Buffer {
  const integer = (bytes: Buffer): Buffer => {
    let at = 0;
    while (at < bytes.length - 1 && bytes[at] === 0) at += 1;
    const short = bytes.subarray(at);
    const value = (short[0] as number) > 0x7f ? Buffer.concat([Buffer.from([0]), short]) : short;
    return Buffer.concat([Buffer.from([2, value.length]), value]);
  };
  const body = Buffer.concat([integer(signature.subarray(0, 32)), integer(signature.subarray(32))]);
  return Buffer.concat([Buffer.from([0x30, body.length]), body]);
}

const forged: Group = [
  ...ours.flatMap((key) => {
    const text = token({}, key);
    const made = Buffer.from(partsOf(text)[2], 'base64url');
    const borrowed = Buffer.from(partsOf(token({ sub: 'another' }, key))[2], 'base64url');
    const flipped = Buffer.from(made);
    flipped[flipped.length - 1] = (flipped[flipped.length - 1] as number) ^ 1;
    const foreign = keyNamed(`${key.kid.slice(0, 2)}-foreign`);
    const signatures: Readonly<Record<string, Buffer>> = {
      'a zero signature': Buffer.alloc(made.length),
      'a signature of one byte': Buffer.alloc(1),
      'a signature without its last byte': made.subarray(0, -1),
      'a signature without its first byte': made.subarray(1),
      'a signature with a byte after it': Buffer.concat([made, Buffer.alloc(1)]),
      'a signature with a byte before it': Buffer.concat([Buffer.alloc(1), made]),
      'the signature of another token': borrowed,
      'a signature with one bit changed': flipped,
    };
    return [
      ...Object.entries(signatures).map(([what, bytes]) =>
        vector(`${key.alg}: ${what}`, withSignature(text, bytes), 'bad_signature'),
      ),
      vector(`${key.alg}: no signature`, text.slice(0, text.lastIndexOf('.') + 1), 'malformed'),
      vector(
        `${key.alg}: signed by another issuer's key under our kid`,
        jws(foreign, headerOf(key), claims()),
        'bad_signature',
      ),
      vector(`${key.alg}: signed by another issuer's key`, token({}, foreign), 'unknown_key'),
      vector(
        `${key.alg}: the claims of another token`,
        ((given) => `${given[0]}.${encode(claims({ sub: 'admin' }))}.${given[2]}`)(partsOf(text)),
        'bad_signature',
      ),
    ];
  }),
  ...((text) => {
    const made = Buffer.from(partsOf(text)[2], 'base64url');
    const [r, s] = [made.subarray(0, 32), made.subarray(32)];
    const zero = Buffer.alloc(32);
    const forms: Readonly<Record<string, Buffer>> = {
      'r is zero': Buffer.concat([zero, s]),
      's is zero': Buffer.concat([r, zero]),
      'r and s are the order of the curve': Buffer.concat([numberBytes(N), numberBytes(N)]),
      'r and s are exchanged': Buffer.concat([s, r]),
      'in DER': derOf(made),
    };
    return Object.entries(forms).map(([what, bytes]) =>
      vector(`ES256: ${what}`, withSignature(text, bytes), 'bad_signature'),
    );
  })(token({}, keys.es)),
];

export const signatures: Group = [...good, ...otherAlgorithms, ...confusion, ...forged];
