import { beforeEach, describe, expect, test } from 'vitest';
import type { Client } from '#services/core/access/access-directory.ts';
import {
  createCertificateAuthorities,
  readAuthorities,
} from '#services/core/access/certificates/certificate-authorities.ts';
import { forwardedCertificate } from '#services/core/access/certificates/client-certificate.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { type MadeCertificate, makeAuthority, makeCertificate } from '#tools/testing/fakes/certificate-maker.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { createClientKeySets, KeysNotRead } from '../assertions/client-key-sets.ts';
import { authenticateCertificate, type CertificatePorts } from './authenticate-certificate.ts';

const authority = makeAuthority();
const bank = authority.issue({ dns: ['bank.example'] });
const shop = authority.issue({ dns: ['shop.example'] });
const own = makeCertificate();
const next = makeCertificate();
const past = makeCertificate({ until: new Date(Date.now() - 60_000) });

const client = (changes: Partial<Client>): Client =>
  ({
    clientId: 'bank',
    auth_method: 'tls_client_auth',
    disabled: false,
    jwks_uri: null,
    certificate_identity: { name: 'san_dns', value: 'bank.example' },
    credential_scopes: ['tokens:read', 'tasks:read'],
    origin: 'admin',
    ...changes,
  }) as Client;
const selfSigned = { auth_method: 'self_signed_tls_client_auth', certificate_identity: null } as const;
const clients = new Map(
  [
    client({}),
    client({ clientId: 'off', disabled: true }),
    client({ clientId: 'secret', auth_method: 'client_secret_basic', certificate_identity: null }),
    client({
      ...selfSigned,
      clientId: 'till',
      certificate_identity: { thumbprints: [own.thumbprint, past.thumbprint] },
    }),
    client({ ...selfSigned, clientId: 'remote', jwks_uri: 'https://till.example/keys' }),
    client({ ...selfSigned, clientId: 'empty' }),
  ].map((each) => [each.clientId, each]),
);

let published: readonly MadeCertificate[];
let answers: 'set' | 'nothing';
let monotonicMs: number;
let ports: CertificatePorts;
beforeEach(() => {
  published = [own];
  answers = 'set';
  monotonicMs = 0;
  ports = {
    clock: { now: () => Date.now(), monotonic: () => monotonicMs } as CertificatePorts['clock'],
    confirmNewest: async () => {},
    access: { client: (id: string) => clients.get(id), permissions: () => new Set(['tokens:read']) } as never,
    certificateAuthorities: createCertificateAuthorities(readAuthorities(authority.pem)),
    clientKeySets: createClientKeySets({ clock: { monotonic: () => monotonicMs }, allowsPrivate: false }, async () =>
      answers === 'nothing'
        ? new Response('', { status: 404 })
        : new Response(
            JSON.stringify({ keys: published.map((each) => ({ kty: 'EC', x5c: [each.der.toString('base64')] })) }),
          ),
    ),
  };
});

const shown = (made: MadeCertificate) => forwardedCertificate(made.der.toString('base64'));
const by = (clientId: string, certificate: ReturnType<typeof forwardedCertificate> | undefined) =>
  authenticateCertificate(ports, clientId, certificate, testCaller.request);
const outcomeOf = (work: Promise<unknown>) =>
  work.then(
    (caller) => (caller === undefined ? 'left to others' : 'ok'),
    (err: unknown) => (isAppError(err) ? `${err.code}: ${err.options.detail ?? ''}` : String(err)),
  );
const REFUSED = 'client_unauthenticated: ';

describe('a client with a certificate', () => {
  test('acts with the permissions among its client-credentials scopes', async () => {
    expect(await by('bank', shown(bank))).toEqual({
      kind: 'client',
      clientId: 'bank',
      permissions: new Set(['tokens:read']),
      by: 'certificate',
      isVetted: true,
      request: testCaller.request,
    });
    expect(await by('till', shown(own))).toMatchObject({ clientId: 'till' });
  });

  test('is refused with the certificate of another client, and while it is disabled', async () => {
    for (const [id, certificate] of [
      ['bank', shop],
      ['bank', own],
      ['till', bank],
      ['till', next],
      ['off', bank],
    ] as const)
      expect(await outcomeOf(by(id, shown(certificate))), id).toBe(REFUSED);
  });

  test('is told why without a certificate, with an unreadable one and with its own after its end', async () => {
    expect(await outcomeOf(by('bank', undefined))).toMatch(/no client certificate from a trusted proxy/);
    expect(await outcomeOf(by('bank', null))).toMatch(/cannot be read/);
    expect(await outcomeOf(by('till', shown(past)))).toMatch(/expired or not valid yet/);
  });

  test('is left to the other methods if it uses one, or does not exist', async () => {
    for (const id of ['secret', 'unknown']) expect(await outcomeOf(by(id, shown(bank)))).toBe('left to others');
  });
});

describe('a client whose certificates are at an address', () => {
  test('is recognised by them, and by a new one once it is published; a removed one is refused', async () => {
    expect(await outcomeOf(by('remote', shown(own)))).toBe('ok');
    expect(await outcomeOf(by('remote', shown(next)))).toBe('client_keys_unavailable: ');
    published = [next];
    expect(await outcomeOf(by('remote', shown(next))), 'within the cool-down').toBe('client_keys_unavailable: ');
    monotonicMs += 30_000;
    expect(await outcomeOf(by('remote', shown(next)))).toBe('ok');
    expect(await outcomeOf(by('remote', shown(own)))).toBe('client_keys_unavailable: ');
    monotonicMs += 30_000;
    expect(await outcomeOf(by('remote', shown(own)))).toBe(REFUSED);
  });

  test('is refused with an expired one', async () => {
    published = [past];
    expect(await outcomeOf(by('remote', shown(past)))).toMatch(/expired/);
  });

  test('is told to retry while the address has no certificates, and while too many are read', async () => {
    answers = 'nothing';
    expect(await outcomeOf(by('remote', shown(own)))).toBe('client_keys_unavailable: ');
    expect(await outcomeOf(by('empty', shown(own))), 'a client without any').toBe(REFUSED);
    const busy = async () => new KeysNotRead('busy', 5);
    ports = { ...ports, clientKeySets: { ...ports.clientKeySets, decideByCertificates: busy } };
    expect(await outcomeOf(by('remote', shown(own)))).toBe('client_keys_busy: ');
  });
});
