import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { createFileOutbox, mailFolderOf } from '#services/platform/mail/file-outbox.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { serve } from '../route-harness.ts';
import { type StartRoutesDeps, startRoutes } from './start.ts';

const dataDir = testFolder();
beforeAll(async () => {
  const demo = { email: 'demo@example.test', password: 'demo-password' };
  const admin = { email: 'admin@example.test', password: 'password-of-admin' };
  await writeFile(join(dataDir, 'dev-credentials.json'), JSON.stringify({ user: demo, admin }));
  const outbox = createFileOutbox(mailFolderOf(dataDir), 'no-reply@example.com');
  await outbox.send({ id: '1', to: 'a@people.test', subject: 'A code', text: 'secret', html: '<p>secret</p>' });
});

const html = { accept: 'text/html' };

/** The API in some state, asked from this machine. */
function open(changes: Partial<StartRoutesDeps> = {}, isFresh = true) {
  const served = serve();
  const revocations = {
    state: () => ({ fresh: isFresh, rewound: false }),
  } as unknown as StartRoutesDeps['revocations'];
  startRoutes(served.routes, {
    revocations,
    isKeyRingFresh: () => true,
    isDirectoryFresh: () => true,
    isRedisReady: () => true,
    isDraining: () => false,
    sql: { query: async () => Promise.reject(new Error('no database')) } as unknown as StartRoutesDeps['sql'],
    missingSettings: [{ env: 'BETTER_AUTH_URL', problem: 'is not set under production', fix: 'set the public URL' }],
    isDevelopment: true,
    keepsMails: true,
    dataDir,
    publicUrl: undefined,
    leftOut: [],
    hasConsole: true,
    ...changes,
  });
  return (path: string, headers: Record<string, string> = html) => served.ask('GET', path, { headers });
}

test('in development, a browser on this machine sees the demo login, the components and the mails', async () => {
  const ask = open();
  const start = await ask('/');
  expect([start.status, start.headers['cache-control']]).toEqual([200, 'no-store']);
  const missing = '<code>BETTER_AUTH_URL</code> is not set under production. <span class="dim">set the public URL';
  for (const said of ['admin@example.test', 'password-of-admin', 'href="/console"']) expect(start.text).toContain(said);
  for (const said of ['demo@example.test', 'demo-password', 'href="/dev/mail"', '<code>redis</code> ok', missing])
    expect(start.text).toContain(said);
  expect((await ask('/dev/mail')).text).toContain('A code');
  expect((await ask('/dev/mail/1.eml')).text).toContain('secret');
  expect((await ask('/dev/mail/2.eml')).status).toBe(404);
});

test.each([
  ['outside of development', { isDevelopment: false }, html],
  ['through a proxy', {}, { ...html, 'x-forwarded-for': '10.0.0.7' }],
  ['at a name of another site', {}, { ...html, host: 'evil.test' }],
  ['to a script of another origin, listed or not,', {}, { ...html, origin: 'http://localhost:5173' }],
  ['behind a proxy that does not say so', { publicUrl: 'https://auth.example.com' }, html],
])('%s there is a start page without the demo login, and no mails', async (_name, changes, headers) => {
  const ask = open(changes);
  const start = await ask('/', headers);
  expect([start.status, /demo|admin@|dev\/mail|<code>redis/.test(start.text)]).toEqual([200, false]);
  for (const path of ['/dev/mail', '/dev/mail/1.eml'])
    expect([path, (await ask(path, headers)).status]).toEqual([path, 404]);
});

test('a public address that names this machine hides nothing', async () => {
  for (const publicUrl of ['http://localhost:3000', 'http://[::1]:3000/auth'])
    expect((await open({ publicUrl })('/dev/mail')).status).toBe(200);
});

test('with an SMTP server there are no mails to show', async () => {
  const ask = open({ keepsMails: false });
  expect((await ask('/')).text).not.toContain('/dev/mail');
  expect((await ask('/dev/mail')).status).toBe(404);
});

test('a service that is not ready says so', async () =>
  expect((await open({}, false)('/')).text).toContain('one of its parts is unavailable'));

test('a client that accepts no HTML gets 404 as JSON', async () => {
  const { status, body } = await open()('/', { accept: 'application/json' });
  expect([status, body.code]).toEqual([404, 'route_unknown']);
});

test('in development the start page says which wings are left out', async () => {
  expect((await open()('/')).text).not.toContain('SALLYPORT_LEAVE_OUT');
  expect((await open({ leftOut: ['privacy', 'mcp'] })('/')).text).toContain('SALLYPORT_LEAVE_OUT</code> privacy, mcp');
});

test('without the console, neither its address nor its administrator is shown', async () => {
  const start = await open({ hasConsole: false })('/');
  expect([start.status, /console"|admin@example\.test/.test(start.text)]).toEqual([200, false]);
});
