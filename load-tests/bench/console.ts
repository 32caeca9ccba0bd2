import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, BrowserContext, Request } from 'playwright-core';
import { launchChromium } from '#tools/testing/harness/browser.ts';
import type { Bench, BenchContext, Figure } from '../lib/bench.ts';
import { CONSOLE_HEADERS, cookieHeader, signInAtConsole } from '../lib/console-session.ts';
import { LatencyHistogram } from '../lib/latency-histogram.ts';
import type { Product } from '../lib/product.ts';
import { LARGE, largeProduct } from './large-product.ts';

/** Of each page; the first one is not counted, because a new process still compiles its code. */
const VISITS = 21;
const DASHBOARD_READS = 200;
const FIRST_VIEW_MS = 1_000;
const DATA_MS = 150;
const PATIENCE_MS = 60_000;
const SETTLE_MS = 20;

const USER = '00000000-0000-4000-8000-000000004711';

/** The pages of what a large installation has much of, also as a search and with filters: those reads could be slow. */
const PAGES: readonly string[] = [
  '/console',
  '/console/people',
  '/console/people?q=user47',
  '/console/people?role=user',
  '/console/people?status=disabled',
  `/console/people/${USER}`,
  '/console/sessions',
  '/console/sessions?client=sallyport',
  '/console/sessions?show=ended',
  '/console/roles',
  '/console/clients',
  '/console/clients/sallyport',
  '/console/api-keys',
  '/console/applications',
  '/console/incidents',
  '/console/keys',
  '/console/audit',
  '/console/audit?type=user.login',
  `/console/audit?target=user:${USER}`,
  '/console/audit/4711',
  '/console/compliance',
];

type Read = { readonly path: string; readonly ms: number; readonly status: number };

/** Requests for data that a page has sent, by the browser's own clock. */
const READS = `performance.getEntriesByType('resource')
  .filter(({ name }) => name.includes('/console/api/'))
  .map(({ name, duration, responseStatus }) => ({
    path: new URL(name).pathname.slice('/console/api'.length) + new URL(name).search, ms: duration, status: responseStatus }))`;

/** From the navigation until the page has its heading and all of its data. */
async function visit(
  context: BrowserContext,
  path: string,
): Promise<{ readonly shownMs: number; readonly reads: Read[] }> {
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const pending = new Set<Request>();
  page.on('request', (request) => pending.add(request));
  page.on('requestfinished', (request) => pending.delete(request));
  page.on('requestfailed', (request) => pending.delete(request));
  await page.goto(path, { waitUntil: 'commit' });
  await page.getByRole('heading', { level: 1 }).waitFor();
  const shownMs = await page.evaluate<number>('performance.now()');
  while (pending.size > 0 || (await page.locator('.loading').count()) > 0) await sleep(SETTLE_MS);
  const reads = await page.evaluate<Read[]>(READS);
  await page.close();
  const failed = reads.find(({ status }) => status !== 200);
  if (failed) throw new Error(`${path}: ${failed.path} answered ${failed.status}`);
  return { shownMs, reads };
}

async function asAdministrator(browser: Browser, { api }: Product, cookies: ReadonlyMap<string, string>) {
  const context = await browser.newContext({ baseURL: api });
  await context.addCookies([...cookies].map(([name, value]) => ({ name, value, url: api })));
  return context;
}

/** The first page of a browser that has nothing of the console yet, until its heading is shown. */
async function firstViews(browser: Browser, product: Product, cookies: ReadonlyMap<string, string>) {
  const times = new LatencyHistogram();
  for (let at = 0; at < VISITS; at += 1) {
    const context = await asAdministrator(browser, product, cookies);
    const { shownMs } = await visit(context, '/console');
    await context.close();
    if (at > 0) times.record(shownMs);
  }
  return times.summary();
}

async function dataOfPages(
  context: BenchContext,
  browser: Browser,
  product: Product,
  cookies: ReadonlyMap<string, string>,
) {
  const visitor = await asAdministrator(browser, product, cookies);
  const times = new Map<string, LatencyHistogram>();
  for (const path of PAGES) {
    for (let at = 0; at < VISITS; at += 1)
      for (const { path: read, ms } of (await visit(visitor, path)).reads) {
        const histogram = times.get(read) ?? new LatencyHistogram();
        times.set(read, histogram);
        if (at > 0) histogram.record(ms);
      }
    context.say(`visited ${path}`);
  }
  await visitor.close();
  return [...times]
    .map(([read, histogram]) => ({ read, ...histogram.summary() }))
    .filter(({ count }) => count > 0)
    .sort(slowestFirst);
}

/** One read after another, without a browser. */
async function readAlone({ api }: Product, cookies: ReadonlyMap<string, string>, read: string, count: number) {
  const times = new LatencyHistogram();
  for (let at = 0; at < count; at += 1) {
    const startedAt = performance.now();
    const headers = { ...CONSOLE_HEADERS, cookie: cookieHeader(cookies) };
    const answer = await fetch(`${api}/console/api${read}`, { headers });
    await answer.arrayBuffer();
    if (answer.status !== 200) throw new Error(`${read} answered ${answer.status}`);
    times.record(performance.now() - startedAt);
  }
  return { read, ...times.summary() };
}

type ReadTimes = Awaited<ReturnType<typeof readAlone>>;
const slowestFirst = (one: ReadTimes, other: ReadTimes): number => other.p95Ms - one.p95Ms;
const shownOf = (reads: readonly ReadTimes[]): string =>
  reads
    .slice(0, 5)
    .map(({ read, p95Ms }) => `${read} ${p95Ms.toFixed(0)} ms`)
    .join(', ');

async function run(context: BenchContext): Promise<readonly Figure[]> {
  const product = await largeProduct(context);
  const cookies = await signInAtConsole(product.api, product.credentials.admin);
  const browser = await launchChromium();
  context.versions.chromium = browser.version();
  try {
    const first = await firstViews(browser, product, cookies);
    const reads = await dataOfPages(context, browser, product, cookies);
    await browser.close();
    const alone: ReadTimes[] = [];
    for (const { read } of reads) alone.push(await readAlone(product, cookies, read, VISITS - 1));
    alone.sort(slowestFirst);
    const dashboards = await readAlone(product, cookies, '/v1/admin/dashboard', DASHBOARD_READS);
    const [slowest, slowestAlone] = [reads[0], alone[0]];
    if (slowest === undefined || slowestAlone === undefined) throw new Error('no page has asked for data');
    return [
      {
        name: `first view of the console in Chromium, ${LARGE}, p95`,
        unit: 'ms',
        value: first.p95Ms,
        target: { atMost: FIRST_VIEW_MS },
        measured: first,
        detail: `p50 ${first.p50Ms.toFixed(0)} ms; a browser without a cache, until the heading is shown`,
      },
      {
        name: `slowest read of ${PAGES.length} addresses of the console, ${LARGE}, p95`,
        unit: 'ms',
        value: slowest.p95Ms,
        target: { atMost: DATA_MS },
        measured: reads,
        detail: `of ${reads.length} reads, ${VISITS - 1} visits of each address; slowest: ${shownOf(reads)}`,
      },
      {
        name: `slowest of the same reads without a browser beside it, ${LARGE}, p95`,
        unit: 'ms',
        value: slowestAlone.p95Ms,
        target: { atMost: DATA_MS },
        measured: alone,
        detail: `${VISITS - 1} of each, one after another; slowest: ${shownOf(alone)}`,
      },
      {
        name: `GET /v1/admin/dashboard through the console, ${LARGE}, p95`,
        unit: 'ms',
        value: dashboards.p95Ms,
        target: { atMost: DATA_MS },
        measured: dashboards,
        detail: `p50 ${dashboards.p50Ms.toFixed(1)} ms, p99 ${dashboards.p99Ms.toFixed(1)} ms of ${DASHBOARD_READS} reads`,
      },
    ];
  } finally {
    await browser.close();
  }
}

export const consolePages: Bench = {
  name: 'console',
  about: 'first view and data of the pages of the console in Chromium, on a large installation',
  run,
};
