// For tests only: valid input made from a contract's schema, so that a new endpoint needs no samples written for it.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import type { Json } from '#tools/testing/http-client.ts';

/** Texts of the formats that contracts require; the first that fits is used. */
const TEXTS = [
  ...'unknown x a:b a.b a=b 1 000000 https://example.test/x person@example.test 2026-01-01T00:00:00Z'.split(' '),
  ...'2026-01-01 192.0.2.1'.split(' '),
  randomUUID(),
  'a'.repeat(16),
  'a'.repeat(22),
  'a'.repeat(32),
  'a'.repeat(43),
  'a'.repeat(64),
  'A'.repeat(128),
];

const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  email: (text) => z.email().safeParse(text).success,
  uri: (text) => URL.canParse(text),
  uuid: (text) => z.uuid().safeParse(text).success,
  'date-time': (text) => z.iso.datetime({ offset: true }).safeParse(text).success,
  date: (text) => z.iso.date().safeParse(text).success,
};

function textFor(schema: Json): string {
  const patterns = [schema, ...(schema.allOf ?? [])].flatMap(({ pattern }) => pattern ?? []);
  const fits = (text: string): boolean =>
    text.length >= (schema.minLength ?? 0) &&
    text.length <= (schema.maxLength ?? Number.POSITIVE_INFINITY) &&
    patterns.every((pattern) => new RegExp(pattern, 'u').test(text)) &&
    (FORMATS[schema.format] ?? (() => true))(text);
  const found = TEXTS.find(fits);
  if (found === undefined)
    throw new Error(`no text fits ${JSON.stringify(schema)}: add one to TEXTS of sample-input.ts`);
  return found;
}

/** Each alternative of the schema once: unions are split, optional members left out unless `named` has them. */
function samplesOf(schema: Json, named: Readonly<Record<string, string>>): unknown[] {
  if (schema.const !== undefined) return [schema.const];
  if (schema.enum) return [schema.enum[0]];
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return options.flatMap((option: Json) => samplesOf(option, named));
  switch (schema.type) {
    case 'object': {
      const members = Object.entries<Json>(schema.properties ?? {}).filter(
        ([name]) => schema.required?.includes(name) || name in named,
      );
      // A closed list of values may share its name with a resource: a role in which people sign off.
      const isNamed = (name: string, of: Json): boolean => name in named && (!of.enum || of.enum.includes(named[name]));
      const sampleOf = (name: string, of: Json): unknown => (isNamed(name, of) ? named[name] : samplesOf(of, named)[0]);
      return [Object.fromEntries(members.map(([name, of]) => [name, sampleOf(name, of)]))];
    }
    case 'array':
      return [Array.from({ length: schema.minItems ?? 0 }, () => samplesOf(schema.items, named)[0])];
    case 'integer':
    case 'number':
      return [schema.minimum ?? 1];
    case 'boolean':
      return [true];
    case 'string':
      return [textFor(schema)];
    default:
      return [{}];
  }
}

const samplesFor = (schema: z.ZodType | undefined, named: Readonly<Record<string, string>>): Json[] => {
  if (schema === undefined) return [undefined];
  const samples = samplesOf(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), named);
  return samples.filter((sample) => schema.safeParse(sample).success);
};

export type SampleRequest = { readonly path: string; readonly body: Json };

/**
 * Requests that an endpoint's schemas accept.
 * @param named values of members and path parameters by name; named members are sent, others only where required
 */
export function sampleRequests(endpoint: Endpoint, named: Readonly<Record<string, string>>): SampleRequest[] {
  const [params = {}] = samplesFor(endpoint.params, named);
  const [query = {}] = samplesFor(endpoint.query, {});
  const bodies = samplesFor(endpoint.body, named);
  if (bodies.length === 0) throw new Error(`${endpoint.operation}: no sample of its body fits`);
  const path = endpoint.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(params[name] ?? 'unknown'),
  );
  const search = new URLSearchParams(query).toString();
  return bodies.map((body) => ({ path: search === '' ? path : `${path}?${search}`, body }));
}
