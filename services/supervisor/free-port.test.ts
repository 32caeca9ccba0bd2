import { expect, test } from 'vitest';
import { randomFreePort } from '../platform/local/ports.ts';
import { freePortFrom } from './free-port.ts';
import { occupyPort } from './supervisor-harness.ts';

const HOST = '127.0.0.1';

test('a taken port and excepted ones are skipped, and 0 gives any', async () => {
  const { port: taken, close } = await occupyPort();
  expect(await freePortFrom(taken, HOST)).toBeGreaterThan(taken);
  close();
  const wanted = await randomFreePort();
  expect(await freePortFrom(wanted, HOST)).toBe(wanted);
  expect(await freePortFrom(wanted, HOST, [wanted])).toBeGreaterThan(wanted);
  expect(await freePortFrom(0, HOST)).toBeGreaterThan(0);
});
