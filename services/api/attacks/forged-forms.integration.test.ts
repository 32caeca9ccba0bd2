import { deflateRawSync } from 'node:zlib';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { encoded } from '#tools/testing/fixtures/signing-key.ts';
import { startProductHarness } from '#tools/testing/harness/product.ts';
import { opened } from '#tools/testing/opened.ts';
import {
  attacker,
  byAttacker,
  expectRejected,
  headerOf,
  own,
  startListener,
  targetOf,
} from './forged-tokens-harness.ts';

const harness = opened(startProductHarness);
const rsa = opened(() => targetOf(harness.product));
afterEach(() => harness.expectUnharmed());

test('keys that the token names or carries are neither fetched nor used; the attacker’s server sees no connection (CVE-2026-27962, Authlib: the key in the header of a token verified it)', async () => {
  const listener = await startListener();
  onTestFinished(() => listener.close());
  const jwk = attacker.publicKey.export({ format: 'jwk' });
  const members: object[] = [
    { jku: `${listener.url}/jwks.json` },
    { jku: `${rsa.product.api}/.well-known/jwks.json@${listener.url.slice(7)}` },
    { x5u: `${listener.url}/cert.pem` },
    { jwk },
    { x5c: [attacker.publicKey.export({ format: 'der', type: 'spki' }).toString('base64')] },
    { jku: `${listener.url}/jwks.json`, jwk, x5u: `${listener.url}/cert.pem` },
  ];
  for (const member of members) {
    const label = Object.keys(member);
    for (const kid of ['attacker', rsa.key.kid]) {
      await expectRejected(rsa, label, byAttacker({ alg: 'RS256', kid, typ: 'at+jwt', ...member }, rsa.claims));
      await expectRejected(
        rsa,
        label,
        byAttacker({ alg: 'RS256', kid, typ: 'at+jwt', ...member }, { ...rsa.claims, iss: listener.url }),
      );
    }
    // Rejected even when the right key signed it: the product never writes this header.
    await expectRejected(rsa, label, own(rsa, {}, member), 'malformed');
  }
  for (const iss of [listener.url, `${listener.url}/.well-known`])
    await expectRejected(
      rsa,
      iss,
      byAttacker({ alg: 'RS256', kid: 'attacker', typ: 'at+jwt' }, { ...rsa.claims, iss }),
    );
  expect(listener.connections()).toBe(0);
});

test('other serialisations, padding, spaces and part counts are refused before anything is decoded', async () => {
  const [header, payload, signature] = rsa.good.split('.') as [string, string, string];
  const flattened = JSON.stringify({ protected: header, payload, signature });
  const general = JSON.stringify({ payload, signatures: [{ protected: header, signature }] });
  const tokens = [
    flattened,
    general,
    `{${rsa.good}}`,
    `"${rsa.good}"`,
    `'${rsa.good}'`,
    `${rsa.good}=`,
    `${header}=.${payload}.${signature}`,
    `${header}.${payload}==.${signature}`,
    ` ${rsa.good}`,
    `${rsa.good} `,
    `${rsa.good}\n`,
    `\t${rsa.good}`,
    `${header}. ${payload}.${signature}`,
    `${header}.${payload}.${signature.slice(0, 10)}\n${signature.slice(10)}`,
    `${header}.${payload}`,
    header,
    `${header}.${payload}.`,
    `.${payload}.${signature}`,
    `${header}..${signature}`,
    '..',
    '.',
    `${rsa.good}.`,
    `.${rsa.good}`,
    `${rsa.good}.x`,
    `${rsa.good}.x.y`,
    `${header}.${payload}.${signature}.${signature}`,
    `Bearer ${rsa.good}`,
    encodeURIComponent(`${rsa.good}.`),
    `${header}.${payload}.${signature.replaceAll('-', '+').replaceAll('_', '/')}+`,
    `\ufeff${rsa.good}`,
    rsa.good.normalize('NFKC').replace('.', '．'),
  ];
  for (const token of tokens) await expectRejected(rsa, token.slice(0, 30), token, 'malformed');
  // Each byte string has one spelling: the unused low bits of the last character are zero.
  const last = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const twisted = `${header}.${payload}.${signature.slice(0, -1)}${last[last.indexOf(signature.at(-1)!) ^ 1]}`;
  await expectRejected(rsa, 'stray bits', twisted);
});

test('rejects JWE, password-based keys and compression (CVE-2024-28176, jose: a small compressed token became a large one)', async () => {
  const bomb = deflateRawSync(Buffer.alloc(4_000_000, 0x20)).toString('base64url');
  for (const header of [
    { alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 1e9, p2s: 'x' },
    { alg: 'dir', enc: 'A128GCM', zip: 'DEF' },
    { alg: 'RSA-OAEP', enc: 'A256GCM', kid: rsa.key.kid },
  ]) {
    await expectRejected(rsa, header, `${encoded(header)}.AA.AA.${bomb}.AA`, 'malformed');
    await expectRejected(rsa, header, `${encoded(header)}...${bomb}.`, 'malformed');
  }
  await expectRejected(rsa, 'zip', `${encoded(headerOf(rsa, { zip: 'DEF' }))}.${bomb}.AA`, 'malformed');
  await expectRejected(rsa, 'p2c', own(rsa, {}, { p2c: 1e9 }), 'malformed');
});
