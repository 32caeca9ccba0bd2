import { randomUUID } from 'node:crypto';
import type { Bench } from '../lib/bench.ts';
import { type Answer, HttpConnection, requestBytes } from '../lib/http-connection.ts';
import { median } from '../lib/rounds.ts';
import { accounts } from './setup.ts';

/** Of each kind. */
const tries = 300;
/** Few enough wrong passwords an account that none is locked. */
const triesPerAccount = 4;

type Login = { readonly status: number; readonly body: string; readonly ms: number };

/** What must be alike; the trace id names the request alone. */
const comparable = ({ status, body }: Login): string =>
  `${status} ${body.replaceAll(/"trace_id":"[0-9a-f]+"/g, '"trace_id":""')}`;

export const loginTiming: Bench = {
  name: 'login-timing',
  about: 'a wrong password for a known account against an unknown account: same answer, same time',
  async run(context) {
    const product = await context.product();
    const stock = await accounts(context, product, Math.ceil(tries / triesPerAccount));
    const emails = await context.generator().take(stock);
    const url = new URL(product.api);
    const connection = new HttpConnection(url);
    const logIn = (email: string): Promise<Login> =>
      new Promise((done, fail) => {
        const request = requestBytes(
          'POST',
          url,
          '/api/auth/signin',
          { 'content-type': 'application/json' },
          JSON.stringify({ email, password: 'not the right one, surely' }),
        );
        const sentMs = performance.now();
        connection.send(request, (answer: Answer | Error) => {
          if (answer instanceof Error) return fail(answer);
          done({ status: answer.status, body: answer.body.toString(), ms: performance.now() - sentMs });
        });
      });
    const times = { known: [] as number[], unknown: [] as number[] };
    const answers = new Set<string>();
    // In pairs, the first of which changes: what drifts meets both alike.
    for (let at = 0; at < tries; at += 1) {
      const pair = [
        ['known', emails[at % emails.length]!],
        ['unknown', `nobody-${randomUUID()}@example.test`],
      ] as const;
      for (const [kind, email] of at % 2 === 0 ? pair : pair.toReversed()) {
        const login = await logIn(email);
        if (login.status !== 401) throw new Error(`${kind}: ${login.status} ${login.body.slice(0, 200)}`);
        times[kind].push(login.ms);
        answers.add(comparable(login));
      }
      if (at % 50 === 49) context.say(`${at + 1} of ${tries} pairs`);
    }
    connection.close();
    if (answers.size > 1) throw new Error(`the answers differ: ${[...answers].join(' | ')}`);
    const knownMs = median(times.known);
    const unknownMs = median(times.unknown);
    return [
      {
        name: 'login: known against unknown account, medians apart',
        unit: 'ms',
        value: Math.abs(knownMs - unknownMs),
        target: { atMost: 5 },
        measured: { tries, knownMs, unknownMs, times },
        detail: `${knownMs.toFixed(2)} ms against ${unknownMs.toFixed(2)} ms, ${tries} tries each, same answer`,
      },
    ];
  },
};
