// For tests only: an authenticator of WebAuthn Level 3 in software, from the specification and no library.
import { createHash, createSign, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';

type Options = { readonly challenge: string; readonly rp?: { readonly id: string }; readonly rpId?: string };
type Ceremony = {
  readonly origin: string;
  /** User verification besides a touch: finger, face or PIN. */
  readonly verifiesUser?: boolean;
  /** Signs for another relying party than the options name. */
  readonly rpId?: string;
  /** Reports the ceremony as cross-origin, as a browser does in a frame. */
  readonly crossOrigin?: boolean;
  readonly topOrigin?: string;
  /** Names another owner of the passkey, or none. */
  readonly userHandle?: string | null;
};

export type Cbor = number | string | Buffer | ReadonlyMap<number | string, Cbor>;

/** RFC 8949 §3, as far as an attestation needs it. */
export function cbor(value: Cbor): Buffer {
  const head = (major: number, length: number): Buffer => {
    if (length < 24) return Buffer.from([(major << 5) | length]);
    if (length < 256) return Buffer.from([(major << 5) | 24, length]);
    if (length > 65_535) throw new Error('no member of an attestation is so large');
    return Buffer.from([(major << 5) | 25, length >> 8, length & 0xff]);
  };
  if (typeof value === 'number') return value >= 0 ? head(0, value) : head(1, -1 - value);
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  const entries = [...(value as ReadonlyMap<number | string, Cbor>)];
  return Buffer.concat([head(5, entries.length), ...entries.flatMap(([key, item]) => [cbor(key), cbor(item)])]);
}

const sha256 = (data: string | Buffer): Buffer => createHash('sha256').update(data).digest();
const FLAGS = { present: 0x01, verified: 0x04, shared: 0x18, attested: 0x40 };

type Made = {
  readonly isShared?: boolean;
  /** The public key that it presents; an ES256 key by default. */
  readonly coseKey?: Buffer;
};

/** One discoverable ES256 credential that never leaves its device, unless its owner's devices share it; with a counter. */
export function createAuthenticator({ isShared = false, coseKey }: Made = {}) {
  const credentialId = randomBytes(32);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  let userHandle = '';
  let counter = 0;

  const clientData = (
    type: string,
    { challenge }: Options,
    { origin, crossOrigin = false, topOrigin }: Ceremony,
  ): Buffer => Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin, topOrigin }));

  function authenticatorData(options: Options, { verifiesUser = true, rpId }: Ceremony, attested?: Buffer): Buffer {
    const kind = FLAGS.present | (isShared ? FLAGS.shared : 0);
    const flags = kind | (verifiesUser ? FLAGS.verified : 0) | (attested ? FLAGS.attested : 0);
    const count = Buffer.alloc(4);
    count.writeUInt32BE(++counter);
    const party = rpId ?? options.rp?.id ?? options.rpId ?? '';
    return Buffer.concat([sha256(party), Buffer.from([flags]), count, attested ?? Buffer.alloc(0)]);
  }

  const whole = (response: object): object => ({
    id: credentialId.toString('base64url'),
    rawId: credentialId.toString('base64url'),
    type: 'public-key',
    authenticatorAttachment: 'platform',
    clientExtensionResults: {},
    response,
  });

  return {
    /** navigator.credentials.create (§6.3.2), attestation `none`. */
    create(options: Options & { readonly user?: { readonly id: string } }, ceremony: Ceremony): object {
      userHandle = options.user?.id ?? '';
      const length = Buffer.from([credentialId.length >> 8, credentialId.length & 0xff]);
      const attested = Buffer.concat([Buffer.alloc(16), length, credentialId, coseKey ?? coseKeyOf(publicKey)]);
      const statement: [string, Cbor][] = [
        ['fmt', 'none'],
        ['attStmt', new Map()],
        ['authData', authenticatorData(options, ceremony, attested)],
      ];
      return whole({
        clientDataJSON: clientData('webauthn.create', options, ceremony).toString('base64url'),
        attestationObject: cbor(new Map(statement)).toString('base64url'),
        transports: ['internal'],
      });
    },
    /** navigator.credentials.get (§6.3.3). */
    get(options: Options, ceremony: Ceremony): object {
      const client = clientData('webauthn.get', options, ceremony);
      const data = authenticatorData(options, ceremony);
      const signature = createSign('sha256')
        .update(Buffer.concat([data, sha256(client)]))
        .sign(privateKey);
      return whole({
        clientDataJSON: client.toString('base64url'),
        authenticatorData: data.toString('base64url'),
        signature: signature.toString('base64url'),
        userHandle: ceremony.userHandle === undefined ? userHandle : ceremony.userHandle,
      });
    },
    /** Sets the counter back, like a clone that is behind the original. */
    rewind(): void {
      counter = 0;
    },
  };
}

/** RFC 9053 §7.1.1: EC2, ES256, P-256. */
function coseKeyOf(publicKey: KeyObject): Buffer {
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  const members: [number, Cbor][] = [
    [1, 2],
    [3, -7],
    [-1, 1],
    [-2, Buffer.from(x, 'base64url')],
    [-3, Buffer.from(y, 'base64url')],
  ];
  return cbor(new Map(members));
}
