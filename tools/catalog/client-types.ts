import type { ErrorDefinition } from '#services/platform/define/error.ts';

/**
 * The generated source of `@sallyport/client`: the operations of the OpenAPI document and the codes of problems.
 * openapi-typescript needs the compiler API of TypeScript 5, which TypeScript 7 does not have.
 */

type Schema = {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
};
type Content = Readonly<Record<string, { readonly schema?: Schema }>>;
type Parameter = { readonly in: string; readonly name: string; readonly required?: boolean; readonly schema: Schema };
type Reference = { readonly $ref: string };
type Operation = {
  readonly summary?: string;
  readonly parameters?: readonly (Parameter | Reference)[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
};
export type OpenApi = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly parameters: Readonly<Record<string, Parameter>>;
  };
};

const namedBy = (reference: string): string => reference.slice(reference.lastIndexOf('/') + 1);
const literal = (value: unknown): string => JSON.stringify(value);
const nameOf = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : literal(name));
const union = (types: readonly string[]): string => [...new Set(types)].join(' | ') || 'never';
const member = (name: string, isRequired: boolean, type: string): string =>
  `readonly ${nameOf(name)}${isRequired ? '' : '?'}: ${type}`;

function objectType({ properties = {}, required = [], additionalProperties }: Schema): string {
  const members = Object.entries(properties).map(([name, schema]) =>
    member(name, required.includes(name), typeOf(schema)),
  );
  const known = members.length > 0 ? [`{ ${members.join('; ')} }`] : [];
  const isOpen = additionalProperties !== undefined && additionalProperties !== false;
  const others = isOpen ? typeOf(additionalProperties === true ? {} : additionalProperties) : undefined;
  if (others === undefined) return known[0] ?? 'Readonly<Record<string, never>>';
  return [...known, `Readonly<Record<string, ${known.length > 0 ? 'unknown' : others}>>`].join(' & ');
}

/** The type of a value that a schema describes. Bounds and patterns have no type. */
export function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) return namedBy(schema.$ref);
  if ('const' in schema) return literal(schema.const);
  if (schema.enum) return union(schema.enum.map(literal));
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants) return union(variants.map((variant) => typeOf(variant)));
  if (schema.properties || schema.type === 'object') {
    const parts = (schema.allOf ?? []).filter((part) => part.properties).map((part) => typeOf(part));
    return [objectType(schema), ...parts].join(' & ');
  }
  if (Array.isArray(schema.type)) return union(schema.type.map((type: string) => typeOf({ ...schema, type })));
  switch (schema.type) {
    case 'string':
      return 'string';
    case 'boolean':
      return 'boolean';
    case 'null':
      return 'null';
    case 'integer':
    case 'number':
      return 'number';
    case 'array': {
      const items = typeOf(schema.items ?? {});
      return `readonly ${/[|&]|^readonly /.test(items) ? `(${items})` : items}[]`;
    }
    default:
      return schema.allOf ? schema.allOf.map((part) => typeOf(part)).join(' & ') : 'unknown';
  }
}

/** Pages and event streams are not for programs that await one response. */
const isForBrowsers = (content: Content): boolean =>
  Object.keys(content).some((type) => type.startsWith('text/html') || type === 'text/event-stream');

function answerOf({ responses }: Operation): string | undefined {
  const answers = Object.entries(responses).filter(([status]) => status < '300');
  if (answers.length === 0 || answers.some(([, { content = {} }]) => isForBrowsers(content))) return undefined;
  const typeOfContent = (type: string, schema: Schema = {}): string =>
    type.startsWith('application/json')
      ? typeOf(schema)
      : type === 'application/octet-stream'
        ? 'Uint8Array'
        : 'string';
  const types = answers.flatMap(([, { content }]) =>
    content === undefined
      ? ['undefined']
      : Object.entries(content).map(([type, { schema }]) => typeOfContent(type, schema)),
  );
  return union(types);
}

function groupOf(name: string, parameters: readonly Parameter[]): string[] {
  if (parameters.length === 0) return [];
  const members = parameters.map((parameter) =>
    member(parameter.name, parameter.required === true, name === 'path' ? 'string | number' : typeOf(parameter.schema)),
  );
  const isRequired = parameters.some(({ required }) => required);
  return [member(name, isRequired, `{ ${members.join('; ')} }`)];
}

function bodyOf({ requestBody }: Operation): string[] {
  if (requestBody === undefined) return [];
  const { required = false, content } = requestBody;
  return Object.entries(content).map(([type, { schema = {} }]) =>
    member(type === 'application/json' ? 'body' : 'form', required, typeOf(schema)),
  );
}

const isIdempotent = (parameters: readonly Parameter[]): boolean =>
  parameters.some(({ in: place, name }) => place === 'header' && name === 'Idempotency-Key');

/** A named shape. Only problems have codes of the catalogue; other members `code` are of users and clients. */
const namedType = ([name, schema]: [string, Schema]): string => {
  const type = typeOf(schema);
  const isProblem = name === 'Problem' || name === 'OAuthProblem';
  return `export type ${name} = ${isProblem ? type.replace('readonly code: string', 'readonly code: ProblemCode') : type};`;
};

/** `sdks/client/src/generated/api.ts`. */
export function clientTypes(document: OpenApi, errors: readonly ErrorDefinition[]): string {
  const operations: string[] = [];
  const keyed: string[] = [];
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const answer = answerOf(operation);
      if (answer === undefined) continue;
      const name = `${method.toUpperCase()} ${path}`;
      const parameters = (operation.parameters ?? []).map((parameter) =>
        '$ref' in parameter ? document.components.parameters[namedBy(parameter.$ref)]! : parameter,
      );
      const input = [
        ...groupOf(
          'path',
          parameters.filter((parameter) => parameter.in === 'path'),
        ),
        ...groupOf(
          'query',
          parameters.filter((parameter) => parameter.in === 'query'),
        ),
        ...bodyOf(operation),
      ];
      if (isIdempotent(parameters)) keyed.push(name);
      operations.push(
        ...(operation.summary ? [`  /** ${operation.summary.replaceAll('*/', '* /')} */`] : []),
        `  ${literal(name)}: { readonly input: ${input.length > 0 ? `{ ${input.join('; ')} }` : '{}'}; readonly answer: ${answer} };`,
      );
    }
  }
  const codes = errors.map(({ code }) => code).sort();
  return [
    '// Generated by `npm run catalog` from the definitions of endpoints and errors. Do not edit.',
    '',
    '/** Every code of a problem. */',
    `export type ProblemCode =\n${codes.map((code) => `  | ${literal(code)}`).join('\n')};`,
    '',
    ...Object.entries(document.components.schemas).map(namedType),
    '/** What each operation takes and returns, by method and path. */',
    'export type Operations = {',
    ...operations,
    '};',
    '',
    '/** POSTs that honour Idempotency-Key. */',
    `export const KEYED: ReadonlySet<string> = new Set([\n${keyed.map((name) => `  ${literal(name)},`).join('\n')}\n]);`,
    '',
  ].join('\n');
}
