import type { FastifyRequest } from 'fastify';
import { expect, test } from 'vitest';
import type { Caller } from '#services/core/ports.ts';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
import { clientCaller } from '#tools/testing/harness/ports.ts';
import { rejectsAll } from '../route-harness.ts';
import type { Authenticators } from './caller.ts';
import { createCallerRecheck } from './recheck-caller.ts';

const caller = (permission: string): Caller => ({ ...clientCaller('c', [permission]), by: 'bearer' });
const endpoint = {
  auth: { accepts: ['bearer', 'session'], for: 'anyone', permission: 'events:read' },
} as unknown as Endpoint;
const asked = (headers: Record<string, string>, identified: Caller | null = null): FastifyRequest =>
  ({ headers, method: 'GET', url: '/v1/admin/events', identified }) as unknown as FastifyRequest;
const allowedBy = (changes: Partial<Authenticators>) =>
  createCallerRecheck({ ...rejectsAll, csrfPasses: () => true, ...changes })(endpoint);
const token = { authorization: 'Bearer t' };

test('a long-lived answer continues while its credential is valid and has the permission', async () =>
  expect(await allowedBy({ bearer: () => caller('events:read') })(asked(token))).toBe(true));

test('it ends with the token and with the permission, even if the caller was authenticated before', async () => {
  const known = asked(token, caller('events:read'));
  expect(await allowedBy({ bearer: () => null })(known)).toBe(false);
  expect(await allowedBy({ bearer: () => caller('other:read') })(asked(token, caller('events:read')))).toBe(false);
});

test('an error of the check is passed on instead of a decision', async () => {
  const bearer = (): never => {
    throw storeUnavailable();
  };
  await expect(allowedBy({ bearer })(asked(token))).rejects.toMatchObject({ code: 'store_unavailable' });
});

test('checking a session does not count as use: its idle time continues', async () => {
  const uses: (boolean | undefined)[] = [];
  const session: Authenticators['session'] = async (_request, _context, isUse) => {
    uses.push(isUse);
    return caller('events:read');
  };
  expect(await allowedBy({ session })(asked({ cookie: 'a=b' }))).toBe(true);
  expect(uses).toEqual([false]);
});

test('RFC 9449 §11.1 a proof of possession belongs to its request and is not checked again later', async () => {
  const proofs: unknown[] = [];
  const bearer: Authenticators['bearer'] = (_token, _context, proof) => {
    proofs.push(proof);
    return caller('events:read');
  };
  const allowed = allowedBy({ bearer });
  expect(await allowed(asked({ authorization: 'DPoP t', dpop: 'p' }))).toBe(true);
  expect(await allowed(asked(token))).toBe(true);
  expect(proofs).toEqual([{ proof: 'p', htm: 'GET', path: '/v1/admin/events', isChecked: true }, undefined]);
});
