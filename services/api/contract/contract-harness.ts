// For tests only: addresses and bodies that match the OpenAPI document.
import type { Json } from '#tools/testing/http-client.ts';
import type { Operation } from '#tools/testing/openapi-check.ts';

/** Texts of the formats that contracts require; the first that fits is sent. */
const TEXTS = [
  'unknown@example.test',
  'https://example.test/',
  '2026-01-01T00:00:00Z',
  '0190a5e2-0000-7000-8000-000000000000',
  'x',
  '1',
  ...[8, 16, 22, 32, 43, 64].map((length) => 'x'.repeat(length)),
];

function textOf({ format, pattern, allOf = [], minLength = 1 }: Json): string {
  const patterns = [pattern, ...allOf.map((each: Json) => each.pattern)].filter((each) => each !== undefined);
  const isFitting = (text: string): boolean =>
    text.length >= minLength && patterns.every((each) => new RegExp(each, 'u').test(text));
  const preferred = format === undefined ? [...TEXTS.slice(4), ...TEXTS] : TEXTS;
  return preferred.find(isFitting) ?? 'x'.repeat(minLength);
}

/** An address that matches its contract, with ids of things that do not exist. */
export function fittingPathOf({ path, parameters }: Operation): string {
  const schemaOf = (name: string): Json => parameters.find((each) => each.in === 'path' && each.name === name)?.schema;
  const filled = path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => textOf(schemaOf(name) ?? {}));
  const asked = parameters.filter((each) => each.in === 'query' && (each as Json).required);
  const query = new URLSearchParams(
    asked.map(({ name, schema }): [string, string] => [name, String(exampleOf(schema))]),
  );
  return asked.length === 0 ? filled : `${filled}?${query}`;
}

/** The smallest value that fits a schema. */
export function exampleOf(schema: Json): Json {
  if (schema === undefined) return undefined;
  const [chosen] = schema.anyOf ?? schema.oneOf ?? [schema];
  if (chosen !== schema) return exampleOf(chosen);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.type === 'object')
    return Object.fromEntries(
      (schema.required ?? []).map((name: string) => [name, exampleOf(schema.properties[name])]),
    );
  if (schema.type === 'array') return Array.from({ length: schema.minItems ?? 0 }, () => exampleOf(schema.items));
  if (schema.type === 'boolean') return true;
  return schema.type === 'string' ? textOf(schema) : (schema.minimum ?? 0);
}
