import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { targetIdOf } from '#services/core/audit/committed-values.ts';
import { recordProcess, waitForExit } from '#services/platform/local/processes.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { newClient, signIn } from '#tools/testing/flows/flows.ts';
import { queryRows, rawSql } from '#tools/testing/harness/ports.ts';
import { startProductHarness } from '#tools/testing/harness/product.ts';
import { basicHeader, expectProblem, type Json, send } from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { hasWings } from '#tools/testing/processes/child-env.ts';

const harness = opened(() => startProductHarness({ WORKER_COPIES: '1' }));
const product = partOf(() => harness.product);

/** The first event of this session in an open stream; other events are skipped. */
async function loginIn(answer: Response, sessionId: () => string | undefined): Promise<Json> {
  const reader = (answer.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  const seen: Json[] = [];
  for (let text = ''; ; ) {
    const { value, done } = await reader.read();
    if (done) throw new Error('the stream ended before the login came');
    const parts = (text + value).split('\n\n');
    text = parts.pop() ?? '';
    for (const part of parts) {
      const data = /^data: (.*)$/m.exec(part)?.[1];
      if (data !== undefined) seen.push(JSON.parse(data));
    }
    const found = seen.find(({ detail }) => detail.session_id === sessionId());
    if (sessionId() !== undefined && found !== undefined) {
      await reader.cancel();
      return found;
    }
  }
}

test('a running product streams a sign-in that its own workers sealed', async () => {
  const client = await newClient(product, { credential_scopes: ['audit:read'] });
  const answer = await fetch(`${product.api}/v1/admin/events?type=user.login`, {
    headers: { authorization: basicHeader(client) },
    // A busy machine is slow; only an event that never arrives is a failure.
    signal: AbortSignal.timeout(60_000),
  });
  expect(answer.status).toBe(200);
  let sessionId: string | undefined;
  const waiting = loginIn(answer, () => sessionId);
  const login = await signIn(product, product.credentials.user);
  sessionId = login.sessionId;
  const event = await waiting;
  expect(event).toMatchObject({
    type: 'user.login',
    outcome: 'ok',
    target: { kind: 'user', id: login.id },
    detail: { session_id: sessionId, known_device: false },
  });
  expect(event.seq).toBeGreaterThanOrEqual(0);
  expect(Date.parse(event.sealed_at)).toBeGreaterThanOrEqual(Date.parse(event.occurred_at));
});

test.runIf(hasWings)(
  'the dashboard of a running product moves with its sign-ins, and shows its copies and queues',
  async () => {
    const reader = await newClient(product, { credential_scopes: ['monitoring:read'] });
    const stranger = await newClient(product, { credential_scopes: ['audit:read'] });
    const dashboard = async (): Promise<Json> => {
      const shown = await harness.call('GET', '/v1/admin/dashboard', { basic: reader });
      expect(shown.status, shown.text).toBe(200);
      return shown.body;
    };
    const byStranger = await send(product.api, 'GET', '/v1/admin/dashboard', { basic: stranger });
    expectProblem(byStranger, 403, 'permission_missing');
    await eventually('the first count', async () => (await dashboard()).security.state === 'fresh', 120_000);
    const before = (await dashboard()).security.sign_ins;
    await signIn(product, product.credentials.user);
    const wrong = { ...product.credentials.user, password: 'not this one, surely' };
    await send(product.api, 'POST', '/api/auth/signin', { json: wrong });
    const moved = await eventually(
      'the figures to move',
      async () => {
        const now = await dashboard();
        const { succeeded, failed } = now.security.sign_ins;
        const isComplete = now.performance.token_generation.count > 0 && now.resources.queues.length > 0;
        return succeeded > before.succeeded && failed > before.failed && isComplete ? now : undefined;
      },
      120_000,
    );
    // The hour may have turned since the sign-in.
    const newest = moved.security.hours.slice(-2).map((hour: Json) => hour.sign_ins_succeeded);
    expect(Math.max(...newest)).toBeGreaterThan(0);
    expect(moved.performance.token_generation.p99_ms).toBeGreaterThanOrEqual(moved.performance.token_generation.p95_ms);
    const kinds = moved.resources.copies.map(({ kind }: Json) => kind).sort();
    expect(kinds).toEqual(['api', 'worker']);
    for (const copy of moved.resources.copies) {
      expect(copy.memory_bytes).toBeGreaterThan(10_000_000);
      expect(copy.cpu_cores).toBeGreaterThan(0);
      expect(copy.pools.map(({ pool }: Json) => pool)).toContain('main');
    }
    expect(moved.resources.queues.map(({ queue }: Json) => queue)).toContain('monitoring');
  },
  300_000,
);

/** A consumer as WHATWG HTML §9.2 has it: it opens the stream again after each break, with the id of the last message. */
function follow(query: string, headers: Readonly<Record<string, string>>) {
  const ending = new AbortController();
  const seqs: number[] = [];
  let opened = 0;
  let lastId: string | undefined;
  async function readOnce(): Promise<void> {
    const answer = await fetch(`${product.api}/v1/admin/events${query}`, {
      headers: { ...headers, ...(lastId === undefined ? {} : { 'last-event-id': lastId }) },
      signal: ending.signal,
    });
    if (answer.status !== 200) return;
    let text = '';
    for await (const part of (answer.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
      const messages = (text + part).split('\n\n');
      text = messages.pop() ?? '';
      for (const message of messages) {
        if (message.startsWith('retry: ')) opened += 1;
        lastId = /^id: (.*)$/m.exec(message)?.[1] ?? lastId;
        const data = /^data: (.*)$/m.exec(message)?.[1];
        if (data !== undefined) seqs.push(JSON.parse(data).seq);
      }
    }
  }
  const ended = (async () => {
    while (!ending.signal.aborted) {
      await readOnce().catch(() => {});
      await sleep(50);
    }
  })();
  return {
    seqs,
    opened: () => opened,
    stop: async () => {
      ending.abort();
      await ended;
    },
  };
}

// Last: a dashboard also shows the copies that have just ended.
test('an API restarted under open streams: no event is lost or shown twice', async () => {
  const client = await newClient(product, { credential_scopes: ['audit:read'] });
  const headers = { authorization: basicHeader(client) };
  const rows = rawSql<Json>((text, values) => queryRows(harness.databaseUrl)(text, values));
  const newest = async (): Promise<number> => Number((await rows`SELECT max(seq) AS seq FROM audit_events`)[0]?.seq);
  const following = [follow('', headers), follow('', headers), follow('?type=test.while_away', headers)];
  const [first, , ofType] = following as [ReturnType<typeof follow>, unknown, ReturnType<typeof follow>];
  const openAgain = async (times: number): Promise<void> => {
    await eventually('the streams to be open', () => following.every(({ opened }) => opened() >= times));
  };
  /** Events of this type, each about something else. Resolves when they are sealed. */
  async function happen(type: string, count: number): Promise<void> {
    const about = randomUUID();
    await rows`INSERT INTO audit_outbox (type, outcome, actor_kind, target_kind, target_id)
      SELECT ${type}, 'ok', 'system', 'test', ${about} || '-' || n FROM generate_series(1, ${count}::int) n`;
    await eventually('the events to be sealed', async () => {
      const [{ sealed }] = (await rows(
        `SELECT count(*)::int AS sealed FROM audit_events e WHERE type = $1 AND ${targetIdOf('e')} LIKE $2`,
        [type, `${about}-%`],
      )) as [Json];
      return sealed === count;
    });
  }
  await openAgain(1);
  const seenFrom = await eventually('an event in every stream of all', async () => {
    await happen('test.before', 1);
    return (
      first.seqs[0] !== undefined &&
      following[1]?.seqs[0] !== undefined &&
      Math.max(first.seqs[0], following[1].seqs[0])
    );
  });
  // A crash, and a copy that drains: each while events are sent, and some are sealed before it is back.
  for (const [round, signal] of (['SIGKILL', 'SIGTERM'] as const).entries()) {
    const opened = following.map((each) => each.opened());
    const sending = happen('test.meanwhile', 300);
    const api = recordProcess(product.apiPid() as number);
    await eventually('events to be sent', () => first.seqs.length > 1 + round * 300);
    process.kill(api.pid, signal);
    await Promise.all([sending, waitForExit(api, 30_000)]);
    await happen('test.while_away', 3);
    await eventually('the streams to be open again', () =>
      following.every((each, at) => each.opened() > (opened[at] as number)),
    );
  }
  const end = await newest();
  const sealed =
    await rows`SELECT seq::int, type FROM audit_events WHERE seq BETWEEN ${seenFrom} AND ${end} ORDER BY seq`;
  await eventually('the newest event', () => following.slice(0, 2).every(({ seqs }) => (seqs.at(-1) as number) >= end));
  for (const { seqs } of following.slice(0, 2))
    expect(seqs.filter((seq) => seq >= seenFrom && seq <= end)).toEqual(sealed.map(({ seq }) => seq));
  // Before the first break this stream had no event whose place it could give.
  const away = sealed.filter(({ type }) => type === 'test.while_away').map(({ seq }) => seq);
  await eventually('the newest event of the type', () => ofType.seqs.includes(away.at(-1)));
  expect([away.length, ofType.seqs]).toEqual([6, away]);
  await Promise.all(following.map((each) => each.stop()));
});
