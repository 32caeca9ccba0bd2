import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { exampleOf } from '#services/pages/docs/docs-example.ts';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { TAGS } from '#services/platform/define/tags.ts';
import { impliedErrors } from '#services/platform/http/openapi.ts';
import { type JsonSchema, jsonSchemaOf } from '#services/platform/http/schema.ts';
import { typeOf } from '#tools/catalog/client-types.ts';
import { table } from '#tools/catalog/pages.ts';
import { examplesOf, refusalOf } from './examples.ts';
import type { SitePage } from './pages.ts';

function parametersIn(place: string, shape?: z.ZodType): string[][] {
  const schema: JsonSchema = shape === undefined ? {} : jsonSchemaOf(shape);
  const variants = [schema, ...((schema.anyOf ?? schema.oneOf ?? []) as JsonSchema[])];
  const required = new Set(variants.flatMap((each) => (each.required ?? []) as string[]));
  const members = variants.flatMap(({ properties = {} }) => Object.entries(properties as Record<string, JsonSchema>));
  return [...new Map(members)].map(([name, member]) => [
    `\`${name}\`${required.has(name) ? '' : ' (optional)'}`,
    place,
    `\`${typeOf(member).replaceAll('readonly ', '')}\``,
    String(member.description ?? ''),
  ]);
}

const answerOf = ([status, shape]: [string, Endpoint['responses'][number]]): string => {
  if (shape === null) return `Answer **${status}**, without a body.`;
  if ('contentType' in shape) return `Answer **${status}**, \`${shape.contentType}\`.`;
  return `Answer **${status}**:\n\n\`\`\`json\n${JSON.stringify(exampleOf(jsonSchemaOf(shape, 'output')), null, 2)}\n\`\`\``;
};

const errorLink = (code: string): string => `[\`${code}\`](../reference/errors.md#${code})`;

const TITLES = { sh: 'curl', ts: 'TypeScript', python: 'Python', go: 'Go', java: 'Java' };

function sectionOf(endpoint: Endpoint): string {
  const { method, path, summary, operation, auth, params, query, body, responses, errors } = endpoint;
  const who = auth === 'public' ? 'none' : `${auth.optional ? 'none, ' : ''}${auth.accepts.join(', ')}`;
  const needs = auth !== 'public' && auth.permission ? ` Permission: \`${auth.permission}\`.` : '';
  const parameters = [
    ['path', params],
    ['query', query],
    ['body', body],
  ] as const;
  const rows = parameters.flatMap(([place, shape]) => parametersIn(place, shape));
  const columns = ['parameter', 'in', 'type', ...(rows.some(([, , , meaning]) => meaning) ? ['meaning'] : [])];
  const implied = impliedErrors(endpoint).map(({ definition }) => errorLink(definition.code));
  const refusal = refusalOf(operation);
  const code = refusal && (/^\d/.test(refusal.code) ? refusal.code : errorLink(refusal.code));
  return [
    `## ${summary}`,
    `\`${method} ${path}\` (operation \`${operation}\`). Credential: ${who}.${needs}`,
    ...Object.entries(examplesOf(endpoint)).map(
      ([language, text]) => `\`\`\`${language} title="${TITLES[language as keyof typeof TITLES]}"\n${text}\n\`\`\``,
    ),
    refusal && `As it stands, the example is refused (${code}). ${refusal.reason}`,
    rows.length > 0 &&
      table(
        columns,
        rows.map((row) => row.slice(0, columns.length)),
      ),
    ...Object.entries(responses).map(answerOf),
    errors.length > 0 &&
      table(
        ['error', 'status', 'fix'],
        errors.map(({ definition: { code, status, fix } }) => [errorLink(code), status, fix]),
      ),
    implied.length > 0 && `Also ${implied.join(', ')}.`,
  ]
    .filter(Boolean)
    .join('\n\n');
}

/** A page for each tag of the contract, with a section for each operation, and one that leads to them. */
export function referencePages(endpoints: readonly Endpoint[]): SitePage[] {
  const pages = Object.entries(TAGS).flatMap(([tag, { audience, description }]) => {
    const sections = endpoints.filter((endpoint) => endpoint.tag === tag).map(sectionOf);
    if (sections.length === 0) return [];
    const text = `# ${tag}\n\n${description}. [How to run the examples](./index.md#run-an-example).\n\n${sections.join('\n\n')}\n`;
    return [{ path: `api/${tag.toLowerCase().replaceAll(/\W+/g, '-')}.md`, title: tag, text, audience, description }];
  });
  const subjects = pages.map(({ path, title, audience, description }) => [
    `[${title}](./${path.slice('api/'.length)})`,
    description,
    audience,
  ]);
  const text = `${readFileSync(join(import.meta.dirname, 'api.md'), 'utf8')}\n${table(['subject', 'operations', 'for'], subjects)}\n`;
  return [{ path: 'api/index.md', title: 'API', text }, ...pages];
}
