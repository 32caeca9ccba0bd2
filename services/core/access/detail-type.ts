import { z } from 'zod';
import { whyOf } from '#services/platform/define/input-problem.ts';
import { canonicalJson, type Json, uncanonicalPart } from '../audit/log/canonical-json.ts';
import type { DetailType } from './authorization-detail-shapes.ts';
import { isShownText } from './signoff-policy.ts';

/** Our own type: an act that people sign off, at any audience. Its members are those of a sign-off. */
export const SIGNED_ACT = 'sallyport_act';

type Problem = { readonly at: string; readonly why: string };

const SCHEMA_BYTES_MAX = 8_192;
const SCHEMA_DEPTH_MAX = 14;

/** The parts of the access directory that know types, as endpoints read them. */
export type HasDetailTypes = {
  readonly access: {
    application(audience: string): { readonly detailTypes: ReadonlyMap<string, DetailType> } | undefined;
    applications(): readonly { readonly audience: string; readonly detailTypes: ReadonlyMap<string, DetailType> }[];
  };
};

/** Canonical JSON (RFC 8785); undefined for what it cannot write, and what is deeper than that. */
export const canonicalOf = (value: unknown, depthMax: number): string | undefined =>
  uncanonicalPart(value, '', depthMax) === undefined ? canonicalJson(value as Json) : undefined;

/** As changes of it are shown. */
export const detailTypeLine = (type: string, declared: DetailType): string =>
  `${type} ${canonicalJson(declared as Json)}`;

const count = z.int().min(0).max(4_096).optional();
const about = { title: z.string().max(200).optional(), description: z.string().max(500).optional() };
const oneOf = <S extends z.ZodType>(value: S) => z.array(value).min(1).max(100).optional();
const member = z.string().min(1).max(64);
const bounds = { minimum: z.number().optional(), maximum: z.number().optional() };
const lengths = { minLength: count, maxLength: count };
const format = z.enum(['date', 'date-time', 'uuid']).optional();

type Schema = {
  readonly type: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
};

/**
 * The words of JSON Schema (2020-12) that a type may use: none refers to another schema, and none is a pattern, with which
 * a value could stall us.
 */
const schemaShape: z.ZodType = z.discriminatedUnion('type', [
  z.strictObject({
    ...about,
    type: z.literal('object'),
    get properties(): z.ZodType {
      return z.record(member, schemaShape).default({});
    },
    required: z.array(member).max(100).default([]),
    additionalProperties: z.boolean().default(false),
  }),
  z.strictObject({
    ...about,
    type: z.literal('array'),
    get items(): z.ZodType {
      return schemaShape;
    },
    minItems: count,
    maxItems: count,
  }),
  z.strictObject({ ...about, type: z.literal('string'), enum: oneOf(z.string()), ...lengths, format }),
  z.strictObject({ ...about, type: z.enum(['number', 'integer']), enum: oneOf(z.number()), ...bounds }),
  z.strictObject({ ...about, type: z.literal('boolean') }),
]);

const problemOf = (error: z.ZodError, input: unknown): Problem => {
  const [issue] = error.issues as [z.core.$ZodIssue];
  return { at: issue.path.map(String).join('/'), why: whyOf(issue, input) };
};

/** A directory that is read again has other types, so those of the one before are dropped with it. */
const compiled = new WeakMap<DetailType, z.ZodType>();

/** What is wrong with a detail of this type; `members` are those besides `type`. */
export function detailFlaw(type: DetailType, members: unknown): Problem | undefined {
  const shape = compiled.get(type) ?? z.fromJSONSchema(schemaShape.parse(type.schema) as z.core.JSONSchema.JSONSchema);
  compiled.set(type, shape);
  const { error } = shape.safeParse(members);
  return error && problemOf(error, members);
}

const PLACE = /\{([^{}]*)\}/g;
/** The members that words stand for, each as its path. */
const placesOf = (words: string): string[][] => [...words.matchAll(PLACE)].map(([, path = '']) => path.split('.'));

const hasPath = ({ properties = {} }: Schema, [name = '', ...rest]: readonly string[]): boolean => {
  const inner = Object.hasOwn(properties, name) ? properties[name] : undefined;
  return inner !== undefined && (rest.length === 0 || hasPath(inner, rest));
};

/** What is wrong with a declared type, and where. */
export function* detailTypeProblems({ schema: given, words, bound }: DetailType): Generator<Problem> {
  const canonical = canonicalOf(given, SCHEMA_DEPTH_MAX);
  if (canonical === undefined)
    return yield { at: 'schema', why: 'is nested too deeply, or has a number or text that JSON cannot keep' };
  if (Buffer.byteLength(canonical) > SCHEMA_BYTES_MAX)
    return yield { at: 'schema', why: `is longer than ${SCHEMA_BYTES_MAX} bytes` };
  const { data, error } = schemaShape.safeParse(given);
  if (error) {
    const { at, why } = problemOf(error, given);
    return yield { at: at === '' ? 'schema' : `schema/${at}`, why };
  }
  const schema = data as Schema;
  if (schema.type !== 'object' || hasPath(schema, ['type']))
    return yield { at: 'schema', why: 'must describe an object, without its member type' };
  for (const [index, name] of bound.entries())
    if (!schema.required?.includes(name)) yield { at: `bound/${index}`, why: `${name} is not required by the schema` };
  for (const [language, text] of Object.entries(words)) {
    const at = `words/${language}`;
    const places = placesOf(text);
    const unknown = places.find((path) => !hasPath(schema, path));
    const missing = bound.find((name) => !places.some(([first]) => first === name));
    if (!isShownText(text) || !/\p{L}/u.test(text))
      yield { at, why: 'has characters that are not shown, or no letter' };
    if (unknown !== undefined) yield { at, why: `{${unknown.join('.')}} is no member of the schema` };
    if (missing !== undefined) yield { at, why: `does not say {${missing}}, which approvals are bound to` };
  }
}

/** The words of a type, with the members of a detail in their places. */
export const wordsOf = (words: string, shown: (path: readonly string[]) => string): string =>
  words.replaceAll(PLACE, (_whole, path: string) => shown(path.split('.')));
