import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench, BenchContext, Figure } from '../lib/bench.ts';
import { type Answer, HttpConnection, requestBytes } from '../lib/http-connection.ts';
import type { Product } from '../lib/product.ts';
import { median } from '../lib/rounds.ts';
import { accounts, LOAD_PASSWORD } from './setup.ts';

/** Of each kind (ASVS 5.0 6.3.8). */
const TRIES = 500;
/** Few enough an account that none is locked, and that every one of them is still sent its mail. */
const TRIES_PER_ACCOUNT = 4;

type Question = {
  readonly name: string;
  readonly path: string;
  readonly body: (email: string) => object;
  readonly status: number;
};

const login: Question = {
  name: 'login',
  path: '/api/auth/signin',
  body: (email) => ({ email, password: 'not the right one, surely' }),
  status: 401,
};
const reset: Question = {
  name: 'reset',
  path: '/api/auth/request-password-reset',
  body: (email) => ({ email }),
  status: 200,
};
/** Alike only where an address must be proved first. */
const signUp: Question = {
  name: 'sign-up',
  path: '/api/auth/signup',
  body: (email) => ({ email, password: LOAD_PASSWORD, name: 'Load' }),
  status: 200,
};

type Timed = { readonly status: number; readonly body: string; readonly ms: number };

/** What must be alike; the trace id names the request alone. */
const comparable = ({ status, body }: Timed): string =>
  `${status} ${body.replaceAll(/"trace_id":"[0-9a-f]+"/g, '"trace_id":""')}`;

function timedPosts(api: string): { post(path: string, body: object): Promise<Timed>; close(): void } {
  const url = new URL(api);
  const connection = new HttpConnection(url);
  return {
    post: (path, body) =>
      new Promise((done, fail) => {
        const request = requestBytes('POST', url, path, { 'content-type': 'application/json' }, JSON.stringify(body));
        const sentMs = performance.now();
        connection.send(request, (answer: Answer | Error) => {
          if (answer instanceof Error) return fail(answer);
          done({ status: answer.status, body: answer.body.toString(), ms: performance.now() - sentMs });
        });
      }),
    close: () => connection.close(),
  };
}

async function ask(
  context: BenchContext,
  { api }: Product,
  emails: readonly string[],
  { name, path, body, status }: Question,
): Promise<Figure> {
  const posts = timedPosts(api);
  const times = { known: [] as number[], unknown: [] as number[] };
  const answers = new Set<string>();
  // In pairs, the first of which changes: what drifts meets both alike.
  for (let at = 0; at < TRIES; at += 1) {
    const pair = [
      ['known', emails[at % emails.length]!],
      ['unknown', `unknown-${randomUUID()}@example.test`],
    ] as const;
    for (const [kind, email] of at % 2 === 0 ? pair : pair.toReversed()) {
      const answer = await posts.post(path, body(email));
      if (answer.status !== status)
        throw new Error(`${name}, ${kind}: ${answer.status} ${answer.body.slice(0, 200)} after ${at} pairs`);
      times[kind].push(answer.ms);
      answers.add(comparable(answer));
    }
    if (at % 100 === 99) context.say(`${name}: ${at + 1} of ${TRIES} pairs`);
  }
  posts.close();
  if (answers.size > 1) throw new Error(`the answers differ: ${[...answers].join(' | ')}`);
  const knownMs = median(times.known);
  const unknownMs = median(times.unknown);
  return {
    name: `${name}: known against unknown account, medians apart`,
    unit: 'ms',
    value: Math.abs(knownMs - unknownMs),
    target: { atMost: 5 },
    measured: { tries: TRIES, knownMs, unknownMs, times },
    detail: `${knownMs.toFixed(2)} ms against ${unknownMs.toFixed(2)} ms, ${TRIES} tries each, same answer`,
  };
}

export const loginTiming: Bench = {
  name: 'login-timing',
  about: 'login, reset and sign-up for a known account against an unknown one: same answer, same time',
  async run(context) {
    const dataDir = mkdtempSync(join(tmpdir(), 'sallyport-timing-'));
    context.onClose(() => rmSync(dataDir, { recursive: true, force: true }));
    const open = await context.start({}, { dataDir });
    const stock = await accounts(context, open, Math.ceil(TRIES / TRIES_PER_ACCOUNT));
    const emails = await context.generator().take(stock);
    const figures = [await ask(context, open, emails, login), await ask(context, open, emails, reset)];
    await open.stop();
    const strict = await context.start({ REQUIRE_EMAIL_VERIFICATION: 'true' }, { dataDir });
    return [...figures, await ask(context, strict, emails, signUp)];
  },
};
