import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import type { Tag } from '#services/platform/define/tags.ts';
import { exampleOf } from './docs-example.ts';
import { docsAudiences } from './docs-groups.ts';
import { docsPage } from './docs-page.ts';

const endpoint = (tag: Tag, path: `/${string}`, responses: Record<number, never> | object = { 200: null }) =>
  defineEndpoint({
    method: 'GET',
    path,
    operation: `get${path.replaceAll(/\W/g, '_')}`,
    summary: `Read ${path}`,
    tag,
    auth: 'public',
    responses: responses as { 200: null },
  });

test('operations are grouped by who uses them, then by task', () => {
  const page = { 200: { contentType: 'text/html; charset=utf-8' } };
  const groups = docsAudiences([
    endpoint('Operations', '/v1/admin/queues'),
    endpoint('Sessions', '/v1/admin/sessions'),
    endpoint('Accounts', '/account', page),
    endpoint('Audit', '/v1/audit/events'),
    endpoint('Tokens', '/v1/tokens'),
    endpoint('Sessions', '/v1/sessions'),
    endpoint('Users and sessions', '/api/auth/session'),
  ]);
  expect(
    groups.map(({ title, tasks }) => [title, tasks.map((task) => [task.title, task.endpoints.map((e) => e.path)])]),
  ).toEqual([
    [
      'App developers',
      [
        ['Sign users up, in and out', ['/api/auth/session']],
        ['List and end sessions', ['/v1/sessions']],
      ],
    ],
    ['Services that receive tokens', [['Issue, validate, refresh and revoke tokens', ['/v1/tokens']]]],
    ['Administrators', [['Sessions', ['/v1/admin/sessions']]]],
    ['Privacy, compliance and audit', [['Read and verify the audit log', ['/v1/audit/events']]]],
    ['Operators', [['Health and queues', ['/v1/admin/queues']]]],
    ['Pages that browsers open', [['Accounts', ['/account']]]],
  ]);
});

test('the page begins with three commands, and lists each operation by what it does', () => {
  const page = docsPage(
    [endpoint('Tokens', '/v1/tokens', { 200: z.object({ expires_in: z.int() }) })],
    'https://api.test',
  );
  expect(page.indexOf('Start here')).toBeLessThan(page.indexOf('All operations'));
  expect(page).toContain('curl -sS https://api.test/api/auth/signup --json');
  expect(page).toContain('<li><a href="#get_v1_tokens">Read /v1/tokens</a> <code>GET /v1/tokens</code></li>');
  expect(page).toContain('Answer 200');
  const twice = docsPage(
    [endpoint('Keys', '/jwks'), { ...endpoint('Keys', '/other/jwks'), summary: 'Read /jwks' }],
    'https://api.test',
  );
  expect(twice).toContain(
    '<a href="#get_jwks">Read /jwks</a> <code>GET /jwks</code> or <code><a href="#get_other_jwks">/other/jwks</a></code></li>',
  );
  expect(page).toContain('&quot;expires_in&quot;: 900');
});

test('an example has the required members with values of their type', () => {
  expect(
    exampleOf({
      type: 'object',
      required: ['email', 'limit', 'small', 'state', 'at', 'flag', 'list', 'nothing', 'either', 'fixed', 'text'],
      properties: {
        email: { type: 'string' },
        limit: { type: 'integer' },
        small: { type: 'integer', minimum: 1, maximum: 5 },
        state: { enum: ['open', 'closed'] },
        at: { type: 'string', format: 'date-time' },
        flag: { type: 'boolean' },
        list: { type: 'array', items: { type: ['string', 'null'] } },
        nothing: { type: 'null' },
        either: { anyOf: [{ type: 'number', minimum: 1_000 }, { type: 'string' }] },
        fixed: { const: 'plain' },
        text: { type: 'string' },
        optional: { type: 'string' },
      },
    }),
  ).toEqual({
    email: 'ada@example.com',
    limit: 900,
    small: 5,
    state: 'open',
    at: '2026-11-23T17:00:00Z',
    flag: true,
    list: ['…'],
    nothing: null,
    either: 1_000,
    fixed: 'plain',
    text: '…',
  });
  expect(exampleOf({ type: 'object', properties: { reason: { type: 'string' }, other: {} } })).toEqual({
    reason: 'requested by the user',
  });
  let deep: Record<string, unknown> = { type: 'object', properties: {} };
  for (let depth = 0; depth < 9; depth += 1) deep = { type: 'object', properties: { in: deep } };
  expect(JSON.stringify(exampleOf(deep))).toBe('{"in":{"in":{"in":{"in":{"in":{}}}}}}');
});
