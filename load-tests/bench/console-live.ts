import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { launchChromium } from '#tools/testing/harness/browser.ts';
import type { Bench, BenchContext, Figure } from '../lib/bench.ts';
import { cookieHeader, signInAtConsole } from '../lib/console-session.ts';
import { requireClean, streamOf } from '../lib/generator.ts';
import { LatencyHistogram, type LatencySummary } from '../lib/latency-histogram.ts';
import type { LoadResult } from '../lib/load-loop.ts';
import type { Product } from '../lib/product.ts';
import { alternate, medianOf } from '../lib/rounds.ts';
import { Viewers } from '../lib/viewers.ts';
import type { Viewed } from '../lib/viewers-process.ts';
import { LARGE, largeProduct } from './large-product.ts';
import { demoUserId, fill, warmUp } from './setup.ts';

/** In Chromium is one viewer, and all others read as its page does. */
const VIEWERS = 50;
/** A user may have five streams. */
const VIEWERS_OF_A_USER = 5;
const EVENTS_PER_SECOND = 200;
const VALIDATES_PER_SECOND = 200;
const CONNECTIONS = 32;
/** As many as a pause of half a second leaves waiting. */
const ISSUING_CONNECTIONS = 128;
const WARM_UP_SECONDS = 5;
const LEAST_SECONDS = 20;
const LAST_EVENTS_MS = 3_000;
const EVENT_TO_CONSOLE_MS = 1_000;
const VALIDATE_RATIO = 1.25;

type Query = <R extends pg.QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<R[]>;

/** Users who may read the log, each signed in at the console; returns their `Cookie` headers. */
async function signInViewers({ api }: Product, query: Query): Promise<string[]> {
  const cookies: string[] = [];
  for (let at = 0; at < VIEWERS / VIEWERS_OF_A_USER; at += 1) {
    const login = {
      email: `viewer-${randomBytes(6).toString('hex')}@example.test`,
      password: randomBytes(18).toString('base64url'),
    };
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${api}/api/auth/signup`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ ...login, name: 'Viewer' }),
    });
    if (answer.status !== 201) throw new Error(`sign-up answered ${answer.status}: ${await answer.text()}`);
    await query(`INSERT INTO user_roles (user_id, role) SELECT id, 'auditor' FROM users WHERE email = $1`, [
      login.email,
    ]);
    cookies.push(cookieHeader(await signInAtConsole(api, login)));
  }
  return cookies;
}

/** What the page shows, by the number of the event, and when it was there by the clock of this machine. */
const WATCH = `(() => {
  globalThis.shownAt = [];
  const note = (node) => {
    for (const link of node.querySelectorAll?.('a[href^="/console/audit/"]') ?? [])
      shownAt.push([Number(link.getAttribute('href').slice('/console/audit/'.length)), Date.now()]);
  };
  new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach(note)))
    .observe(document.querySelector('main'), { childList: true, subtree: true });
})()`;

type Page = { readonly begin: () => Promise<void>; readonly end: () => Promise<LatencySummary> };

/** The page of live events in Chromium. */
async function openPage(
  context: BenchContext,
  product: Product,
  cookies: ReadonlyMap<string, string>,
  query: Query,
): Promise<Page> {
  const browser = await launchChromium();
  context.onClose(() => browser.close());
  const visitor = await browser.newContext({ baseURL: product.api });
  await visitor.addCookies([...cookies].map(([name, value]) => ({ name, value, url: product.api })));
  const page = await visitor.newPage();
  return {
    begin: async () => {
      await page.goto('/console/stream');
      await page.locator('.badge', { hasText: 'live' }).waitFor();
      await page.evaluate(WATCH);
    },
    end: async () => {
      const shown = await page.evaluate<[number, number][]>('shownAt');
      await page.goto('about:blank');
      const happened = await query<{ seq: number; ms: number }>(
        `SELECT seq::float8 AS seq, extract(epoch FROM occurred_at)::float8 * 1000 AS ms FROM audit_events WHERE seq = ANY($1)`,
        [shown.map(([seq]) => seq)],
      );
      const times = new Map(happened.map(({ seq, ms }) => [seq, ms]));
      const latency = new LatencyHistogram();
      for (const [seq, ms] of shown) {
        const happenedMs = times.get(seq);
        if (happenedMs === undefined) throw new Error(`the page shows the event ${seq}, which the log does not have`);
        latency.record(ms - happenedMs);
      }
      if (shown.length === 0) throw new Error('the page showed no event');
      return latency.summary();
    },
  };
}

type Watched = { readonly viewed: Viewed; readonly shown: LatencySummary };
type Measured = LoadResult & { readonly eventsPerSecond: number; readonly watched: Watched | null };

async function run(context: BenchContext): Promise<readonly Figure[]> {
  const product = await largeProduct(context);
  const { api, apiPid, credentials } = product;
  const database = new pg.Client({ connectionString: credentials.database_url });
  await database.connect();
  context.onClose(() => database.end());
  const query: Query = async (text, values = []) => (await database.query(text, [...values])).rows;
  const users = await signInViewers(product, query);
  const cookies = users.flatMap((cookie) => Array.from({ length: VIEWERS_OF_A_USER }, () => cookie)).slice(1);
  const page = await openPage(context, product, await signInAtConsole(api, credentials.admin), query);
  const pairs = { kind: 'issue', client: credentials.client, userId: await demoUserId(product) } as const;
  await fill(context, 'live-tokens', 1_000, { ...pairs, collect: 'live-tokens', member: 'access_token' }, { product });
  // The cheapest request that is an event of the log, so that the machine has its time for the viewers.
  const tokens = { kind: 'client_credentials', client: credentials.client } as const;
  await fill(context, 'live-warm', 1_000, tokens, { product });
  await warmUp(context, { api, pid: apiPid }, { kind: 'validate', stock: 'live-tokens' }, CONNECTIONS);
  const issuing = context.generatorBeside();
  const seconds = Math.max(LEAST_SECONDS, context.seconds);

  async function load(): Promise<Omit<Measured, 'watched'>> {
    const spec = { warmUpSeconds: WARM_UP_SECONDS, seconds };
    const arrival = { kind: 'open', connections: CONNECTIONS } as const;
    const [validated, issued] = await Promise.all([
      context.generator().run({
        ...spec,
        pid: apiPid,
        streams: [
          {
            name: 'validate',
            api,
            workload: { kind: 'validate', stock: 'live-tokens' },
            arrival: { ...arrival, perSecond: VALIDATES_PER_SECOND },
          },
        ],
      }),
      issuing.run({
        ...spec,
        streams: [
          {
            name: 'issue',
            api,
            workload: tokens,
            arrival: { ...arrival, connections: ISSUING_CONNECTIONS, perSecond: EVENTS_PER_SECOND },
          },
        ],
      }),
    ]);
    requireClean(issued, true);
    return { ...requireClean(validated), eventsPerSecond: streamOf(issued).okPerSecond };
  }

  const rounds = await alternate<'alone' | 'watched', Measured>(
    context.rounds,
    {
      alone: async () => ({ ...(await load()), watched: null }),
      watched: async () => {
        const viewers = new Viewers();
        try {
          await viewers.open(api, cookies);
          await page.begin();
          await viewers.begin();
          const result = await load();
          await sleep(LAST_EVENTS_MS);
          return { ...result, watched: { shown: await page.end(), viewed: await viewers.end() } };
        } finally {
          viewers.close();
        }
      },
    },
    (round, { alone, watched }) =>
      context.say(
        `round ${round}: event to viewers p99 ${watched.watched?.viewed.latency.p99Ms.toFixed(0)} ms, in Chromium ${watched.watched?.shown.p99Ms.toFixed(0)} ms; validate p99 ${p99Of(watched).toFixed(2)} against ${p99Of(alone).toFixed(2)} ms`,
      ),
  );
  return figuresOf(rounds);
}

const p99Of = (result: LoadResult): number => streamOf(result, 'validate').latency.p99Ms;

function figuresOf(rounds: readonly { readonly alone: Measured; readonly watched: Measured }[]): Figure[] {
  const all = [...rounds];
  const of = (value: (watched: Watched) => number): number =>
    medianOf(all, ({ watched }) => value(watched.watched as Watched));
  const rate = medianOf(all, ({ watched }) => watched.eventsPerSecond);
  const at = `at ${rate.toFixed(0)} events/s with ${VIEWERS} viewers, ${LARGE}`;
  const measured = { viewers: VIEWERS, validatesPerSecond: VALIDATES_PER_SECOND, rounds };
  const viewers = of(({ viewed }) => viewed.latency.p99Ms);
  return [
    {
      name: `from an event to the viewers of the console ${at}, p99`,
      unit: 'ms',
      value: viewers,
      target: { atMost: EVENT_TO_CONSOLE_MS },
      measured,
      detail: `p50 ${of(({ viewed }) => viewed.latency.p50Ms).toFixed(0)} ms, most ${of(({ viewed }) => viewed.latency.maxMs).toFixed(0)} ms`,
    },
    {
      name: `from an event to its row on the page in Chromium ${at}, p99`,
      unit: 'ms',
      value: of(({ shown }) => shown.p99Ms),
      target: { atMost: EVENT_TO_CONSOLE_MS },
      measured: {},
      detail: `p50 ${of(({ shown }) => shown.p50Ms).toFixed(0)} ms, ${of(({ shown }) => shown.count).toFixed(0)} rows`,
    },
    {
      name: `events that a viewer got twice or not at all ${at}`,
      unit: 'events',
      value: Math.max(...all.map(({ watched }) => watched.watched?.viewed.wrong ?? 0)),
      target: { atMost: 0 },
      measured: {},
      detail: `of ${of(({ viewed }) => viewed.latency.count).toFixed(0)} that the viewers got`,
    },
    {
      name: `validate at ${VALIDATES_PER_SECOND}/s: p99 with ${VIEWERS} viewers ÷ without, ${LARGE}`,
      unit: 'p99 ratio',
      value: medianOf(all, ({ alone, watched }) => p99Of(watched) / p99Of(alone)),
      target: { atMost: VALIDATE_RATIO },
      measured: {},
      detail: `p99 ${medianOf(all, ({ watched }) => p99Of(watched)).toFixed(2)} ms against ${medianOf(all, ({ alone }) => p99Of(alone)).toFixed(2)} ms; ${rate.toFixed(0)} events/s in both`,
    },
  ];
}

export const consoleLive: Bench = {
  name: 'console-live',
  about: 'from an event to 50 viewers of the console, and validate meanwhile, on a large installation',
  run,
};
