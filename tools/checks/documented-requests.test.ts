import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { compileValidator, type JsonSchema, jsonSchemaOf } from '#services/platform/http/schema.ts';
import { schemaProblems } from '#services/platform/http/schema-problems.ts';
import { collectEndpoints } from '../catalog/collect.ts';

const root = resolve(import.meta.dirname, '../..');
const endpoints = await collectEndpoints();

/**
 * A request as a page shows it: `POST /path?query` and its body, or a curl command. `{name}`, `<name>`, `$NAME` and `…`
 * stand for values; a path may begin with `…/`. A body is JSON, or its members' names: `{"token","audience"?}`.
 */
type Shown = {
  readonly page: string;
  readonly method: string;
  readonly address: string;
  readonly body: string | undefined;
  readonly status: number | undefined;
};

const INLINE = /`(GET|POST|PUT|PATCH|DELETE) ([^`\s]*\/[^`\s]*)`(?: `(\{[^`]*\})`)?([^`\n.;]{0,80})/g;
/** A body of a request, not of a response. */
const JSON_BLOCK = /`POST ([^`\s]+)`(?:(?! answers )[^\n])*:\n\n```json\n([\s\S]*?)```/g;
const CURL = /curl (?:[^`\n\\]|\\\n|\\")+/g;
/** Names by which pages address the API. */
const API = /(?:\$API|\$BETTER_AUTH_URL|localhost:(?:3000|8080)|<host>:3000)(\/[^\s"')|]*)/;
const UUID = '0190b1d4-0000-7000-8000-000000000000';

function requestsOf(page: string): Shown[] {
  const text = readFileSync(join(root, page), 'utf8');
  const inline = [...text.matchAll(INLINE)].map(([, method, address, body, after]) => ({
    page,
    method: method as string,
    address: address as string,
    body,
    status: Number(/ (?:answers|→) (\d{3})\b/.exec(after ?? '')?.[1]) || undefined,
  }));
  const blocks = [...text.matchAll(JSON_BLOCK)].map(([, address, body]) => ({
    page,
    method: 'POST',
    address: address as string,
    body,
    status: undefined,
  }));
  const commands = [...text.matchAll(CURL)].flatMap(([command]) => {
    const address = API.exec(command)?.[1];
    if (address === undefined) return [];
    // A form, which the contract of an OAuth endpoint describes by its fields.
    if (/ (?:-d \w+=|--data-urlencode )/.test(command))
      return [{ page, method: 'POST', address, body: undefined, status: undefined }];
    const sent = /(?:-d|--json) (?:'([^']*)'|"((?:\\"|[^"])*)")/.exec(command);
    const body =
      sent?.[1] ??
      sent?.[2]
        ?.replaceAll('\\"', '"')
        .replaceAll(/\$\w*EMAIL/g, 'a@b.example')
        .replaceAll(/\$\w+/g, 'x');
    return [{ page, method: body === undefined ? 'GET' : 'POST', address, body, status: undefined }];
  });
  return [...inline, ...blocks, ...commands];
}

const segmentsOf = (path: string): string[] => path.split('/').map((part) => (/^[{<].*[}>]$/.test(part) ? '*' : part));

/** The endpoints that a shown address may mean: one, unless it begins with `…`. */
function endpointsOf({ method, address }: Shown): Endpoint[] {
  const path = segmentsOf((address.split('?')[0] as string).replace(/^…/, ''));
  return endpoints.filter((endpoint) => {
    const known = segmentsOf(endpoint.path);
    const end = address.startsWith('…') ? known.slice(-path.length + 1) : known.slice(1);
    return endpoint.method === method && end.join('/') === path.slice(1).join('/');
  });
}

type ObjectSchema = JsonSchema & { properties?: Record<string, unknown>; required?: string[]; anyOf?: ObjectSchema[] };

/** Why a schema refuses a body with these members, of which those with a `?` are optional; null if it accepts it. */
function misfitOf(schema: ObjectSchema, body: string): string | null {
  if (schema.anyOf !== undefined && !schema.properties)
    return schema.anyOf.some((one) => misfitOf(one, body) === null) ? null : 'fits none of its forms';
  const members = [...body.matchAll(/"(\w+)"(\?)?/g)].map(([, name, mark]) => ({
    name: name as string,
    isOptional: mark === '?',
  }));
  const unknown = members.find(({ name }) => !(name in (schema.properties ?? {})));
  if (unknown !== undefined) return `has no "${unknown.name}"`;
  const required = new Set(schema.required);
  const wrong = members.find(({ name, isOptional }) => isOptional && required.has(name));
  if (wrong !== undefined) return `needs "${wrong.name}"`;
  const missing = [...required].find((name) => !members.some((member) => member.name === name));
  return missing === undefined ? null : `needs "${missing}" too`;
}

/** Why a shown request violates the contract of one endpoint; null if it matches. */
function faultOf(shown: Shown, endpoint: Endpoint): string | null {
  const query = new URLSearchParams(shown.address.split('?')[1] ?? '');
  const known = endpoint.query === undefined ? {} : (jsonSchemaOf(endpoint.query) as ObjectSchema).properties;
  for (const name of query.keys()) if (!(name in (known ?? {}))) return `takes no "${name}" in its query`;
  const statuses = [...Object.keys(endpoint.responses).map(Number), ...endpoint.errors.map((e) => e.definition.status)];
  if (shown.status !== undefined && !statuses.includes(shown.status)) return `never answers ${shown.status}`;
  if (shown.body === undefined) return null;
  if (endpoint.body === undefined) return 'takes no body';
  const schema = jsonSchemaOf(endpoint.body) as ObjectSchema;
  if (/^\{("\w+"\??,? ?)+\}$/.test(shown.body)) return misfitOf(schema, shown.body);
  const body: unknown = JSON.parse(shown.body.replaceAll(/<[^>]+>/g, UUID));
  const validate = compileValidator({ schema: endpoint.body, httpPart: 'body' });
  return validate(body) ? null : JSON.stringify(schemaProblems(validate.errors ?? [], 'body'));
}

const pages = globSync(['README.md', 'docs/{how-to,runbooks,explanation}/*.md'], { cwd: root });
const shown = pages.flatMap(requestsOf);

describe('requests in guides and runbooks', () => {
  test('the pages contain requests of every kind', () => {
    expect(shown.length).toBeGreaterThan(60);
    expect(shown.filter(({ body }) => body !== undefined).length).toBeGreaterThan(15);
    expect(shown.filter(({ status }) => status !== undefined).length).toBeGreaterThan(2);
  });

  test('the check reports a wrong path, member, value, query or status', () => {
    const find = (text: Partial<Shown>): string | null => {
      const one = {
        page: '',
        method: 'POST',
        address: '/v1/tokens/validate',
        body: undefined,
        status: undefined,
        ...text,
      };
      const [endpoint] = endpointsOf(one);
      return endpoint === undefined ? 'unknown' : faultOf(one, endpoint);
    };
    expect(find({ body: '{"token","audience"?,"required_scope"?}', status: 200 })).toBeNull();
    expect(find({ body: '{"token","scope"?}' })).toBe('has no "scope"');
    expect(find({ body: '{"token"?}' })).toBe('needs "token"');
    expect(find({ body: '{"audience"?}' })).toBe('needs "token" too');
    expect(find({ body: '{"token":1}' })).toMatch(/must be a text/);
    expect(find({ status: 201 })).toBe('never answers 201');
    expect(find({ address: '/v1/tokens/check' })).toBe('unknown');
    expect(find({ method: 'GET', address: '/v1/audit/events?kind=x' })).toBe('takes no "kind" in its query');
  });

  test.each(
    shown.map((one) => [`${one.page}: ${one.method} ${one.address} ${one.body?.slice(0, 60) ?? ''}`, one] as const),
  )('%s', (_name, one) => {
    const candidates = endpointsOf(one);
    expect(candidates.length, 'no endpoint of the contract').toBeGreaterThan(0);
    const faults = candidates.map((endpoint) => faultOf(one, endpoint));
    expect(faults.includes(null), String(faults[0])).toBe(true);
  });
});
