// Receivers whose TLS is not good enough, each beside one that the same transport delivers to.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, getCACertificates, setDefaultCACertificates, type TlsOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { SiemTarget } from '#services/wings/outbound/handoff/siem/export-events.ts';
import { makeAuthority } from '#tools/testing/fakes/certificate-maker.ts';
import { createSiemTransport } from './siem.ts';

const HOUR_MS = 3_600_000;
const authority = makeAuthority('Collectors');
const forThisHost = { dns: ['localhost'], ips: ['127.0.0.1'] };
const good = authority.issue(forThisHost);
const expired = authority.issue({ ...forThisHost, until: new Date(Date.now() - HOUR_MS) });
const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
const trusted = getCACertificates('default');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-receivers-'));
  writeFileSync(join(folder, 'ca.pem'), authority.pem);
  setDefaultCACertificates([...trusted, authority.pem]);
});
afterAll(() => {
  setDefaultCACertificates(trusted);
  rmSync(folder, { recursive: true, force: true });
});

/** A receiver of syslog and of HTTP, and all that it was sent. */
async function receiver(wishes: TlsOptions = {}) {
  let text = '';
  const server = createServer({ cert: good.pem, key: good.keyPem, ...wishes }, (socket) => {
    socket
      .on('error', () => {})
      .on('data', (part) => {
        text += part.toString();
        if (text.startsWith('POST')) socket.end('HTTP/1.1 204 No Content\r\n\r\n');
      });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, sent: () => text };
}

function deliver(protocol: 'syslogs' | 'https', port: number): Promise<unknown> {
  const transport = createSiemTransport({
    allowsPrivate: true,
    authorization: new Map([['soc', 'Bearer secret']]),
    caFile: join(folder, 'ca.pem'),
    certificateFile: undefined,
    keyFile: undefined,
  });
  const target: SiemTarget = { name: 'soc', format: 'ecs', url: `${protocol}://localhost:${port}/` };
  const signal = new AbortController().signal;
  return protocol === 'syslogs'
    ? transport.write({ target, bytes: Buffer.from('3 one') }, signal)
    : transport.post({ target, headers: {}, body: 'one' }, signal);
}

describe.each(['syslogs', 'https'] as const)('a receiver of events over %s', (protocol) => {
  test('with a good certificate gets them', async () => {
    const { port, sent } = await receiver();
    await deliver(protocol, port);
    expect(sent()).toContain('one');
  });

  test('whose certificate has expired gets no byte of them, and no credential', async () => {
    const { port, sent } = await receiver({ cert: expired.pem, key: expired.keyPem });
    await expect(deliver(protocol, port)).rejects.toMatchObject({ code: 'CERT_HAS_EXPIRED' });
    expect(sent()).toBe('');
  });

  test('that speaks no TLS above 1.1 gets no byte of them, and no credential', async () => {
    const { port, sent } = await receiver(old);
    await expect(deliver(protocol, port)).rejects.toThrow(/protocol/i);
    expect(sent()).toBe('');
    // It does serve a client that is content with it.
    const client = connect({ ...old, port, host: '127.0.0.1', servername: 'localhost', ca: authority.pem });
    await once(client, 'secureConnect');
    expect(client.getProtocol()).toBe('TLSv1.1');
    client.destroy();
  });
});
