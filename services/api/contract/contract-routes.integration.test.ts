import { beforeAll, expect, test } from 'vitest';
import * as consoleContract from '#services/core/oauth/console/console-contract.ts';
import { collectEndpoints } from '#tools/catalog/collect.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { send } from '#tools/testing/http-client.ts';
import { type Operation, operationsOf } from '#tools/testing/openapi-check.ts';
import { opened } from '#tools/testing/opened.ts';
import { hasWings } from '#tools/testing/processes/child-env.ts';
import { fastifyPath } from '../bind.ts';

const harness = opened(() => openApiHarness());
let operations: Operation[];

const copy = opened(() => harness.startCopy({ hashes: false, env: { CLIENT_REGISTRATION: 'open' } }));
beforeAll(async () => {
  operations = operationsOf((await send(copy.url, 'GET', '/openapi.json')).body);
});

test('Fastify serves exactly the routes of the contract, no more and no less', async () => {
  // Fastify adds HEAD to each GET (RFC 9110 §9.3.2); the contract does not list it.
  const heads = copy.routes.filter(({ method }) => method === 'HEAD').map(({ url }) => url);
  const served = copy.routes.filter(({ method }) => method !== 'HEAD').map(({ method, url }) => `${method} ${url}`);
  expect(heads.sort()).toEqual(
    copy.routes
      .filter(({ method }) => method === 'GET')
      .map(({ url }) => url)
      .sort(),
  );
  const rest = new Map(copy.bound.map((endpoint) => [endpoint.path as string, endpoint.rest]));
  const documented = operations.map(
    ({ method, path }) => `${method} ${fastifyPath({ path: path as `/${string}`, rest: rest.get(path) })}`,
  );
  expect(documented.length).toBeGreaterThan(hasWings ? 100 : 60);
  expect(served.sort()).toEqual(documented.sort());
  for (const { method, url, endpoint } of copy.routes) expect([method, url, endpoint]).not.toContain(undefined);
});

test('operation names are unique, and every declared endpoint is served', async () => {
  const names = operations.map(({ operationId }) => operationId);
  expect(names).toEqual([...new Set(names)]);
  const declared = (await collectEndpoints(hasWings ? undefined : 'core')).map(({ operation }) => operation);
  // They lie in the core, and are served with the wings `console` and `mcp`.
  const ofWings = Object.values(consoleContract).flatMap((each) => ('operation' in each ? [each.operation] : []));
  const expected = declared.filter((name) => hasWings || ![...ofWings, 'readMcpResourceMetadata'].includes(name));
  expect(expected.sort()).toEqual(names.sort());
});

test('every operation that needs a caller answers 401 to an anonymous request, whatever it contains', async () => {
  const asksNobody = copy.bound.filter(({ auth }) => auth !== 'public' && auth.optional !== true);
  expect(asksNobody.length).toBeGreaterThan(hasWings ? 80 : 40);
  for (const { method, path, body, bodyType } of asksNobody) {
    const url = `${path.replaceAll(/\{\w+\}/g, 'nothing')}?odd=1`;
    const sent = body === undefined ? {} : bodyType === 'form' ? { form: { odd: '1' } } : { json: { odd: 1 } };
    expect([method, path, (await send(copy.url, method, url, sent)).status]).toEqual([method, path, 401]);
  }
});
