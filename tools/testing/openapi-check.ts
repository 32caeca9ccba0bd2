// For tests only: checks that responses match /openapi.json.
import AjvModule, { type ValidateFunction } from 'ajv';
import addFormatsModule from 'ajv-formats';
import { expect } from 'vitest';
import type { Json, Received } from './http-client.ts';

const Ajv = AjvModule.default ?? AjvModule;
const addFormats = addFormatsModule.default ?? addFormatsModule;

export type Operation = {
  readonly method: string;
  readonly path: string;
  readonly operationId: string;
  /** Empty for public operations; with `{}` among them the credential is optional. */
  readonly security: readonly Readonly<Record<string, unknown>>[];
  readonly bodyType: string | undefined;
  readonly bodySchema: Json;
  readonly isBodyRequired: boolean;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: Json }[];
  readonly responses: Readonly<Record<string, Json>>;
};

/** A part of the document with what it refers to in the place of each reference. */
export function resolved(openApi: Json, part: Json): Json {
  if (Array.isArray(part)) return part.map((each) => resolved(openApi, each));
  if (typeof part !== 'object' || part === null) return part;
  if (typeof part.$ref !== 'string')
    return Object.fromEntries(Object.entries(part).map(([name, each]) => [name, resolved(openApi, each)]));
  const path = part.$ref.slice('#/'.length).split('/');
  return resolved(
    openApi,
    path.reduce((at: Json, name: string) => at[name], openApi),
  );
}

/** The operations of a document, without references. */
export const operationsOf = (openApi: Json): Operation[] =>
  Object.entries(openApi.paths as Json).flatMap(([path, methods]) =>
    Object.entries(methods as Json).map(([method, operation]): Operation => {
      const { operationId, security, requestBody, parameters = [], responses } = resolved(openApi, operation);
      const [bodyType] = Object.keys(requestBody?.content ?? {});
      return {
        method: method.toUpperCase(),
        path,
        operationId,
        security,
        bodyType,
        bodySchema: bodyType === undefined ? undefined : requestBody.content[bodyType].schema,
        isBodyRequired: requestBody?.required === true,
        parameters,
        responses,
      };
    }),
  );

/** True where a request without any credential must be refused. */
export const needsCredential = ({ security }: Operation): boolean =>
  security.length > 0 && security.every((way) => Object.keys(way).length > 0);

const patternOf = (path: string): RegExp =>
  new RegExp(`^${path.replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&').replaceAll(/\{\w+\}/g, '[^/]+')}$`);

/** A check that an answer's status, content type and body are documented for its operation. */
export function createAnswerCheck(openApi: Json): (method: string, path: string, answer: Received) => void {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats(ajv);
  const validators = new Map<string, ValidateFunction>();
  const operations = operationsOf(openApi)
    .sort((a, b) => Number(a.path.includes('{')) - Number(b.path.includes('{')))
    .map((operation) => ({ ...operation, pattern: patternOf(operation.path) }));

  return (method, target, answer) => {
    const [path = ''] = target.split('?');
    const operation = operations.find((each) => each.method === method && each.pattern.test(path));
    expect(operation, `${method} ${path} is documented`).toBeDefined();
    const label = `${operation!.operationId} ${answer.status}: ${answer.text.slice(0, 300)}`;
    const documented = operation!.responses[answer.status];
    expect(documented, `documented: ${label}`).toBeDefined();
    const contentType = answer.headers.get('content-type')?.split(';', 1)[0] ?? '';
    if (documented.content === undefined) return expect(answer.text, label).toBe('');
    const [, { schema } = undefined as Json] =
      Object.entries<Json>(documented.content).find(([type]) =>
        [contentType, '*/*'].includes(type.split(';', 1)[0]!),
      ) ?? [];
    expect(schema, `${label} has a documented content type, not ${contentType}`).toBeDefined();
    const value = contentType.endsWith('json') ? answer.body : answer.text;
    const key = `${operation!.operationId} ${answer.status} ${contentType}`;
    const validate = validators.get(key) ?? ajv.compile(schema);
    validators.set(key, validate);
    expect(validate(value) ? [] : validate.errors, label).toEqual([]);
  };
}
