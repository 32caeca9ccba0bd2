import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openApiOf } from '#services/platform/http/openapi.ts';
import { collectEndpoints } from '#tools/catalog/collect.ts';
import { onPath } from '#tools/checks/debian-package.ts';
import { insertRoles } from '#tools/testing/flows/every-caller.ts';
import { type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { listening } from '#tools/testing/listening.ts';
import { createAnswerCheck } from '#tools/testing/openapi-check.ts';
import { byCurl, byTypeScript, newVariables, statusOf } from '#tools/testing/run-example.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import given from './examples.json' with { type: 'json' };
import { examplesOf } from './examples.ts';

const SLOW_MS = 600_000;
const FOLDER = testFolder();
const endpoints = await collectEndpoints();
let harness: ApiHarness;
let copy: ApiCopy;
let role: string;
beforeAll(async () => {
  harness = await openApiHarness();
  const free = await listening(createServer());
  await free.close();
  copy = await harness.startCopy({ port: free.port, publicUrl: free.url });
  const rights = (await harness.rows('SELECT name FROM permissions')).map(({ name }) => name);
  [role = ''] = await insertRoles(harness, [rights]);
  await copy.ports.access.load();
}, SLOW_MS);
afterAll(() => harness?.close());

test.each([
  ['sh', byCurl],
  ['ts', byTypeScript],
] as const)(
  'each example in %s is answered as the contract says, or refused for the reason that is listed',
  async (language, run) => {
    const check = createAnswerCheck(openApiOf(endpoints, 'test'));
    const refused: Record<string, string> = {};
    const faults: string[] = [];
    /** Ids that examples before it got: of an agent, a report. */
    const found: Record<string, string> = {};
    for (const endpoint of endpoints) {
      const code = examplesOf(endpoint)[language] as string;
      try {
        const answer = await run(code, await newVariables(copy, harness, role, code, found), FOLDER);
        check(endpoint.method, endpoint.path, answer);
        for (const [name, value] of Object.entries(answer.body ?? {}))
          if (/_id$/.test(name) && typeof value === 'string') found[name.toUpperCase()] = value;
        if (answer.status >= 400) refused[endpoint.operation] = answer.body?.code ?? String(answer.status);
      } catch (err) {
        faults.push(`${endpoint.operation}: ${err}`);
      }
    }
    expect(faults).toEqual([]);
    expect(refused).toEqual(Object.assign({}, ...Object.values(given.refused)));
  },
  SLOW_MS,
);

test.for(['python', 'go', 'java'])(
  'each example in %s of what apps call is answered',
  { timeout: SLOW_MS },
  async (language, { skip }) => {
    skip(language === 'java' && onPath('java') === undefined, 'no Java here');
    const statuses: Record<string, number> = {};
    for (const endpoint of endpoints.filter(({ operation }) => given.app.includes(operation))) {
      const code = examplesOf(endpoint)[language] as string;
      const variables = await newVariables(copy, harness, role, code);
      statuses[endpoint.operation] = await statusOf(language, code, variables, FOLDER);
    }
    expect(statuses).toEqual(Object.fromEntries(given.app.map((operation) => [operation, 200])));
  },
);

test('the sign-in that the first page shows puts an access token in the shell', async () => {
  const [, code = ''] =
    /^(ACCESS_TOKEN=[^`]+)```$/m.exec(readFileSync(join(import.meta.dirname, 'api.md'), 'utf8')) ?? [];
  const variables = { ...(await newVariables(copy, harness, role, code)), ACCESS_TOKEN: '' };
  const uses = 'curl -sS "$API/oauth2/userinfo" -H "authorization: Bearer $ACCESS_TOKEN"';
  expect(await byCurl(code + uses, variables, FOLDER)).toMatchObject({ status: 200 });
});
