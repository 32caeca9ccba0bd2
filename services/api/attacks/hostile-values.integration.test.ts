import { afterEach, describe, expect, test } from 'vitest';
import {
  bodiesOf,
  expectRefused,
  fieldsOf,
  formOperations,
  isNoFault,
  JSON_TYPE,
  jsonOperations,
  sendTo,
  textPlaces,
} from '#tools/testing/fixtures/hostile-bodies.ts';
import { startProductHarness } from '#tools/testing/harness/product.ts';
import { expectErrorForm, expectProblem, type Received } from '#tools/testing/http-client.ts';
import type { Operation } from '#tools/testing/openapi-check.ts';
import { opened } from '#tools/testing/opened.ts';
import { hasWings } from '#tools/testing/processes/child-env.ts';

const harness = opened(startProductHarness);
afterEach(() => harness.expectUnharmed());

type Work<T> = (each: T) => Promise<void>;

/** Independent requests: the product answers one while the test checks another. */
async function atOnce<T>(cases: readonly T[], work: Work<T>): Promise<void> {
  const outcomes = await Promise.allSettled(cases.map(work));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

async function inTurn<T>(cases: readonly T[], work: Work<T>): Promise<void> {
  for (const each of cases) await work(each);
}

/**
 * Registration reads what it understands and names each problem in its own format (RFC 7591 §2, §3.2.2):
 * client-metadata.test.ts. A heartbeat is for agents, and this caller is none.
 * A webhook has what its sender says, and is refused here for its signature. The console passes a body on to the
 * operation that it is for.
 */
const strictOperations = (): Operation[] =>
  jsonOperations(harness).filter(
    ({ operationId }) =>
      !['selfRegisterClient', 'recordHeartbeat', 'receiveLegacyWebhook'].includes(operationId) &&
      !operationId.endsWith('AsConsole'),
  );

describe('values of the wrong type', () => {
  const WRONG: readonly unknown[] = [
    null,
    0,
    -1,
    1e308,
    true,
    [],
    ['x'],
    [[]],
    {},
    { not: '' },
    { $ne: 1 },
    { toString: 'x' },
  ];

  test('every member of every endpoint refuses a value of another type: 400 that names the place (Prisma operators, GHSA-w2qp-rph6-63g4)', async () => {
    let count = 0;
    for (const operation of strictOperations())
      for (const { at, put, isNullable } of textPlaces(operation)) {
        const values = WRONG.filter((each) => each !== null || !isNullable);
        await atOnce(values, async (value) => {
          const answer = await sendTo(harness, operation, { json: put(value) });
          expect([operation.operationId, at, value, answer.status]).toEqual([operation.operationId, at, value, 400]);
          expectProblem(answer, 400, 'request_invalid');
          expect(answer.body.problems).toHaveLength(1);
          count += 1;
        });
      }
    expect(count).toBeGreaterThan(hasWings ? 200 : 80);
  });

  test('every endpoint refuses a body whose root is not an object', async () => {
    for (const operation of jsonOperations(harness)) {
      const texts = [
        ...'null 0 true "x" [] [{}] "" {}x {'.split(' '),
        "{'a':1}",
        '{"a":1,}',
        'undefined',
        'NaN',
        '\ufeff',
        ' ',
      ];
      await atOnce(texts, async (text) => {
        const answer = await sendTo(harness, operation, { body: text, headers: JSON_TYPE });
        expectRefused([operation.operationId, text], answer);
      });
    }
  });

  test('unknown members are refused and named, never silently dropped', async () => {
    for (const operation of strictOperations()) {
      const [body] = bodiesOf(operation);
      await atOnce(['role', 'emailVerified', 'tenantId', 'is_admin', 'sub', 'client_id ', ''], async (extra) => {
        const answer = await sendTo(harness, operation, { json: { ...body, [extra]: 'x' } });
        expect([operation.operationId, extra, answer.status, answer.body.code]).toEqual([
          operation.operationId,
          extra,
          400,
          'request_invalid',
        ]);
      });
    }
  });
});

/** Texts that users read instead of an error code; submitted text must not appear in them unescaped. */
const isShownPage = ({ headers }: Received): boolean => headers.get('content-type')?.startsWith('text/html') === true;

describe('hostile text', () => {
  const HARMFUL = [
    ['ReDoS', `${'a'.repeat(60_000)}!`],
    ['ReDoS with dots', `${'a.'.repeat(30_000)}!`],
    ['ReDoS of an address', `${'a'.repeat(30_000)}@${'b.'.repeat(14_000)}`],
    ['spaces', ' '.repeat(60_000)],
    ['NUL', 'a\u0000b'],
    ['lone high surrogate', 'a\ud800'],
    ['lone low surrogate', '\udc00a'],
    ['CRLF and ANSI', 'a\r\n{"level":"fatal","msg":"planted-line"}\u001b[2J'],
    ['bidirectional override', '\u202eabc'],
    ['SQL', "' OR 1=1; DROP TABLE users;--"],
    ['path', '../../../../etc/passwd'],
    ['template', '{{7*7}}<%= 7*7 %>#{7*7}'],
    ['script', '<script>alert(1)</script>'],
  ] as const;

  test('in any member of any endpoint gets an answer below 500, and no error echoes it', async () => {
    for (const operation of jsonOperations(harness)) {
      const isLogin = operation.path.startsWith('/api/auth/');
      const textual = textPlaces(operation);
      // When all hashes are requested at once, the last may wait too long: 503.
      const send = textual.some(({ at }) => /password$/i.test(at)) ? inTurn : atOnce;
      for (const { at, put } of textual) {
        // Each value would be hashed; the schema bounds them, and identity has its own tests.
        if (isLogin && /password$/.test(at)) continue;
        await send(HARMFUL, async ([name, value]) => {
          const answer = await sendTo(harness, operation, { json: put(value) });
          expect([operation.operationId, at, name, answer.status]).toEqual([
            operation.operationId,
            at,
            name,
            expect.toSatisfy(isNoFault),
          ]);
          if (answer.status >= 400) expectErrorForm(answer);
          expect(answer.text.length).toBeLessThan(4_000);
          if (value.length < 100)
            expect(answer.text, `${operation.operationId} ${at} ${name}`).not.toContain(
              JSON.stringify(value).slice(1, -1),
            );
        });
      }
    }
  });

  test('in any field of any form gets the same', async () => {
    for (const operation of formOperations(harness))
      for (const field of fieldsOf(operation)) {
        const wellFormed = HARMFUL.filter(([, text]) => text.isWellFormed());
        await atOnce(wellFormed, async ([name, value]) => {
          const form = new URLSearchParams({
            grant_type: 'refresh_token',
            token: 'x',
            refresh_token: 'x',
            [field]: value,
          });
          const answer = await sendTo(harness, operation, { form: form.toString() });
          expect([operation.operationId, field, name, answer.status]).toEqual([
            operation.operationId,
            field,
            name,
            expect.toSatisfy(isNoFault),
          ]);
          if (isShownPage(answer))
            expect(answer.text, `${operation.operationId} ${field} ${name}`).not.toContain(value);
          else if (answer.status >= 400) expectErrorForm(answer);
        });
        const raws = [
          `${field}=%`,
          `${field}=%zz`,
          `${field}=%ff%fe`,
          `${field}=%ed%a0%80`,
          `${field}=%00`,
          `${field}[]=x`,
          `${field}[a]=x`,
          `${field}&${field}`,
        ];
        await atOnce(raws, async (raw) => {
          const answer = await sendTo(harness, operation, { form: `grant_type=refresh_token&token=x&${raw}` });
          expect([operation.operationId, raw, answer.status]).toEqual([
            operation.operationId,
            raw,
            expect.toSatisfy(isNoFault),
          ]);
        });
      }
  });

  test('100 KB in one member is refused as too large, whatever it contains', async () => {
    // Batches, encrypted values, files of users and reports of a monitoring system may be larger.
    const isLarger = /batch$|\/phi\/decrypt$|\/admin\/imports(\/rehearse)?$|\/alertmanager$/;
    for (const operation of jsonOperations(harness).filter(({ path }) => !isLarger.test(path))) {
      const [place] = textPlaces(operation);
      const answer = await sendTo(harness, operation, {
        json: place ? place.put(`${'a'.repeat(100_000)}!`) : { x: 'a'.repeat(100_000) },
      });
      // A file of users may come by the console; a caller without a session is refused before the body is read.
      if (operation.operationId.endsWith('AsConsole')) expectProblem(answer, 403, 'origin_refused');
      else expectProblem(answer, 413, 'body_too_large');
    }
  });
});
