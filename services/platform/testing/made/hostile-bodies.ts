// For tests only: bodies made from the OpenAPI document, and everywhere in them that something else could stand.
import { expect } from 'vitest';
import { signIn, type TestUser } from '../flows/flows.ts';
import { expectErrorForm, type Json, type Received, type Sent, send } from '../http-client.ts';
import type { Operation } from '../openapi-check.ts';
import type { ProductWorld } from '../worlds/product-world.ts';

export const JSON_TYPE = { 'content-type': 'application/json' };

export const jsonOperations = ({ operations }: ProductWorld): Operation[] =>
  operations.filter(({ bodyType }) => bodyType === 'application/json');
export const formOperations = ({ operations }: ProductWorld): Operation[] =>
  operations.filter(({ bodyType }) => bodyType?.includes('form'));

export const isNoFault = (status: number): boolean => status >= 200 && status < 500;
const isRefusal = (status: number): boolean => status >= 400 && status < 500;

/** A refusal: 4xx in the form of our errors. */
export function expectRefused(label: unknown, answer: Received | undefined): void {
  expect([label, answer?.status, answer?.text.slice(0, 200)]).toEqual([
    label,
    expect.toSatisfy(isRefusal),
    expect.any(String),
  ]);
  expectErrorForm(answer!);
}

/** A path of this operation that names things which do not exist. */
export const pathOf = ({ path }: Operation): string => path.replaceAll(/\{\w+\}/g, 'unknown');

const admins = new WeakMap<ProductWorld, Promise<TestUser>>();

/** Of a client that may do everything with tokens, or of an administrator. */
async function credentialFor(world: ProductWorld, { security, path }: Operation): Promise<Sent> {
  const { api, credentials } = world.product;
  const takes = (way: string): boolean => security.some((each) => way in each);
  if (security.length === 0 || (takes('client') && !path.startsWith('/v1/admin/')))
    return { basic: credentials.client };
  const admin = admins.get(world) ?? signIn(world.product, credentials.admin);
  admins.set(world, admin);
  const { cookie, tokens } = await admin;
  return takes('bearer') ? { bearer: tokens.access_token } : { cookie, headers: { origin: api } };
}

/** Sends a body where it is read, from somebody who may, so that nothing but the body is refused. */
export async function sendTo(world: ProductWorld, operation: Operation, sent: Sent): Promise<Received> {
  const known = await credentialFor(world, operation);
  const headers = { ...known.headers, ...sent.headers };
  return send(world.product.api, operation.method, pathOf(operation), { ...known, ...sent, headers });
}

/** A body that fits, with one value for each member a schema names. */
function fitting(schema: Json): Json {
  if (schema.const !== undefined) return schema.const;
  if (schema.anyOf) return fitting(schema.anyOf[0]);
  if (schema.type === 'array') return [fitting(schema.items)];
  if (schema.type === 'object')
    return Object.fromEntries(
      Object.entries<Json>(schema.properties ?? {}).map(([name, inner]) => [name, fitting(inner)]),
    );
  if (schema.type === 'integer' || schema.type === 'number') return schema.minimum ?? 1;
  if (schema.type === 'boolean') return true;
  return schema.format === 'email' ? 'nobody@example.test' : 'x';
}

/** One for each form a body may have. */
export const bodiesOf = ({ bodySchema }: Operation): Json[] => (bodySchema.anyOf ?? [bodySchema]).map(fitting);

type Place = {
  readonly at: string;
  readonly isText: boolean;
  /** The body with this value there. */
  readonly put: (value: unknown) => Json;
};

function places(body: Json, path = 'body'): Place[] {
  if (typeof body !== 'object' || body === null) return [];
  return Object.keys(body).flatMap((name) => {
    const at = `${path}.${name}`;
    const put = (value: unknown): Json => (Array.isArray(body) ? [value] : { ...body, [name]: value });
    const inner = places(body[name], at).map((place) => ({ ...place, put: (value: unknown) => put(place.put(value)) }));
    return [{ at, isText: typeof body[name] === 'string', put }, ...inner];
  });
}

/** Names of members that may be null in place of text. */
function nullableNames(schema: Json): string[] {
  const inner = [schema.items, ...(schema.anyOf ?? []), ...Object.values<Json>(schema.properties ?? {})].filter(
    Boolean,
  );
  const own = Object.entries<Json>(schema.properties ?? {})
    .filter(([, member]) => member.anyOf?.some((each: Json) => each.type === 'null'))
    .map(([name]) => name);
  return [...own, ...inner.flatMap(nullableNames)];
}

/** Every place of an operation's bodies where text is expected, and whether null fits there too. */
export function textPlaces(operation: Operation): (Place & { readonly isNullable: boolean })[] {
  const nullable = new Set(nullableNames(operation.bodySchema));
  return bodiesOf(operation).flatMap((body) =>
    places(body)
      .filter(({ isText }) => isText)
      .map((place) => ({ ...place, isNullable: nullable.has(place.at.slice(place.at.lastIndexOf('.') + 1)) })),
  );
}
