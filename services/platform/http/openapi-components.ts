import type { z } from 'zod';
import { namedSchemasOf } from './schema.ts';

type Kind = 'schemas' | 'responses' | 'parameters';
type Reference = { readonly $ref: string };

/** The parts of an OpenAPI document that have a name, each written once. */
export type Components = {
  /** A shape under its own name (`componentNames`), or under this one. */
  schema(shape: z.ZodType, io: 'input' | 'output', name: string, ignoresUnknown?: boolean): Reference;
  /** Any part. Throws Error if another one has the name. */
  part(kind: Kind, name: string, part: object): Reference;
  readonly parts: Readonly<Record<Kind, Readonly<Record<string, object>>>>;
};

/** The schema of a body whose unknown members are ignored: nothing in it is closed. */
const opened = (schema: object): object =>
  JSON.parse(JSON.stringify(schema), (name, value) =>
    name === 'additionalProperties' && value === false ? undefined : value,
  ) as object;

const referenceTo = (kind: Kind, name: string): Reference => ({ $ref: `#/components/${kind}/${name}` });

export function createComponents(): Components {
  const parts: Record<Kind, Record<string, object>> = { schemas: {}, responses: {}, parameters: {} };

  function part(kind: Kind, name: string, added: object): Reference {
    const held = parts[kind][name];
    if (held !== undefined && JSON.stringify(held) !== JSON.stringify(added))
      throw new Error(`${name} names two different ${kind}`);
    parts[kind][name] = added;
    return referenceTo(kind, name);
  }

  return {
    parts,
    part,
    schema: (shape, io, name, ignoresUnknown = false) => {
      const { schema, named } = namedSchemasOf(shape, io);
      for (const [id, each] of Object.entries(named)) part('schemas', id, each);
      const own = Object.keys(named).find((id) => schema.$ref === `#/definitions/${id}`);
      return own === undefined
        ? part('schemas', name, ignoresUnknown ? opened(schema) : schema)
        : referenceTo('schemas', own);
    },
  };
}

/** References between named shapes as OpenAPI writes them. */
export const withReferences = (document: string): string =>
  document.replaceAll('"$ref":"#/definitions/', '"$ref":"#/components/schemas/');

/** @example pascal('request_invalid') // 'RequestInvalid' */
export const pascal = (name: string): string =>
  name.replaceAll(/(?:^|_)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
