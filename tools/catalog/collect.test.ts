import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { compileValidator, serializerOf } from '#services/platform/http/schema.ts';
import { collectAuditEvents, collectEndpoints, collectErrors } from './collect.ts';
import { sizingOf, sizingPage } from './sizing.ts';

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

const measured = {
  perCoreSecond: { signIns: 4, refreshes: 1_000, validations: 10_000 },
  userBytes: 2_000,
  eventBytes: 1_000,
  outboxBytes: 500,
  pairBytes: 800,
};

test('a table of sizes is arithmetic on what was measured', () => {
  const sizing = sizingOf(90_000, measured);
  expect(sizing).toMatchObject({ active: 18_000, peak: { signIns: 1, refreshes: 32, validations: 200 }, copies: 2 });
  expect(sizing.cores).toEqual({ signIns: 0.5, refreshes: 0.064, validations: 0.04 });
  expect(sizing.eventsADay).toBe(594_000);
  expect(sizing.bytes).toEqual({
    users: 180e6,
    outbox: 594_000 * 3 * 500,
    logAYear: 594_000 * 365 * 1_000,
    redis: 18_000 * 800,
  });
});

test('more load takes more copies, and no size has fewer than two', () => {
  const copies = [1, 1e6, 1e8].map((users) => sizingOf(users, measured).copies);
  expect([copies[0], copies]).toEqual([2, [...copies].sort((a, b) => a - b)]);
  expect(copies.at(-1)).toBeGreaterThan(20);
});

test('the page shows the arithmetic for each size, from results that are kept', () => {
  const text = sizingPage(resolve(import.meta.dirname, '../../load-tests/results'));
  expect(text).toContain('| 1,000 users | 100,000 users | 10,000,000 users |');
  expect(text).not.toMatch(/NaN|Infinity|undefined/);
  const sums = [...text.matchAll(/([\d.,]+) ÷ ([\d.]+) ÷ ([\d.]+) = ([\d.,]+)/g)];
  expect(sums).toHaveLength(9);
  const value = (cell?: string): number => Number(cell?.replaceAll(',', ''));
  for (const [, rate, speed, share, cores] of sums) {
    const exact = value(rate) / value(speed) / value(share);
    expect(Math.abs(value(cores) - exact)).toBeLessThan(exact * 0.02);
  }
});

test('a folder without the figures is refused with the command to run', () =>
  expect(() => sizingPage(import.meta.dirname)).toThrow('npm run bench'));
