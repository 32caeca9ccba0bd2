import { randomBytes, randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { newPerson, type Person } from '#tools/testing/flows/people.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import {
  type ClientCredentials,
  expectProblem,
  type Received,
  requestText,
  send,
  sendBytes,
} from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { hasWings } from '#tools/testing/processes/child-env.ts';

const harness = opened(openApiHarness);
const sealed = { KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64') };
const copy = opened(() => harness.startCopy({ hashes: false, env: sealed }));
const production = opened(() =>
  harness.startCopy({
    hashes: false,
    env: {
      ...sealed,
      SALLYPORT_PROFILE: 'production',
      RATE_LIMIT_PROFILE: 'default',
      RATE_LIMIT_ADDRESS_PER_MINUTE: '1000000',
      MFA_REQUIRED_ROLES: 'none',
      BETTER_AUTH_URL: 'https://auth.example.test',
    },
  }),
);

/** Ways to write a path that a proxy, or a router, may take for the same. */
const spellingsOf = (path: string): string[] => {
  const [, first = '', ...rest] = path.split('/');
  const tail = rest.join('/');
  const hex = (text: string) => [...text].map((one) => `%${one.charCodeAt(0).toString(16)}`).join('');
  return [
    path,
    `${path}/`,
    `/${path}`,
    `/${first}//${tail}`,
    `/./${first}/${tail}`,
    `/${first}/./${tail}`,
    `/${first}/../${first}/${tail}`,
    `/docs/../${first}/${tail}`,
    `/%2e%2e/${first}/${tail}`,
    `/${first}/%2e/${tail}`,
    `/${first}%2f${tail}`,
    `/${first}%5c${tail}`,
    `/${first}\\${tail}`,
    `/${hex(first)}/${hex(tail)}`,
    path.toUpperCase(),
    `/${first}/${tail.toUpperCase()}`,
    `${path};x`,
    `/${first};x/${tail}`,
    `${path}%00`,
    `${path}%20`,
    `${path}.html`,
    `${path}?x=/docs`,
    `http://localhost:3000${path}`,
    `http://127.0.0.1${path}`,
  ];
};

describe('what helps in development is unknown in production', () => {
  const PATHS = ['/dev/mail', '/dev/mail/1.eml', '/dev/mail/..%2fdev-credentials.json'];
  /** Claims of a local developer, as a request or a careless proxy may make them. */
  const CLAIMS = [
    [],
    ['X-Forwarded-For: 127.0.0.1'],
    ['Forwarded: for=127.0.0.1;host=localhost'],
    ['X-Forwarded-Host: localhost:3000', 'X-Original-URL: /dev/mail'],
  ];

  test.each(PATHS)('%s, in every spelling, by every method, with every claim to be local', async (path) => {
    for (const spelling of spellingsOf(path))
      for (const method of ['GET', 'HEAD', 'POST'])
        for (const claim of CLAIMS) {
          const lines = [...claim, 'Accept: text/html'];
          const text = requestText(method, spelling, lines).replace('Host: sallyport.test', 'Host: localhost:3000');
          const answer = await sendBytes(production.url, text);
          expect([method, spelling, claim, answer?.status]).toEqual([
            method,
            spelling,
            claim,
            expect.toSatisfy((status) => status === 404 || status === 400 || status === 405),
          ]);
          expect(answer?.text).not.toMatch(/\.eml|<h1>Mail/);
        }
  });

  test('the start page names no demo login, no mails and no component', async () => {
    const { status, text } = await send(production.url, 'GET', '/', { headers: { accept: 'text/html' } });
    expect([status, /demo@|dev\/mail|<code>redis/.test(text)]).toEqual([200, false]);
  });
});

describe.runIf(hasWings)('reports of compliance', () => {
  let reader: ClientCredentials;
  let reportId: string;
  const people: Record<string, Person> = {};
  const SECRET = 'only-in-the-bundle';
  const below = (id: string): string[] =>
    ['', '/bundle', '/evidence'].map((tail) => `/v1/compliance/reports/${id}${tail}`);

  beforeAll(async () => {
    reader = await harness.newClient(['compliance:read']);
    for (const role of ['user', 'operator', 'developer', 'qa', 'security_reviewer'])
      people[role] = await newPerson(copy, role === 'user' ? [] : [role]);
    reportId = randomUUID();
    await harness.rows`
      INSERT INTO compliance_reports (id, kind, requested_by, status, progress, ended_at, summary, bundle, sha256, pdf)
      VALUES (${reportId}, 'demand', 'test', 'done', 100, now(),
        '{"pass":1,"fail":0,"error":0,"not_applicable":0,"unknown":0}',
        ${`{"note":"${SECRET}"}\n`}, repeat('a', 64), '%PDF-1.7'::bytea)`;
  });

  test('by a role, client, key or visitor without the permission are refused, in every spelling of the path', async () => {
    const nothing = await harness.newClient([]);
    const manager = await harness.newClient(['compliance:manage']);
    const callers = [
      {},
      { basic: nothing },
      { basic: manager },
      ...Object.values(people).map(({ bearer }) => ({ bearer })),
    ];
    for (const path of below(reportId))
      for (const sent of callers)
        for (const accept of ['application/json', 'application/pdf']) {
          const answer = await send(copy.url, 'GET', path, { ...sent, headers: { accept } });
          expect([401, 403]).toContain(answer.status);
          expect(answer.text).not.toContain(SECRET);
        }
    const credential = Buffer.from(`${nothing.client_id}:${nothing.client_secret}`).toString('base64');
    for (const spelling of spellingsOf(`/v1/compliance/reports/${reportId}/bundle`)) {
      const answer = await sendBytes(copy.url, requestText('GET', spelling, [`Authorization: Basic ${credential}`]));
      expect([spelling, [400, 401, 403, 404].includes(answer?.status ?? 0)]).toEqual([spelling, true]);
      expect(answer?.text).not.toContain(SECRET);
    }
  });

  test('path traversal: an id that is no report’s is refused or unknown, and its text is in no header', async () => {
    for (const id of [
      '..%2f..%2f..%2fetc%2fpasswd',
      '%2e%2e',
      `..%2f${reportId}`,
      `${reportId}%2f..%2f..%2fcontrols`,
      `${reportId}%00`,
      `${reportId}%0d%0aX-Injected:1`,
      `${reportId}"; filename="evil.html`,
      `%7b${reportId}%7d`,
      `urn:uuid:${reportId}`,
      reportId.replaceAll('-', ''),
      "'%20OR%201=1--",
    ])
      for (const path of below(id)) {
        const answer = await send(copy.url, 'GET', path, { basic: reader });
        expect([path, [400, 404].includes(answer.status)]).toEqual([path, true]);
        expect(answer.headers.has('x-injected')).toBe(false);
        expect(answer.headers.get('content-disposition')).toBeNull();
      }
    for (const path of below(randomUUID()))
      expectProblem(await send(copy.url, 'GET', path, { basic: reader }), 404, 'report_unknown');
  });

  test('are downloaded under a name of ours, as what they are, and no browser guesses or keeps them', async () => {
    const asked: [path: string, accept: string, type: RegExp][] = [
      [`/v1/compliance/reports/${reportId}/bundle`, '*/*', /^application\/json/],
      [`/v1/compliance/reports/${reportId}`, 'application/pdf', /^application\/pdf$/],
    ];
    for (const [path, accept, type] of asked) {
      const answer: Received = await send(copy.url, 'GET', path, { basic: reader, headers: { accept } });
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toMatch(type);
      expect(answer.headers.get('content-disposition')).toMatch(
        /^attachment; filename="compliance-[0-9a-f-]{36}\.\w+"$/,
      );
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('cache-control')).toContain('no-store');
    }
  });
});
