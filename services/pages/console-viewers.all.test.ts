// About: console/src/
import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { auditEventView } from '#services/core/audit/contract.ts';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { insertRoles } from '#tools/testing/flows/every-caller.ts';
import { newEmail } from '#tools/testing/flows/flows.ts';
import { insertPerson, newSignedIn, openSessionFor } from '#tools/testing/flows/signed-in.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { newVictim } from '../api/attacks/authority-victims-harness.ts';
import { sampleRequests } from '../api/attacks/sample-input-harness.ts';
import { type ConsoleHarness, type ConsoleVisit, openConsoleHarness } from './console-browser-harness.ts';

/**
 * What reaches the browser of a user with one permission. Which operation needs which permission, and which fields its
 * answer has, is said once, in the declarations of the operations; everything here follows from them and from the list
 * of pages.
 */

type ListedPage = { readonly name: string; readonly path: string; readonly permission?: string };
const listed = (await import(pathToFileURL(resolve(import.meta.dirname, '../../console/src/places.ts')).href)) as {
  readonly places: readonly ListedPage[];
};
const CONSOLE = resolve(import.meta.dirname, '../../console/src');
/** Those that open a page, and those with which a page shows more. */
const permissions = [
  ...new Set([
    ...listed.places.flatMap(({ permission }) => permission ?? []),
    ...globSync('**/*.tsx', { cwd: CONSOLE }).flatMap((file) =>
      [...readFileSync(resolve(CONSOLE, file), 'utf8').matchAll(/'([a-z_]+:read)'/g)].map(([, name = '']) => name),
    ),
  ]),
].sort();

/** A value that the installation keeps, and the permissions of pages whose holders may see it. */
type Kept = { readonly what: string; readonly value: string; readonly seenWith: readonly string[] };

const EMAIL = 'canary-address@people.test';
const AGENT = 'canary-user-agent/1';
const SUBJECT = 'canary-incident-subject';

let harness: ConsoleHarness;
let kept: readonly Kept[];
/** Ids by the names of path parameters, and of the pages. */
let ids: Readonly<Record<string, string>>;
let roles: ReadonlyMap<string, string>;
beforeAll(async () => {
  harness = await openConsoleHarness();
  const { api, harness: stores } = harness;
  ids = await newVictim(api, stores);
  const person = await newSignedIn(api, EMAIL);
  await stores.rows`UPDATE sessions SET "userAgent" = ${AGENT} WHERE "userId" = ${person.id}`;
  await stores.rows`UPDATE incidents SET subject_id = ${SUBJECT}`;
  await harness.seal();
  const [key] = await stores.rows`SELECT name FROM api_keys LIMIT 1`;
  const [signOff] = await stores.rows`SELECT title FROM signoffs LIMIT 1`;
  const [client] = await stores.rows`SELECT name FROM oauth_clients WHERE "clientId" = ${ids.client_id}`;
  kept = [
    { what: 'the address of a person', value: EMAIL, seenWith: ['users:read'] },
    { what: 'the browser of a person', value: AGENT, seenWith: ['sessions:read'] },
    { what: 'the subject of an incident', value: SUBJECT, seenWith: ['incidents:read'] },
    { what: 'the name of an API key', value: `"name":"${key?.name}"`, seenWith: ['api_keys:read'] },
    { what: 'the title of a sign-off', value: `"title":"${signOff?.title}"`, seenWith: ['signoffs:read'] },
    { what: 'the name of a client', value: `"name":"${client?.name}"`, seenWith: ['clients:read'] },
    { what: 'a signing key', value: ids.kid as string, seenWith: ['audit:read', 'keys:read'] },
    { what: 'a sealed event', value: '"sealed_at"', seenWith: ['audit:read'] },
  ];
  const made = await insertRoles(
    stores,
    permissions.map((permission) => [permission]),
  );
  await api.ports.access.load();
  roles = new Map(permissions.map((permission, at) => [permission, made[at] as string]));
});
afterAll(() => harness?.close());

/** The operation that a request of the console reached. */
function operationAt(method: string, path: string): Endpoint | undefined {
  const found = harness.api.bound.filter((endpoint) => {
    const pattern = endpoint.path
      .replaceAll(/[.]/g, '\\.')
      .replaceAll(/\{(\w+)\}/g, (_, name: string) => (name === endpoint.rest ? '.+' : '[^/]+'));
    return endpoint.method === method && new RegExp(`^${pattern}$`).test(path);
  });
  // One that names more of the path goes first, as in the router.
  return found.sort((a, b) => a.path.split('{').length - b.path.split('{').length)[0];
}

const needs = ({ auth }: Endpoint): string | undefined => (auth === 'public' ? undefined : auth.permission);

/** Members that a value has and the schema does not declare. */
function undeclared(schema: Json, value: unknown, at = ''): string[] {
  const defs = (schema.$defs ?? {}) as Record<string, Json>;
  const resolved = (one: Json): Json => (typeof one.$ref === 'string' ? defs[one.$ref.replace('#/$defs/', '')] : one);
  const walk = (given: Json, found: unknown, place: string): string[] => {
    const one = resolved(given);
    // Any value: the detail of an event, of which each type of event declares its own.
    if (!one.type && !one.properties && !one.anyOf && !one.oneOf && !one.enum && one.const === undefined) return [];
    const options = one.anyOf ?? one.oneOf;
    if (options) {
      const each = options.map((option: Json) => walk(option, found, place));
      return each.find((missing: string[]) => missing.length === 0) ?? each[0];
    }
    if (Array.isArray(found)) return one.items ? found.flatMap((item) => walk(one.items, item, `${place}[]`)) : [place];
    if (typeof found !== 'object' || found === null)
      return one.type === 'object' || one.type === 'array' ? [place] : [];
    if (!one.properties && !one.additionalProperties) return one.type === undefined ? [] : [place];
    return Object.entries(found).flatMap(([name, member]) => {
      const declared = one.properties?.[name] ?? (one.additionalProperties || undefined);
      return declared === undefined
        ? [`${place}.${name}`]
        : walk(declared === true ? {} : declared, member, `${place}.${name}`);
    });
  };
  return walk(schema, value, at);
}

const schemaOf = (schema: z.ZodType): Json => z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' });

type Arrived = { readonly method: string; readonly path: string; readonly status: number; readonly text: string };

/** Every answer of the API to what the page asks from now on, once it is there; a stream has no end and is not among them. */
function answersOf(page: Page): () => Promise<readonly Arrived[]> {
  const waiting: Promise<Arrived | null>[] = [];
  page.on('request', (request) => {
    const { pathname } = new URL(request.url());
    if (!pathname.startsWith('/console/api/') || pathname.endsWith('/v1/admin/events')) return;
    const about = { method: request.method(), path: pathname.slice('/console/api'.length) };
    const arrived = async (): Promise<Arrived | null> => {
      const response = await request.response();
      return response && { ...about, status: response.status(), text: await response.text() };
    };
    // The body of a request that its page gave up is gone.
    waiting.push(arrived().catch(() => null));
  });
  return async () => (await Promise.all(waiting)).filter((arrived) => arrived !== null);
}

/** Asks as the console's script does, many at a time, and again what a busy copy could not decide. */
const askAll = (
  page: Page,
  paths: readonly string[],
): Promise<readonly { path: string; status: number; text: string }[]> =>
  page.evaluate(`(async () => {
    const paths = ${JSON.stringify(paths)};
    const answers = [];
    const next = async () => {
      for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
        const stop = new AbortController();
        const answer = await fetch('/console/api' + path, { headers: { 'x-sallyport-console': '1' }, signal: stop.signal });
        if (answer.status === 503) {
          await new Promise((resolve) => setTimeout(resolve, 1_000));
          paths.push(path);
          continue;
        }
        const isStream = answer.ok && answer.headers.get('content-type').startsWith('text/event-stream');
        answers.push({ path, status: answer.status, text: isStream ? '' : await answer.text() });
        if (isStream) stop.abort();
      }
    };
    await Promise.all(Array.from({ length: 6 }, next));
    return answers;
  })()`);

const addressOf = ({ path }: ListedPage): string => {
  const of: Readonly<Record<string, string>> = {
    people: ids.user_id as string,
    incidents: ids.incident_id as string,
    audit: '0',
    clients: ids.client_id as string,
    agents: ids.agent_id ?? 'unknown',
    signoffs: ids.signoff_id ?? '0190a5e2-0000-7000-8000-00000000c0de',
  };
  const [, first = ''] = path.split('/');
  const filled = path.replaceAll(/:\w+/g, of[first] ?? '0190a5e2-0000-7000-8000-00000000c0de');
  return `/console${filled === '/' ? '' : filled}`;
};

async function asViewer(permission: string): Promise<ConsoleVisit> {
  const user = { id: await insertPerson(harness.api, newEmail()) };
  // Before the session, whose token has the roles.
  await harness.harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${user.id}, ${roles.get(permission)})`;
  const visit = await harness.visitConsole(
    {},
    { ...(await openSessionFor(harness.api, user.id)), ...user, email: '', password: '' },
  );
  await visit.page.goto('/console/sign-in?return=/console');
  await visit.page.getByRole('heading', { level: 1 }).waitFor();
  return visit;
}

/** Goes to a page as a link does: without loading the console again. */
const route = (page: Page, path: string): Promise<void> =>
  page.evaluate(`history.pushState(null, '', '${path}'); dispatchEvent(new PopStateEvent('popstate'))`);

describe.each(permissions)('a user whose only permission is %s', (permission) => {
  test('gets what the declarations give this permission, on every page, and nothing else', async () => {
    const { page, serious, context } = await asViewer(permission);
    const answers = answersOf(page);
    let shown = '';
    for (const listedPage of listed.places) {
      const address = addressOf(listedPage);
      if (listedPage.permission === undefined || listedPage.permission === permission) {
        await page.goto(address);
        await page.locator('main h1, main .state').first().waitFor();
        await expect.poll(() => page.locator('.loading').count()).toBe(0);
      } else {
        expect(await page.locator(`nav a[href="${address}"]`).count()).toBe(0);
        await page.waitForLoadState('networkidle', { timeout: 5_000 }).catch(() => {}); // Streams never end.
        const before = (await answers()).length;
        await route(page, address);
        await page.getByText(`It needs the permission ${listedPage.permission}.`).waitFor();
        expect([address, (await answers()).length]).toEqual([address, before]);
      }
      shown += await page.content();
    }

    const arrived = await answers();
    expect(arrived.length).toBeGreaterThan(0);
    for (const { method, path, status, text } of arrived) {
      const operation = operationAt(method, path);
      expect([path, operation?.operation, needs(operation as Endpoint) ?? permission]).toEqual([
        path,
        expect.any(String),
        permission,
      ]);
      const schema = operation?.responses[status];
      if (schema instanceof z.ZodType)
        expect([path, undeclared(schemaOf(schema), JSON.parse(text))]).toEqual([path, []]);
    }

    // What its pages do not ask for is refused as well, and so is the stream.
    const reads = harness.api.bound.filter(
      ({ method, path, auth }) => method === 'GET' && path.startsWith('/v1/') && auth !== 'public',
    );
    const refused = reads.filter((endpoint) => ![undefined, permission].includes(needs(endpoint)));
    expect(refused.length).toBeGreaterThan(20);
    const asked = await askAll(
      page,
      refused.flatMap((endpoint) => sampleRequests(endpoint, ids).map(({ path }) => path)),
    );
    expect(asked.filter(({ status, text }) => status !== 403 || !text.includes('permission_missing'))).toEqual([]);

    const all = [shown, ...arrived.map(({ text }) => text), ...asked.map(({ text }) => text)].join('\n');
    const seen = kept.filter(({ value }) => all.includes(value)).map(({ what }) => what);
    expect(seen).toEqual(kept.filter(({ seenWith }) => seenWith.includes(permission)).map(({ what }) => what));
    expect(serious()).toEqual([]);
    await context.close();
  });
});

test('the stream gives a holder of audit:read the declared fields of events, and no personal value', async () => {
  const { page, context } = await asViewer('audit:read');
  const events = await page.evaluate<readonly unknown[]>(`(async () => {
    const stop = new AbortController();
    const answer = await fetch('/console/api/v1/admin/events', {
      headers: { 'x-sallyport-console': '1', 'last-event-id': '0' },
      signal: stop.signal,
    });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (text.split('\\ndata: ').length < 6) text += (await reader.read()).value;
    stop.abort();
    return text.split('\\n').filter((line) => line.startsWith('data: ')).slice(0, 4).map((line) => JSON.parse(line.slice(6)));
  })()`);
  expect(events.length).toBe(4);
  const declared = schemaOf(auditEventView);
  for (const event of events) expect(undeclared(declared, event)).toEqual([]);
  expect(undeclared(declared, { ...(events[0] as object), email: EMAIL })).toEqual(['.email']);
  expect(JSON.stringify(events)).not.toContain(EMAIL);
  await context.close();
});
