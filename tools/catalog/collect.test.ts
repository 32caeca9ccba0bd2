import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { compileValidator, serializerOf } from '#services/platform/http/schema.ts';
import { collectAuditEvents, collectEndpoints, collectErrors } from './collect.ts';

const ROOT = resolve(import.meta.dirname, '../..');
/** Endpoints on a port of their own: no document of the API names them. */
const APART = 'services/mcp/contract.ts';
const shipped = globSync('{services,jobs,observability,cli}/**/*.ts', { cwd: ROOT })
  .filter((file) => file !== APART && !/(\.test|-harness)\.ts$|\/(testing|generated|define)\//.test(file))
  .map((file) => ({ file, text: readFileSync(resolve(ROOT, file), 'utf8') }));

/** The names given to a definition in shipped files, each with its file. */
const declared = (definition: string, member: string): { name: string; file: string }[] =>
  shipped.flatMap(({ file, text }) => {
    const [, ...calls] = text.split(new RegExp(`\\b${definition}\\(`));
    const names = calls.map((call) => new RegExp(`\\b${member}: '([^']+)'`).exec(call)?.[1]);
    return names.map((name) => ({ name: name ?? `${definition} without ${member}`, file }));
  });

test.each([
  ['defineAuditEvent', 'type', async () => (await collectAuditEvents()).map(({ type }) => type)],
  ['defineError', 'code', async () => (await collectErrors()).map(({ code }) => code)],
  ['define\\w*Endpoint', 'operation', async () => (await collectEndpoints()).map(({ operation }) => operation)],
] as const)('every %s of a shipped file is collected for the reference', async (definition, member, collect) => {
  const collected = new Set<string>(await collect());
  const found = declared(definition, member);
  expect(found.length).toBeGreaterThan(20);
  expect(found.filter(({ name }) => !collected.has(name))).toEqual([]);
});

test('the schemas of every endpoint compile, though most are compiled by the first request only', async () => {
  const endpoints = await collectEndpoints();
  const broken = endpoints.flatMap(({ operation, body, query, params, responses }) => {
    const problemOf = (part: string, compile: () => unknown): string[] => {
      try {
        compile();
        return [];
      } catch (err) {
        return [`${operation} ${part}: ${err}`];
      }
    };
    const requests = Object.entries({ body, querystring: query, params }).flatMap(([httpPart, schema]) =>
      schema ? problemOf(httpPart, () => compileValidator({ schema, httpPart })) : [],
    );
    const answers = Object.entries(responses).flatMap(([status, shape]) =>
      shape instanceof z.ZodType ? problemOf(status, () => serializerOf(shape)) : [],
    );
    return [...requests, ...answers];
  });
  expect(endpoints.length).toBeGreaterThan(200);
  expect(broken).toEqual([]);
});
