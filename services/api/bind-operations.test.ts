import { expect, test } from 'vitest';
import { z } from 'zod';
import { clientCaller } from '#tools/testing/harness/ports.ts';
import type { Sql } from '../core/ports.ts';
import { type Operation, operation } from '../core/shared/operation.ts';
import { cursorInvalid } from '../platform/errors.ts';
import { bindOperations } from './bind-operations.ts';
import { createCallerResolver } from './requests/caller.ts';
import { made, rejectsAll, serve } from './route-harness.ts';

const thing = made({
  operation: 'changeThing',
  method: 'PATCH',
  path: '/things/{thing_id}',
  params: z.strictObject({ thing_id: z.string() }),
  query: z.strictObject({ dry: z.enum(['true', 'false']).optional() }),
  body: z.strictObject({ size: z.int() }),
  responses: { 200: z.object({}).loose() },
});

test('a write that leaves out If-Match where others honour it is refused at the start', () => {
  const one = { method: 'GET', path: '/things/{thing_id}', params: thing.params, responses: thing.responses } as const;
  const read = made({ ...one, operation: 'readThing' });
  const rule = (_ports: object, input: object) => input;
  const bound =
    (...others: (typeof thing)[]) =>
    () =>
      bindOperations(
        serve().routes,
        [read, ...others].map((each) => operation(each, rule)),
        {},
      );
  const honours = { ...thing, ifMatch: read };
  const below = { ...thing, operation: 'rename', path: '/things/{thing_id}/name' } as const;
  expect(bound(thing, below)).not.toThrow();
  expect(bound(honours, { ...below, ifMatch: read })).not.toThrow();
  expect(bound(honours, below)).toThrow('rename changes what readThing tags, and names no ifMatch');
});

test('a rule gets its ports, and body, query and parameters in one', async () => {
  const served = serve();
  const rule = ({ prefix }: { readonly prefix: string }, input: object) => ({ prefix, ...input });
  bindOperations(served.routes, [operation(thing, rule)], { prefix: 'got' });
  expect(await served.ask('PATCH', '/things/t1?dry=true', { payload: { size: 2 } })).toMatchObject({
    status: 200,
    body: { prefix: 'got', thing_id: 't1', dry: 'true', size: 2 },
  });
});

test('the path names what a request is about, whatever members of that name its body and query have', async () => {
  const served = serve();
  const named = z.strictObject({ thing_id: z.string() });
  const rename = { ...thing, operation: 'renameThing', body: named, query: named } as const;
  bindOperations(served.routes, [operation(rename, (_ports: object, input: object) => input)], {});
  const { body } = await served.ask('PATCH', '/things/mine?thing_id=asked', { payload: { thing_id: 'theirs' } });
  expect(body).toEqual({ thing_id: 'mine' });
});

test('a body or query that the contract does not declare is not validated, and reaches no rule', async () => {
  const served = serve();
  const remove = made({
    operation: 'removeThing',
    method: 'DELETE',
    path: '/things/{thing_id}',
    params: z.strictObject({ thing_id: z.string() }),
    query: z.strictObject({ reason: z.string().min(1) }),
    responses: { 200: z.object({}).loose() },
  });
  const about = made({
    operation: 'readAbout',
    method: 'GET',
    path: '/about',
    responses: { 200: z.object({}).loose() },
  });
  const seen = (_ports: object, input: object) => ({ ...input });
  bindOperations(served.routes, [operation(remove, seen), operation(about, seen)], {});
  const forged = { payload: { reason: { forged: true }, rule: 'role_removed' } };
  expect((await served.ask('DELETE', '/things/t1?reason=asked', forged)).body).toEqual({
    thing_id: 't1',
    reason: 'asked',
  });
  expect((await served.ask('GET', '/about?thing_id=t2')).body).toEqual({});
});

test('a request without any of them gives the rule an empty input', async () => {
  const served = serve();
  const list = made({ operation: 'listThings', method: 'GET', responses: { 200: z.object({}).loose() } });
  bindOperations(served.routes, [operation(list, (_ports: object, input: object) => ({ ...input }))], {});
  expect((await served.ask('GET', '/things')).body).toEqual({});
});

test('what honours Idempotency-Key runs on the ports of the stored answer, where every change is one transaction', async () => {
  const served = serve();
  const stored = { transact: () => Promise.resolve({ by: 'the stored answer' }), sql: { query: async () => [] } };
  const once = { ...stored, random: { uuid: () => '', bytes: () => Buffer.alloc(0) }, keyRing: {} };
  const own = { ...stored, transact: () => Promise.reject(new Error('a transaction of its own')) };
  const create = made({ operation: 'createThing', idempotency: 'answer', body: z.strictObject({ size: z.int() }) });
  const rule = ({ transact }: { readonly transact: () => Promise<object> }) => transact();
  bindOperations({ ...served.routes, once: once as never }, [operation(create, rule)], own);
  expect((await served.ask('POST', '/things', { payload: { size: 2 } })).body).toEqual({ by: 'the stored answer' });
});

const admins = { accepts: ['bearer'], for: 'anyone', permission: 'things:read', subject: 'any' } as const;
const listed = made({
  operation: 'listThings',
  method: 'GET',
  auth: admins,
  reads: 'replica',
  responses: { 200: z.object({}).loose() },
});
const bearer = { headers: { authorization: 'Bearer x' } };
const named = (name: string): Sql => ({ query: async () => [{ name }] as never });
const primary = { sql: named('primary'), transact: () => Promise.resolve('written') };
const nameOf = async ({ sql }: { readonly sql: Sql }): Promise<object> =>
  (await sql.query({ name: 'x', text: '', writes: false }))[0] as object;

/** Binds one operation beside a replica that answers as of this time; null: it may not be asked. */
function withReplica(asOf: string | null, ...operations: readonly Operation[]) {
  const served = serve();
  let reads = 0;
  const callers = createCallerResolver({ ...rejectsAll, bearer: () => clientCaller('c', ['things:read']) });
  const replica = {
    read: async () => {
      reads += 1;
      return asOf === null ? { sql: primary.sql, asOf } : { sql: named('replica'), asOf };
    },
  };
  bindOperations({ ...served.routes, callers, replica }, operations, primary as never);
  return { ...served, reads: () => reads };
}

test('a declared read is answered by the replica, with its time; while that may not be asked, by the primary', async () => {
  const late = await withReplica('2026-11-25T10:00:00.000Z', operation(listed, nameOf)).ask('GET', '/things', bearer);
  expect([late.body, late.headers['as-of']]).toEqual([{ name: 'replica' }, '2026-11-25T10:00:00.000Z']);
  const now = await withReplica(null, operation(listed, nameOf)).ask('GET', '/things', bearer);
  expect([now.body, now.headers['as-of']]).toEqual([{ name: 'primary' }, undefined]);
});

test('an operation that does not declare it never asks the replica', async () => {
  const { reads: _undeclared, ...fresh } = listed;
  const served = withReplica('2026-11-25T10:00:00.000Z', operation(fresh as typeof listed, nameOf));
  expect(await served.ask('GET', '/things', bearer)).toMatchObject({ status: 200, body: { name: 'primary' } });
  expect(served.reads()).toBe(0);
});

test('what the replica does not know is asked of the primary, and a defect is none of that', async () => {
  const missing = async (ports: { readonly sql: Sql }): Promise<object> => {
    const found = (await nameOf(ports)) as { readonly name: string };
    if (found.name === 'replica') throw cursorInvalid();
    return found;
  };
  const served = withReplica('2026-11-25T10:00:00.000Z', operation(listed, missing));
  const answer = await served.ask('GET', '/things', bearer);
  expect([answer.body, answer.headers['as-of']]).toEqual([{ name: 'primary' }, undefined]);
  const broken = withReplica(
    '2026-11-25T10:00:00.000Z',
    operation(listed, () => Promise.reject(new Error('a defect'))),
  );
  expect((await broken.ask('GET', '/things', bearer)).status).toBe(500);
});

test('a declared read that opens a transaction fails', async () => {
  const writes = ({ transact }: { readonly transact: () => Promise<string> }) => transact();
  const served = withReplica('2026-11-25T10:00:00.000Z', operation(listed, writes));
  expect((await served.ask('GET', '/things', bearer)).status).toBe(500);
});

test.each([
  ['it may write', { method: 'POST' }],
  ['it is not for administrators', { auth: 'public' }],
  ['it is not for administrators', { auth: { ...admins, subject: 'own' } }],
  ['it is not for administrators', { auth: { ...admins, permission: undefined } }],
] as const)('an operation that may not be read late fails the start: %s', (why, changes) => {
  const endpoint = { ...listed, ...changes } as typeof listed;
  expect(() => withReplica(null, operation(endpoint, nameOf))).toThrow(`listThings is no read for a replica: ${why}`);
});
