import AjvModule, { _, type ValidateFunction } from 'ajv';
import addFormatsModule from 'ajv-formats';
import fastJson from 'fast-json-stringify';
import { z } from 'zod';
import { componentNames } from '../define/component-names.ts';
import { TOLERANCE, type Tolerance } from '../define/tolerance.ts';

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

/** Length of a text in code points, as JSON Schema counts. */
function countOf(text: string): number {
  let count = 0;
  for (const _point of text) count += 1;
  return count;
}

// Ajv counts the code points of every text; for a token that costs more than the rest of its validation. A code point is
// one or two UTF-16 units, so the number of units, which is known, usually decides.
function countsLengthsFast(ajv: InstanceType<typeof Ajv>): void {
  for (const keyword of ['minLength', 'maxLength'] as const) {
    ajv.removeKeyword(keyword);
    ajv.addKeyword({
      keyword,
      type: 'string',
      schemaType: 'number',
      error: { message: 'has another length', params: ({ schemaCode }) => _`{limit: ${schemaCode}}` },
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
}

// Bodies keep their types: "1" is not 1. Path and query arrive as text and are converted by their schema.
type Reading = { readonly isText: boolean; readonly dropsUnknown: boolean };

/** `verbose` gives an error the schema and the value that it is about, from which its words are made. */
const newAjv = ({ isText, dropsUnknown }: Reading) => {
  const ajv = new Ajv({
    allErrors: false,
    useDefaults: true,
    removeAdditional: dropsUnknown,
    strict: false,
    verbose: true,
    coerceTypes: isText ? 'array' : false,
  });
  addFormats(ajv);
  countsLengthsFast(ajv);
  return ajv;
};

const made = new Map<string, ReturnType<typeof newAjv>>();
function ajvFor(reading: Reading): ReturnType<typeof newAjv> {
  const name = `${reading.isText} ${reading.dropsUnknown}`;
  const ajv = made.get(name) ?? newAjv(reading);
  made.set(name, ajv);
  return ajv;
}

export type Validator = ((value: unknown) => boolean) & { errors?: ValidateFunction['errors'] };

export type Compiler = (part: { readonly schema: z.ZodType; readonly httpPart?: string }) => Validator;

/** Fastify's validator compiler. What a closed schema does not know is refused, or dropped, as the rule says. */
export const validatorCompiler =
  ({ unknown }: Tolerance): Compiler =>
  (part) => {
    const schema = jsonSchemaOf(part.schema);
    const isText = part.httpPart !== 'body';
    const validate = ajvFor({ isText, dropsUnknown: unknown === 'ignored' }).compile(schema) as Validator;
    return isText ? withPlainIntegers(validate, schema) : validate;
  };

/** The compiler of our own API, which refuses unknown members. */
export const compileValidator = validatorCompiler(TOLERANCE['parameters and members of our own API']);

/**
 * The same, compiled by the first request: a start would spend a good part of its time on schemas of which most processes
 * use few.
 */
export const compiledWhenUsed =
  (compile: Compiler): Compiler =>
  (part) => {
    let compiled: Validator | undefined;
    const validate: Validator = (value) => {
      compiled ??= compile(part);
      const isValid = compiled(value);
      validate.errors = compiled.errors;
      return isValid;
    };
    return validate;
  };

type Serializer = (value: unknown) => string;

const serializers = new WeakMap<z.ZodType, Serializer>();

/** Writes what the shape declares and nothing else; compiled once for all servers of a process. */
export function serializerOf(shape: z.ZodType): Serializer {
  const serialize = serializers.get(shape) ?? fastJson(jsonSchemaOf(shape, 'output'));
  serializers.set(shape, serialize);
  return serialize;
}

/** The same, compiled by the first answer. */
export function serializedWhenUsed(shape: z.ZodType): Serializer {
  let serialize: Serializer | undefined;
  return (value) => {
    serialize ??= serializerOf(shape);
    return serialize(value);
  };
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
        : [{ instancePath: `/${wrong}`, schemaPath: '', keyword: 'type', params: { type: 'integer' } }];
    return isValid;
  };
  return strictly;
}
