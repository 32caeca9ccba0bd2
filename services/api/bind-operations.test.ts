import { expect, test } from 'vitest';
import { z } from 'zod';
import { operation } from '../domain/shared/operation.ts';
import { bindOperations } from './bind-operations.ts';
import { made, serve } from './route-harness.ts';

const thing = made({
  operation: 'changeThing',
  method: 'PATCH',
  path: '/things/{thing_id}',
  params: z.strictObject({ thing_id: z.string() }),
  query: z.strictObject({ dry: z.enum(['true', 'false']).optional() }),
  body: z.strictObject({ size: z.int() }),
  responses: { 200: z.object({}).loose() },
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

test('what honours Idempotency-Key runs in the transaction of the stored answer, and notifies copies after its commit', async () => {
  const served = serve();
  const notices: string[] = [];
  const ports = {
    transact: () => Promise.reject(new Error('without a key there is no stored answer')),
    sql: { query: () => Promise.resolve([]) },
    accessChanged: () => void notices.push('changed'),
  };
  const once = { ...ports, random: { uuid: () => '', bytes: () => Buffer.alloc(0) }, keyRing: {} };
  const create = made({ operation: 'createThing', idempotency: 'answer', body: z.strictObject({ size: z.int() }) });
  const rule = ({ accessChanged }: { readonly accessChanged: () => void }, { size }: { readonly size: number }) => {
    accessChanged();
    return { size };
  };
  const silent = { ...create, operation: 'createQuietly', path: '/quiet' } as const;
  const quiet = (given: object) => ({ notices: 'accessChanged' in given });
  const routes = { ...served.routes, once: once as never };
  bindOperations(routes, [operation(create, rule as never)], ports as never);
  bindOperations(routes, [operation(silent, quiet)], {});
  expect((await served.ask('POST', '/things', { payload: { size: 2 } })).body).toEqual({ size: 2 });
  expect(notices).toEqual(['changed']);
  expect((await served.ask('POST', '/quiet', { payload: { size: 2 } })).body).toEqual({ notices: false });
});
