import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineEndpoint, type Endpoint } from '../define/endpoint.ts';
import { permissionMissing, unauthenticated } from '../errors.ts';
import { docsPage, errorsDocsPage } from '../html/docs-page.ts';
import { openApiOf } from './openapi.ts';

const read = defineEndpoint({
  method: 'GET',
  path: '/v1/things/{id}',
  operation: 'readThing',
  summary: 'A <thing>.',
  tag: 'Things',
  auth: { accepts: ['bearer', 'session'], permission: 'things:read' },
  params: z.strictObject({ id: z.string().max(10) }),
  query: z.strictObject({ full: z.enum(['yes', 'no']).optional(), limit: z.int().optional() }),
  responses: { 200: z.object({ name: z.string() }) },
  errors: [permissionMissing],
});
const make = defineEndpoint({
  method: 'POST',
  path: '/v1/things',
  operation: 'makeThing',
  summary: 'Makes one.',
  tag: 'Things',
  auth: { accepts: ['client'], optional: true },
  body: z.union([
    z.strictObject({ name: z.string(), tags: z.array(z.string()).optional() }),
    z.strictObject({ kind: z.literal('plain') }),
  ]),
  responses: { 201: { contentType: 'text/plain' }, 204: null },
  errors: [],
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
  tag: 'People',
  auth: { accepts: ['session'] },
  responses: { 200: z.object({}) },
  errors: [],
});
const page = defineEndpoint({
  method: 'GET',
  path: '/page',
  operation: 'showPage',
  summary: 'Shows.',
  tag: 'People',
  auth: 'public',
  responses: {
    200: { contentType: 'text/html; charset=utf-8' },
    201: { contentType: 'text/event-stream' },
    304: null,
    503: z.object({ why: z.string() }),
  },
  errors: [],
});
const change = defineEndpoint({ ...session, method: 'PATCH', operation: 'change', auth: { accepts: ['bearer'] } });
const own = defineEndpoint({ ...session, method: 'GET', operation: 'readOwn', auth: { accepts: ['bearer'] } });
const endpoints = [read, make, grant, session, own, page, change] as unknown as Endpoint[];

type Operation = {
  security: unknown;
  parameters?: { name: string; in: string; required: boolean }[];
  responses: Record<string, { description: string; content?: Record<string, unknown> }>;
  requestBody?: { required: boolean; content: object };
};
const document = openApiOf(endpoints, '1.0.0', { serverUrl: 'https://api.test', sessionCookie: '__Host-c' }) as {
  paths: Record<string, Record<string, Operation>>;
  servers: unknown;
  components: { securitySchemes: unknown };
};
const operation = (path: string, method: string): Operation => document.paths[path]?.[method] as Operation;

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
    expect(headers('/v1/session', 'get')).toEqual(['DPoP']);
    expect(headers('/oauth2/grant', 'post')).toEqual([]);
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

  test('refuses two operations with one operationId', () => {
    const twice = [...endpoints, { ...own, path: '/v1/other' }] as unknown as Endpoint[];
    expect(() => openApiOf(twice, '1.0.0')).toThrow('readOwn names two operations');
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

test('every error has the anchor to which its type links', () => {
  expect(errorsDocsPage([permissionMissing.definition])).toContain('id="permission_missing"');
});

test('names the refusal of API keys on endpoints that need a user or a recent sign-in', () => {
  const hasKeyRefusal = (changes: Partial<Endpoint>): boolean => {
    const api = JSON.stringify(openApiOf([{ ...read, errors: [], ...changes } as Endpoint], '1.0.0'));
    return api.includes('`api_key_not_accepted`');
  };
  const bearer = { accepts: ['bearer'] } as const;
  expect(hasKeyRefusal({ auth: bearer })).toBe(true);
  expect(hasKeyRefusal({ method: 'DELETE', auth: bearer })).toBe(true);
  expect(hasKeyRefusal({ method: 'DELETE', auth: { ...bearer, permission: 'things:manage' } })).toBe(false);
  expect(hasKeyRefusal({ method: 'DELETE', auth: { ...bearer, permission: 'things:manage', stepUp: true } })).toBe(
    true,
  );
  expect(hasKeyRefusal({ method: 'DELETE', auth: { accepts: ['session', 'client'] } })).toBe(false);
});
