import { expect, test } from 'vitest';
import { isSameMachine } from './same-machine.ts';

const ask = (remoteAddress: string | undefined, headers: Record<string, string | undefined>): boolean =>
  isSameMachine({ headers, socket: { remoteAddress } } as unknown as Parameters<typeof isSameMachine>[0]);

test.each([
  ['127.0.0.1', 'localhost:3000'],
  ['127.0.0.1', '127.0.0.1:3000'],
  ['::1', '[::1]:3000'],
  ['::ffff:127.0.0.1', 'sallyport.localhost'],
])('%s at %s is on the same machine', (address, host) => expect(ask(address, { host })).toBe(true));

test.each([
  ['another machine', '10.0.0.7', { host: 'localhost:3000' }],
  ['a closed connection', undefined, { host: 'localhost:3000' }],
  ['a name that was rebound to this machine', '127.0.0.1', { host: 'evil.test:3000' }],
  ['a name that only looks local', '127.0.0.1', { host: 'localhost.evil.test' }],
  ['no host', '127.0.0.1', {}],
  ['a request through a proxy', '127.0.0.1', { host: 'localhost:3000', 'x-forwarded-for': '10.0.0.7' }],
  ['a request through a proxy of RFC 7239', '127.0.0.1', { host: 'localhost:3000', forwarded: 'for=10.0.0.7' }],
])('%s is not', (_name, address, headers) => expect(ask(address, headers)).toBe(false));
