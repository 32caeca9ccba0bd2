import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { randomFreePort } from '../platform/local/ports.ts';
import { claimPort } from './port-claim.ts';

test('two claims of one port get two ports before either listens, and a released one can be claimed again', async () => {
  const wanted = await randomFreePort();
  const first = await claimPort(wanted, '127.0.0.1');
  const second = await claimPort(wanted, '127.0.0.1');
  expect(first.port).toBe(wanted);
  expect(second.port).toBeGreaterThan(wanted);
  first.release();
  second.release();
  const again = await claimPort(wanted, '127.0.0.1');
  expect(again.port).toBe(wanted);
  again.release();
});

test('a port that another program shares with reusePort counts as taken', async () => {
  const other = createServer();
  await new Promise<void>((done) => other.listen({ port: 0, host: '127.0.0.1', reusePort: true }, done));
  const { port } = other.address() as AddressInfo;
  const claim = await claimPort(port, '127.0.0.1');
  expect(claim.port).toBeGreaterThan(port);
  claim.release();
  other.close();
});

test('excepted ports are skipped, and 0 gives any', async () => {
  const wanted = await randomFreePort();
  const claim = await claimPort(wanted, '127.0.0.1', [wanted]);
  expect(claim.port).toBeGreaterThan(wanted);
  const any = await claimPort(0, '127.0.0.1');
  expect(any.port).toBeGreaterThan(0);
  claim.release();
  any.release();
});
