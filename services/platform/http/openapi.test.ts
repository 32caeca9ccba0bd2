import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { docsPage, errorsDocsPage } from '#services/pages/docs/docs-page.ts';
import { resolved } from '#tools/testing/openapi-check.ts';
import { componentNames } from '../define/component-names.ts';
import { defineEndpoint, type Endpoint } from '../define/endpoint.ts';
import { permissionMissing, unauthenticated } from '../errors.ts';
import { impliedErrors, openApiOf } from './openapi.ts';
import { pascal } from './openapi-components.ts';

const read = defineEndpoint({
  method: 'GET',
  path: '/v1/things/{id}',
  operation: 'readThing',
  summary: 'A <thing>.',
  tag: 'Tokens',
  auth: { accepts: ['bearer', 'session'], permission: 'things:read', for: 'anyone', subject: 'none' },
  params: z.strictObject({ id: z.string().max(10) }),
  query: z.strictObject({ full: z.enum(['yes', 'no']).optional(), limit: z.int().optional() }),
  responses: { 200: z.object({ name: z.string() }) },
});
const make = defineEndpoint({
  method: 'POST',
  path: '/v1/things',
  operation: 'makeThing',
  summary: 'Makes one.',
  tag: 'Tokens',
  auth: { accepts: ['client'], optional: true, for: 'anyone', subject: 'none' },
  body: z.union([
    z.strictObject({ name: z.string(), tags: z.array(z.string()).optional() }),
    z.strictObject({ kind: z.literal('plain') }),
  ]),
  responses: { 201: { contentType: 'text/plain' }, 204: null },
});
const grant = defineEndpoint({
  method: 'POST',
  path: '/oauth2/grant',
  operation: 'grant',
  summary: 'Grants.',
  tag: 'OAuth',
  auth: 'public',
  bodyType: 'form',
  body: z.strictObject({ grant_type: z.string() }),
  responses: { 200: { contentType: 'application/jwt', schema: z.string() } },
  errors: [unauthenticated],
  oauthErrors: true,
});
const session = defineEndpoint({
  method: 'DELETE',
  path: '/v1/session',
  operation: 'endSession',
  summary: 'Ends.',
  tag: 'Users',
  auth: { accepts: ['session'], for: 'anyone', subject: 'none' },
  responses: { 200: z.object({}) },
});
const page = defineEndpoint({
  method: 'GET',
  path: '/page',
  operation: 'showPage',
  summary: 'Shows.',
  tag: 'Users',
  auth: 'public',
  responses: {
    200: { contentType: 'text/html; charset=utf-8' },
    201: { contentType: 'text/event-stream' },
    304: null,
    503: z.object({ why: z.string() }),
  },
});
const change = defineEndpoint({
  ...session,
  method: 'PATCH',
  operation: 'change',
  auth: { accepts: ['bearer'], for: 'anyone', subject: 'none' },
});
const own = defineEndpoint({
  ...session,
  method: 'GET',
  operation: 'readOwn',
  auth: { accepts: ['bearer'], for: 'anyone', subject: 'none' },
});
const endpoints = [read, make, grant, session, own, page, change] as unknown as Endpoint[];

type Operation = {
  security: unknown;
  tags: string[];
  parameters?: { name: string; in: string; required: boolean }[];
  responses: Record<string, { description: string; content?: Record<string, unknown> }>;
  requestBody?: { required: boolean; content: object };
};
const document = openApiOf(endpoints, '1.0.0', { serverUrl: 'https://api.test', sessionCookie: '__Host-c' }) as {
  paths: Record<string, Record<string, Operation>>;
  servers: unknown;
  components: { securitySchemes: unknown; schemas: Record<string, unknown>; responses: Record<string, unknown> };
  tags: { name: string; description: string }[];
};
/** An operation without references. */
const operation = (path: string, method: string): Operation => resolved(document, document.paths[path]?.[method]);

describe('the OpenAPI document', () => {
  test('has every endpoint with its parameters, body and security schemes', () => {
    expect(Object.keys(document.paths)).toEqual([
      '/oauth2/grant',
      '/page',
      '/v1/session',
      '/v1/things',
      '/v1/things/{id}',
    ]);
    expect(operation('/v1/things/{id}', 'get').parameters?.map((one) => [one.name, one.in, one.required])).toEqual([
      ['id', 'path', true],
      ['full', 'query', false],
      ['limit', 'query', false],
      ['DPoP', 'header', false],
    ]);
    expect(operation('/v1/things/{id}', 'get').security).toEqual([
      { bearer: [] },
      { dpop: [] },
      { apiKey: [] },
      { session: [] },
    ]);
    expect(operation('/v1/things', 'post').security).toEqual([{}, { client: [] }]);
    expect(operation('/oauth2/grant', 'post').security).toEqual([]);
    expect(Object.keys(operation('/oauth2/grant', 'post').requestBody?.content ?? {})).toEqual([
      'application/x-www-form-urlencoded',
    ]);
  });

  test('names every error of an endpoint, in its content type', () => {
    expect(Object.keys(operation('/v1/things/{id}', 'get').responses)).toEqual(
      expect.arrayContaining(['200', '400', '403', '500', '503']),
    );
    expect(Object.keys(operation('/v1/things', 'post').responses)).toEqual(
      expect.arrayContaining(['201', '204', '413', '415']),
    );
    expect(Object.keys(operation('/oauth2/grant', 'post').responses['401']?.content ?? {})).toEqual([
      'application/json',
    ]);
    expect(openApiOf(endpoints, '1.0.0')).not.toHaveProperty('servers');
  });

  test('has both a declared response and an error of the same status, each in its content type', () => {
    const { responses } = operation('/page', 'get');
    const typesOf = (status: number) => Object.keys(responses[status]?.content ?? {}).sort();
    expect(typesOf(503)).toEqual(['application/json', 'application/problem+json', 'text/html; charset=utf-8']);
    expect(responses[503]?.description).toContain('`shutting_down`');
    // A request for text/html gets every error as a page.
    for (const status of [400, 429, 500])
      expect([status, typesOf(status)]).toEqual([status, ['application/problem+json', 'text/html; charset=utf-8']]);
    // Not for errors before the request was read.
    for (const status of [408, 417, 431])
      expect([status, typesOf(status)]).toEqual([status, ['application/problem+json']]);
    expect(Object.keys(operation('/v1/things', 'post').responses[500]?.content ?? {})).toEqual([
      'application/problem+json',
    ]);
  });

  test('declares a header on each operation that reads it', () => {
    const headers = (path: string, method: string) =>
      (operation(path, method).parameters ?? []).filter((one) => one.in === 'header').map(({ name }) => name);
    expect(headers('/page', 'get')).toEqual(['If-None-Match', 'Last-Event-ID']);
    expect(headers('/v1/session', 'delete')).toEqual(['X-CSRF-Token']);
    expect([headers('/v1/session', 'get'), headers('/oauth2/grant', 'post')]).toEqual([['DPoP'], []]);
  });

  test('describes credentials as this installation expects them', () => {
    expect(document.components.securitySchemes).toMatchObject({
      session: { in: 'cookie', name: '__Host-c' },
      apiKey: { in: 'header', name: 'X-API-Key' },
      dpop: { type: 'http', scheme: 'dpop' },
    });
    // An API key may not change what needs the account's owner: endpoints without a permission.
    expect(operation('/v1/session', 'patch').security).toEqual([{ bearer: [] }, { dpop: [] }]);
  });

  test('lists the tags of its operations in the order of the reference, each with what it is for', () =>
    expect(document.tags).toEqual([
      { name: 'OAuth', description: 'App developers: OAuth 2 and OpenID Connect.' },
      { name: 'Tokens', description: expect.stringMatching(/^Services that receive tokens: /) },
      { name: 'Users', description: expect.stringMatching(/^Administrators: /) },
    ]));

  test('refuses two operations with one operationId', () => {
    const twice = [...endpoints, { ...own, path: '/v1/other' }] as unknown as Endpoint[];
    expect(() => openApiOf(twice, '1.0.0')).toThrow('readOwn names two operations');
  });
});

describe('shapes', () => {
  const part = z.object({ id: z.string() }).register(componentNames, { id: 'TestPart' });
  const whole = z.object({ parts: z.array(part), main: part.nullable() }).register(componentNames, { id: 'TestWhole' });
  const wholeOf = (shape: z.ZodType, path: `/${string}` = '/v1/whole') =>
    ({ ...own, path, operation: `read${path.length}`, responses: { 200: shape } }) as Endpoint;
  const schemasOf = (...of: Endpoint[]) => {
    const { components, paths } = openApiOf(of, '1') as unknown as typeof document;
    return { schemas: components.schemas, paths: JSON.stringify(paths) };
  };

  test('that have a name are written once, under it, and referred to', () => {
    const { schemas, paths } = schemasOf(wholeOf(whole), wholeOf(whole, '/v1/others'));
    const reference = { $ref: '#/components/schemas/TestPart' };
    expect(schemas.TestWhole).toMatchObject({
      properties: { parts: { type: 'array', items: reference }, main: { anyOf: [reference, { type: 'null' }] } },
    });
    expect(schemas.TestPart).toMatchObject({ type: 'object', required: ['id'] });
    expect(paths.split('"$ref":"#/components/schemas/TestWhole"')).toHaveLength(3);
    expect(JSON.stringify(schemas)).not.toContain('definitions');
  });

  test('without a name have that of their operation', () => {
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining(['MakeThingRequest', 'ReadThingResponse', 'GrantRequest', 'Problem']),
    );
    expect(pascal('request_invalid')).toBe('RequestInvalid');
  });

  test('of one name with different bodies fail the generation, also of a request and a response', () => {
    const other = z.object({ id: z.int() }).register(componentNames, { id: 'TestPart' });
    expect(() => schemasOf(wholeOf(whole), wholeOf(other, '/v1/others'))).toThrow(
      'TestPart names two different schemas',
    );
    const both = z.object({ size: z.int().default(1) }).register(componentNames, { id: 'TestBoth' });
    const echo = { ...make, body: both, responses: { 200: both } } as unknown as Endpoint;
    expect(() => schemasOf(echo)).toThrow('TestBoth names two different schemas');
    const twice = { ...make, responses: { 200: z.object({ a: z.string() }), 201: z.object({ b: z.string() }) } };
    expect(() => schemasOf(twice as unknown as Endpoint)).toThrow('MakeThingResponse names two different schemas');
  });

  test('several endpoints refer to a response with more errors, and to a parameter, that they share; one endpoint has it inline', () => {
    const longer = { ...make, errors: [permissionMissing], auth: read.auth, params: read.params };
    const two = ['/v1/a/{id}', '/v1/b/{id}'].map((path, at) => ({ ...longer, path, operation: `longer${at}` }));
    const alone = openApiOf([two[0]] as unknown as Endpoint[], '1') as typeof document;
    const shared = openApiOf(two as unknown as Endpoint[], '1') as typeof document;
    const responseOf = (of: typeof document) => of.paths['/v1/a/{id}']?.post?.responses[400];
    const name = 'RequestInvalidOrBodyMalformedOrRequestUnreadable';
    expect(JSON.stringify(responseOf(shared))).toContain(`#/components/responses/${name}`);
    const refused = 'PermissionMissingOrApiKeyNotAcceptedOrOriginRefused';
    expect(Object.keys(shared.components.responses).join()).toContain(refused.slice(0, 17));
    const all = (of: typeof document) => resolved(of, of.paths['/v1/a/{id}']);
    expect(all(shared)).toEqual(all(alone));
    expect(shared.paths['/v1/a/{id}']?.post?.parameters?.[0]).toEqual({ $ref: '#/components/parameters/path_id' });
    expect(alone.paths['/v1/a/{id}']?.post?.parameters?.[0]).toMatchObject({ name: 'id', in: 'path' });
    const many = (of: typeof document) => of.paths['/v1/a/{id}']?.post?.responses[503];
    expect(many(alone)).toHaveProperty('description');
    expect(many(shared)).toEqual({ $ref: expect.stringMatching(/^#\/components\/responses\/(\w+Or){3}/) });
  });

  test('a parameter that has the name of another one is written where it is', () => {
    const ids = [z.string().max(1), z.string().max(2)].map((id) => z.strictObject({ id }));
    const each = ids.flatMap((params, at) =>
      ['x', 'y'].map((part) => ({ ...read, params, path: `/v1/${part}${at}/{id}`, operation: `read${part}${at}` })),
    );
    const shared = openApiOf(each as unknown as Endpoint[], '1') as typeof document;
    const first = (path: string) => shared.paths[path]?.get?.parameters?.[0];
    expect(first('/v1/x0/{id}')).toEqual(first('/v1/y0/{id}'));
    expect(first('/v1/x0/{id}')).toHaveProperty('$ref');
    expect(first('/v1/y1/{id}')).toMatchObject({ schema: { maxLength: 2 } });
  });

  test('a response of one to three errors is written once; pages and OAuth have their own form of it', () => {
    const names = Object.keys(document.components.responses);
    expect(names).toEqual(expect.arrayContaining(['InternalError', 'InternalErrorPage', 'OAuthUnauthenticated']));
    expect(document.paths['/v1/things']?.post?.responses[500]).toEqual({
      $ref: '#/components/responses/InternalError',
    });
  });
});

test('the docs page shows each operation with a command line, and escapes markup in definitions', () => {
  const page = docsPage(endpoints, 'https://api.test');
  for (const { operation: id } of endpoints) expect(page).toContain(`id="${id}"`);
  expect(page).toContain('A &lt;thing&gt;.');
  expect(page).not.toContain('<thing>');
  expect(page).toContain('curl -sS -X POST https://api.test/oauth2/grant');
  expect(page).toContain('-b cookies.txt');
  expect(page).toContain('authorization: Bearer $ACCESS_TOKEN');
});

test('every error has the anchor to which its type links', () =>
  expect(errorsDocsPage([permissionMissing.definition])).toContain('id="permission_missing"'));

test('names the refusal of API keys on endpoints that need a user or a recent sign-in', () => {
  const hasKeyRefusal = (changes: Partial<Endpoint>): boolean => {
    const api = JSON.stringify(openApiOf([{ ...read, ...changes } as Endpoint], '1.0.0'));
    return api.includes('`api_key_not_accepted`');
  };
  const bearer = { accepts: ['bearer'], for: 'anyone', subject: 'none' } as const;
  expect(hasKeyRefusal({ auth: bearer })).toBe(false);
  expect(hasKeyRefusal({ auth: { ...bearer, for: 'person', subject: 'own' } })).toBe(true);
  expect(hasKeyRefusal({ method: 'DELETE', auth: bearer })).toBe(true);
  expect(hasKeyRefusal({ method: 'DELETE', auth: { ...bearer, permission: 'things:manage' } })).toBe(false);
  expect(hasKeyRefusal({ method: 'DELETE', auth: { ...bearer, permission: 'things:manage', stepUp: true } })).toBe(
    true,
  );
  expect(
    hasKeyRefusal({ method: 'DELETE', auth: { accepts: ['session', 'client'], for: 'anyone', subject: 'none' } }),
  ).toBe(false);
});

test('what a declaration says, it also refuses: a cursor, a key sent twice, a caller without any permission', () => {
  const codesOf = (changes: Partial<Endpoint>) =>
    impliedErrors({ ...page, ...changes } as Endpoint).map(({ definition }) => definition.code);
  const permitted = { accepts: ['bearer'], for: 'anyone', subject: 'permitted' } as const;
  expect(codesOf({})).toEqual(['request_invalid']);
  expect(codesOf({ query: z.strictObject({ cursor: z.string() }) })).toContain('cursor_invalid');
  expect(codesOf({ idempotency: 'answer' })).toContain('idempotency_key_reused');
  expect(codesOf({ auth: permitted })).toContain('permission_missing');
});
