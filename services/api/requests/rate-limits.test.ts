import type { FastifyRequest } from 'fastify';
import { describe, expect, test } from 'vitest';
import type { Caller } from '#services/core/ports.ts';
import { clientCaller } from '#tools/testing/harness/ports.ts';
import { identifyBy } from './rate-limits.ts';

const client = clientCaller('c');
const identify = identifyBy({
  bearer: (token) => {
    if (token === 'undecidable') throw new Error('revocation state stale');
    return token === 'good' ? client : null;
  },
  client: (id, secret) => (id === 'c' && secret === 's' ? client : null),
});
const asked = (authorization: string | undefined, accepts: Parameters<typeof identify>[1]): Caller | null => {
  const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: false };
  const headers = authorization === undefined ? {} : { authorization };
  return identify({ headers, method: 'GET', ip: '192.0.2.1', url: '/', trace } as unknown as FastifyRequest, accepts);
};
const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;

describe('the caller that the headers authenticate, before a body is read', () => {
  test('a client by its secret, where the endpoint accepts clients', () => {
    expect(asked(basic('c:s'), ['client'])).toBe(client);
    expect(asked(basic('c:wrong'), ['client'])).toBeNull();
    expect(asked(basic('c:s'), ['bearer', 'session'])).toBeNull();
  });

  test('the owner of a bearer token, where the endpoint accepts tokens', () => {
    expect(asked('Bearer good', ['client', 'bearer'])).toBe(client);
    expect(asked('Bearer bad', ['bearer'])).toBeNull();
    expect(asked('Bearer good', ['client'])).toBeNull();
    expect(asked('Bearer good', [])).toBeNull();
  });

  test('no caller, where nothing readable was sent or validity is unknown', () => {
    expect(asked(undefined, ['client', 'bearer', 'session'])).toBeNull();
    expect(asked('Basic %%%', ['client'])).toBeNull();
    expect(asked('Bearer undecidable', ['bearer'])).toBeNull();
  });
});
