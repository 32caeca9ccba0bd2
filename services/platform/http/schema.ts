import AjvModule, { _, str, type ValidateFunction } from 'ajv';
import addFormatsModule from 'ajv-formats';
import { z } from 'zod';
import { componentNames } from '../define/component-names.ts';

// Both packages are CommonJS with a default export beside it.
const Ajv = AjvModule.default ?? AjvModule;
const addFormats = addFormatsModule.default ?? addFormatsModule;

export type JsonSchema = Record<string, unknown>;

const cache = new WeakMap<z.ZodType, Map<string, JsonSchema>>();

/** The same pattern without Unicode categories, which some regular expression engines lack. */
const portable = (pattern: string): string =>
  pattern.replaceAll('\\p{Cc}', '\\u0000-\\u001f\\u007f-\\u009f').replaceAll('\\p{Cs}', '\\ud800-\\udfff');

/** `input` is the shape that a client sends; `output` the shape that it receives. */
type Direction = 'input' | 'output';

const converted = (
  schema: z.ZodType,
  io: Direction,
  metadata: typeof z.globalRegistry | typeof componentNames = z.globalRegistry,
): JsonSchema => {
  const { $schema: _, ...made } = z.toJSONSchema(schema, {
    io,
    target: 'draft-7',
    unrepresentable: 'any',
    metadata,
    override: ({ zodSchema, jsonSchema }) => {
      if (jsonSchema.pattern !== undefined) jsonSchema.pattern = portable(jsonSchema.pattern);
      const description = z.globalRegistry.get(zodSchema)?.description;
      if (description !== undefined) jsonSchema.description = description;
    },
  }) as JsonSchema;
  return made;
};

/** The JSON Schema of a shape with everything in it, cached. */
export function jsonSchemaOf(schema: z.ZodType, io: Direction = 'input'): JsonSchema {
  const byIo = cache.get(schema) ?? new Map<string, JsonSchema>();
  cache.set(schema, byIo);
  const known = byIo.get(io);
  if (known) return known;
  const made = converted(schema, io);
  byIo.set(io, made);
  return made;
}

/** The JSON Schema of a shape with references to the named shapes in it (`componentNames`), and these. */
export function namedSchemasOf(
  schema: z.ZodType,
  io: Direction,
): { readonly schema: JsonSchema; readonly named: Readonly<Record<string, JsonSchema>> } {
  const { definitions = {}, ...made } = converted(schema, io, componentNames);
  return { schema: made, named: definitions as Record<string, JsonSchema> };
}

// Bodies keep their types: "1" is not 1. Path and query arrive as text and are converted by their schema.
const shared = { allErrors: false, useDefaults: true, removeAdditional: false, strict: false } as const;
const strict = new Ajv({ ...shared, coerceTypes: false });
const reading = new Ajv({ ...shared, coerceTypes: 'array' });
addFormats(strict);
addFormats(reading);

/** Length of a text in code points, as JSON Schema counts. */
function countOf(text: string): number {
  let count = 0;
  for (const _point of text) count += 1;
  return count;
}

// Ajv counts the code points of every text; for a token that costs more than the rest of its validation. A code point is
// one or two UTF-16 units, so the number of units, which is known, usually decides.
for (const ajv of [strict, reading])
  for (const keyword of ['minLength', 'maxLength'] as const) {
    ajv.removeKeyword(keyword);
    ajv.addKeyword({
      keyword,
      type: 'string',
      schemaType: 'number',
      error: {
        message: ({ schemaCode }) =>
          str`must NOT have ${keyword === 'maxLength' ? 'more' : 'fewer'} than ${schemaCode} characters`,
        params: ({ schemaCode }) => _`{limit: ${schemaCode}}`,
      },
      code: (cxt) => {
        const { data, schemaCode: limit } = cxt;
        const count = _`${cxt.gen.scopeValue('func', { ref: countOf })}(${data})`;
        const isOutside =
          keyword === 'maxLength'
            ? _`${data}.length > ${limit} && ${count} > ${limit}`
            : _`${data}.length < 2 * ${limit} && ${count} < ${limit}`;
        cxt.fail(isOutside);
      },
    });
  }

export type Validator = ((value: unknown) => boolean) & { errors?: ValidateFunction['errors'] };

/** Fastify's validator compiler: it refuses unknown members instead of dropping them. */
export function compileValidator(part: { schema: unknown; httpPart?: string }): Validator {
  const schema = part.schema as JsonSchema;
  if (part.httpPart === 'body') return strict.compile(schema) as Validator;
  return withPlainIntegers(reading.compile(schema) as Validator, schema);
}

/**
 * The same, compiled by the first request: a start would spend a sixth of its time on schemas of which most processes
 * use few.
 */
export function compileWhenUsed(part: Parameters<typeof compileValidator>[0]): Validator {
  let compiled: Validator | undefined;
  const validate: Validator = (value) => {
    compiled ??= compileValidator(part);
    const isValid = compiled(value);
    validate.errors = compiled.errors;
    return isValid;
  };
  return validate;
}

const PLAIN_INTEGER = /^-?\d+$/;

/** Refuses `0x10`, `1e1` and ` 1` in text, which Ajv would convert to numbers. */
function withPlainIntegers(validate: Validator, { properties = {} }: JsonSchema): Validator {
  const names = Object.entries(properties as Record<string, JsonSchema>)
    .filter(([, { type }]) => type === 'integer')
    .map(([name]) => name);
  if (names.length === 0) return validate;
  const strictly: Validator = (value) => {
    const given = value as Readonly<Record<string, unknown>>;
    const wrong = names.find((name) => typeof given[name] === 'string' && !PLAIN_INTEGER.test(given[name]));
    const isValid = wrong === undefined && validate(value);
    strictly.errors =
      wrong === undefined
        ? (validate.errors ?? null)
        : [{ instancePath: `/${wrong}`, schemaPath: '', keyword: 'type', params: {}, message: 'must be integer' }];
    return isValid;
  };
  return strictly;
}
