// For tests only: X.509 certificates with any names and their private keys, because node:crypto makes none.
import { generateKeyPairSync, hash, type KeyObject, randomBytes, sign } from 'node:crypto';

/** Attributes of one RDN: object identifiers and values; UTF8String, unless `tag` names another string type. */
export type TestAttribute = { readonly type: string; readonly value: string; readonly tag?: number };
/** A distinguished name: RDNs in the order of the certificate, each with one attribute or more. */
export type TestName = readonly (readonly TestAttribute[])[];

/** What a test wants in a certificate; by default a client's, valid from a day ago for a century. */
export type CertificateWishes = {
  readonly subject?: TestName;
  readonly dns?: readonly string[];
  readonly uris?: readonly string[];
  readonly emails?: readonly string[];
  /** IPv4 addresses. */
  readonly ips?: readonly string[];
  readonly from?: Date;
  readonly until?: Date;
  readonly isAuthority?: boolean;
  /** Signed by SHA-1, as certificates were until 2017. */
  readonly isWeak?: boolean;
  /** An authority that may issue only for names below this host. */
  readonly permittedDns?: string;
};

export type MadeCertificate = {
  readonly pem: string;
  readonly der: Buffer;
  /** SHA-256 in base64url. */
  readonly thumbprint: string;
  readonly keyPem: string;
  /** A certificate that this one issues, whether or not it is an authority. */
  issue(wishes?: CertificateWishes): MadeCertificate;
};

const TAG = { boolean: 0x01, integer: 0x02, bits: 0x03, octets: 0x04, oid: 0x06, utf8: 0x0c, time: 0x18 } as const;
const SEQUENCE = 0x30;
const SET = 0x31;
const DAY_MS = 86_400_000;

const der = (tag: number, ...contents: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(contents);
  const { length } = content;
  const bytes = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...bytes]), content]);
};

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const base128 = (value: number): number[] => {
    const digits = [value & 0x7f];
    for (let left = value >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80);
    return digits;
  };
  return der(TAG.oid, Buffer.from([first * 40 + second, ...rest].flatMap(base128)));
}

/** GeneralizedTime. */
const time = (date: Date): Buffer =>
  der(TAG.time, Buffer.from(`${date.toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)}Z`));

const nameOf = (name: TestName): Buffer =>
  der(
    SEQUENCE,
    ...name.map((rdn) =>
      der(SET, ...rdn.map(({ type, value, tag = TAG.utf8 }) => der(SEQUENCE, oid(type), der(tag, Buffer.from(value))))),
    ),
  );

const extension = (id: string, isCritical: boolean, value: Buffer): Buffer =>
  der(SEQUENCE, oid(id), ...(isCritical ? [der(TAG.boolean, Buffer.from([0xff]))] : []), der(TAG.octets, value));

function extensionsOf({ dns = [], uris = [], emails = [], ips = [], ...wishes }: CertificateWishes): Buffer[] {
  const names = [
    ...emails.map((email) => der(0x81, Buffer.from(email))),
    ...dns.map((host) => der(0x82, Buffer.from(host))),
    ...uris.map((uri) => der(0x86, Buffer.from(uri))),
    ...ips.map((ip) => der(0x87, Buffer.from(ip.split('.').map(Number)))),
  ];
  const { isAuthority = false, permittedDns } = wishes;
  return [
    extension('2.5.29.19', true, der(SEQUENCE, ...(isAuthority ? [der(TAG.boolean, Buffer.from([0xff]))] : []))),
    // keyCertSign of an authority; clientAuth and serverAuth of any other certificate.
    isAuthority
      ? extension('2.5.29.15', true, der(TAG.bits, Buffer.from([2, 0x04])))
      : extension('2.5.29.37', false, der(SEQUENCE, oid('1.3.6.1.5.5.7.3.2'), oid('1.3.6.1.5.5.7.3.1'))),
    ...(names.length === 0 ? [] : [extension('2.5.29.17', false, der(SEQUENCE, ...names))]),
    ...(permittedDns === undefined
      ? []
      : [extension('2.5.29.30', true, der(SEQUENCE, der(0xa0, der(SEQUENCE, der(0x82, Buffer.from(permittedDns))))))]),
  ];
}

const ECDSA = { sha1: der(SEQUENCE, oid('1.2.840.10045.4.1')), sha256: der(SEQUENCE, oid('1.2.840.10045.4.3.2')) };
const COMMON_NAME = '2.5.4.3';

/** A name with only a common name. */
const commonName = (value: string): TestName => [[{ type: COMMON_NAME, value }]];

type Issuer = { readonly name: TestName; readonly key: KeyObject };

function make(wishes: CertificateWishes, issuer?: Issuer): MadeCertificate {
  const { subject = commonName('client'), from = new Date(Date.now() - DAY_MS) } = wishes;
  const { until = new Date(Date.now() + 36_500 * DAY_MS), isWeak = false } = wishes;
  const digest = isWeak ? 'sha1' : 'sha256';
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const by = issuer ?? { name: subject, key: privateKey };
  const serial = Buffer.concat([Buffer.from([0x01]), randomBytes(15)]);
  const signed = der(
    SEQUENCE,
    der(0xa0, der(TAG.integer, Buffer.from([2]))),
    der(TAG.integer, serial),
    ECDSA[digest],
    nameOf(by.name),
    der(SEQUENCE, time(from), time(until)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(SEQUENCE, ...extensionsOf(wishes))),
  );
  const signature = der(TAG.bits, Buffer.from([0]), sign(digest, signed, by.key));
  const bytes = der(SEQUENCE, signed, ECDSA[digest], signature);
  const lines = bytes.toString('base64').match(/.{1,64}/g) as string[];
  return {
    der: bytes,
    pem: ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n'),
    thumbprint: hash('sha256', bytes, 'base64url'),
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    issue: (issued = {}) => make(issued, { name: subject, key: privateKey }),
  };
}

/** A self-signed certificate with a new P-256 key. */
export const makeCertificate = (wishes: CertificateWishes = {}): MadeCertificate => make(wishes);

/** An authority that issues client certificates. */
export const makeAuthority = (name = 'Test authority', wishes: CertificateWishes = {}): MadeCertificate =>
  make({ subject: commonName(name), isAuthority: true, ...wishes });
