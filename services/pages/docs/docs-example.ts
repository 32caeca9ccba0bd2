import type { JsonSchema } from '#services/platform/http/schema.ts';

const DEPTH_MAX = 4;

/** Values by the name of a member, where its schema says less than a reader expects. */
const BY_NAME: Readonly<Record<string, string>> = {
  email: 'ada@example.com',
  new_email: 'ada@example.com',
  password: 'a long passphrase of mine',
  new_password: 'another long passphrase',
  name: 'Ada',
  reason: 'requested by the user',
  token_type: 'Bearer',
};

const BY_FORMAT: Readonly<Record<string, string>> = {
  email: 'ada@example.com',
  uuid: '0197b6a4-2d53-7c1e-9f60-3b1d2a4c5e6f',
  'date-time': '2026-11-23T17:00:00Z',
  uri: 'https://app.example.com/callback',
};

/**
 * A value that a schema allows, for the reader of a page: required members only, the first of several variants.
 * @param name name of the member that has this schema
 */
export function exampleOf(schema: JsonSchema, name = '', depth = 0): unknown {
  const [variant] = (schema.anyOf ?? schema.oneOf ?? schema.allOf ?? []) as JsonSchema[];
  if (variant) return exampleOf(variant, name, depth);
  if (schema.const !== undefined) return schema.const;
  if (Array.isArray(schema.enum)) return schema.enum[0];
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === 'object') return depth > DEPTH_MAX ? {} : objectOf(schema, depth);
  if (type === 'array') return [exampleOf((schema.items ?? {}) as JsonSchema, name, depth + 1)];
  if (type === 'integer' || type === 'number') return numberOf(schema);
  if (type === 'boolean') return true;
  if (type === 'null') return null;
  return BY_NAME[name] ?? BY_FORMAT[String(schema.format)] ?? '…';
}

function objectOf(schema: JsonSchema, depth: number): Record<string, unknown> {
  const members = Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>);
  const required = (schema.required as string[] | undefined) ?? [];
  const shown = members.filter(([name]) => required.includes(name));
  return Object.fromEntries(
    (shown.length > 0 ? shown : members.slice(0, 1)).map(([name, member]) => [
      name,
      exampleOf(member, name, depth + 1),
    ]),
  );
}

/** 900 where the schema allows it: the lifetime of a token, the size of a page, any number of seconds. */
const numberOf = ({ minimum = 0, maximum = 900 }: JsonSchema): number =>
  Math.max(Number(minimum), Math.min(Number(maximum), 900));
