import { decodeJwt } from 'jose';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import type { Json, Received } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { openMcpHarness } from './mcp-harness.ts';
import { createProgressStreams } from './progress-streams.ts';

let token: string;
const streams = opened(() => createProgressStreams());
/** Reports that no worker advances: their tasks stay as the test sets them. */
const harness = opened(() => openMcpHarness({}, streams));
beforeAll(async () => {
  token = await harness.tokenOf(['compliance:read', 'compliance:manage']);
});
afterEach(() => eventually('every place to be free', () => streams.count() === 0));

const BEGIN = { name: 'request_compliance_report', arguments: {} };
const ask = (bearer = token, progressToken: unknown = 't') =>
  harness.ask(bearer, 'tools/call', { ...BEGIN, _meta: { progressToken } }, {});
const setReports = (status: string, progress: number) =>
  harness.rows`UPDATE compliance_reports SET status = ${status}, progress = ${progress} WHERE ended_at IS NULL`;

/** A call that waits with a place; sent again where a busy process refused it (503). */
async function follow(bearer: string): Promise<{ readonly answered: Promise<Received> }> {
  for (;;) {
    const answered = ask(bearer);
    const opened = eventually('the place to be taken', () => streams.count() === 1);
    const refused = await Promise.race([opened.then(() => null), answered]);
    if (refused === null) return { answered };
    opened.catch(() => {});
    expect([refused.status, refused.text]).toEqual([503, expect.anything()]);
  }
}

/** Ends every task, as its caller would. */
const endAll = () =>
  harness.rows`UPDATE mcp_tasks SET state = 'cancelled', message = 'Ended.'
    WHERE state IN ('working', 'input_required')`;

test.each(['modern', 'legacy'] as const)(
  'a client of the %s era hears of each step, and then gets the task',
  async (era) => {
    const client = await harness.connect(token, era);
    const steps: Json[] = [];
    const answered = client.callTool(BEGIN, { onprogress: (step) => steps.push(step) });
    const said = (text: string) => eventually(text, () => steps.at(-1)?.message === text);
    await said('The report is queued.');
    await setReports('collecting', 40);
    await said('Reading the controls.');
    await setReports('sealing', 85);
    await said('Sealing the evidence.');
    await endAll();
    expect((await answered).structuredContent).toMatchObject({ status: 'cancelled', message: 'Ended.' });
    expect(steps.map(({ progress }) => progress)).toEqual([0, 40, 85, 100]);
    await client.close();
  },
);

test('a task that is read with a progress token is followed as well', async () => {
  const client = await harness.connect(token);
  const { structuredContent } = await client.callTool(BEGIN);
  const { task_id } = structuredContent as { task_id: string };
  const steps: Json[] = [];
  const read = client.callTool(
    { name: 'read_task', arguments: { task_id } },
    { onprogress: (step) => steps.push(step) },
  );
  await eventually('a step', () => steps.length > 0);
  await client.callTool({ name: 'cancel_task', arguments: { task_id } });
  expect((await read).structuredContent).toMatchObject({ task_id, status: 'cancelled' });
  expect(steps.at(-1)).toMatchObject({ progress: 100, message: 'The caller cancelled the task.' });
  await client.close();
});

test('a client that goes away frees its place before the task ends', async () => {
  const client = await harness.connect(token);
  await new Promise((onprogress) => client.callTool(BEGIN, { onprogress }).catch(() => {}));
  expect(streams.count()).toBe(1);
  await client.close();
  // Far less than the time after which any place is free.
  await eventually('the place to be free', () => streams.count() === 0, 20_000);
});

test('a caller that has its places taken is answered at once, without progress', async () => {
  const four = Array.from({ length: 4 }, () => ask());
  await eventually('four places to be taken', () => streams.count() === 4);
  const fifth = await ask();
  expect(fifth.headers.get('content-type')).toMatch('application/json');
  expect(fifth.body.result.structuredContent).toMatchObject({ status: 'working' });
  await endAll();
  for (const answer of await Promise.all(four)) {
    expect(answer.headers.get('content-type')).toMatch('text/event-stream');
    expect(answer.text).toMatch(/notifications\/progress.*"structuredContent"/s);
  }
});

test('a caller that loses access meanwhile gets an error in place of the task', async () => {
  const lost = await harness.tokenOf(['compliance:manage']);
  const { answered } = await follow(lost);
  const { client_id } = decodeJwt(lost) as { client_id: string };
  await harness.rows`UPDATE oauth_clients SET disabled = true WHERE "clientId" = ${client_id}`;
  const { text } = await answered;
  expect(text).toMatch(/"code":"unauthenticated".*"isError":true/s);
  expect(text).not.toContain('task_id');
});

test('messages that only look like a request for progress are answered as ever', async () => {
  for (const odd of [null, {}, [], true]) {
    const { status } = await ask(token, odd);
    expect(status).toBeLessThan(500);
  }
});

test('a process that stops answers how far the task is, and opens no more', async () => {
  const { answered } = await follow(token);
  streams.close();
  expect((await answered).text).toMatch(/"status":"working".*read_task/s);
  const next = await ask();
  expect(next.body.result.structuredContent).toMatchObject({ status: 'working' });
});
