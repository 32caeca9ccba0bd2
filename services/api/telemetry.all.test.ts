// About: observability/
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { repositoryRoot } from '#services/platform/local/data-dir.ts';
import { eventually } from '#tools/testing/eventually.ts';
import {
  claimsIn,
  clientToken,
  issueFor,
  newPassword,
  refresh,
  revoke,
  signIn,
  signUp,
  tampered,
} from '#tools/testing/flows/flows.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { expectProblem, type Received, requestText, send, sendBytes } from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { ORIGIN, openTelemetryHarness, PLANTED, series } from './telemetry-harness.ts';

const harness = opened(openTelemetryHarness);
const stores = partOf(() => harness.stores);
const product = partOf(() => harness.product);

const sumOf = (text: string, name: string, labels: Record<string, string>): number =>
  series(text)
    .filter(
      (line) =>
        line.startsWith(`${name}{`) &&
        Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`)),
    )
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);

describe('one trace from the request to its audit row', () => {
  const traced = () => {
    const traceId = randomBytes(16).toString('hex');
    return {
      traceId,
      headers: {
        traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
        tracestate: 'evil=1',
        baggage: 'user=canary-baggage',
      },
    };
  };
  const auditTraces = async (where: string): Promise<string[]> =>
    (
      await queryRows(stores.databaseUrl)<{ traceparent: string }>(
        `SELECT traceparent FROM audit_outbox WHERE ${where} ORDER BY id DESC LIMIT 5`,
      )
    ).map(({ traceparent }) => traceparent.split('-')[1]!);

  test('an incoming traceparent keeps its trace id: in the answer, in the audit row and in the exported span', async () => {
    const one = traced();
    const answer = await send(product.api, 'POST', '/api/auth/signin', {
      json: { email: 'unknown@example.test', password: newPassword() },
      headers: one.headers,
    });
    expectProblem(answer, 401, 'login_refused');
    expect(answer.body.trace_id).toBe(one.traceId);
    expect(await auditTraces(`traceparent LIKE '00-${one.traceId}-%'`)).toEqual([one.traceId]);
    await eventually('a span', () => harness.exported('traces').includes(Buffer.from(one.traceId, 'hex')));
    // Its child spans may be exported first.
    await eventually('the span under the caller’s', () =>
      harness.exported('traces').includes(Buffer.from('00f067aa0ba902b7', 'hex')),
    );
  });

  test('without one, the trace id of the answer is the one in its audit event', async () => {
    const answer = await send(product.api, 'POST', '/api/auth/signin', {
      json: { email: 'other@example.test', password: newPassword() },
    });
    expect(await auditTraces(`type = 'user.login'`)).toContain(answer.body.trace_id);
    const { tokens } = await signUp(product);
    const denied = await send(product.api, 'POST', '/v1/tokens', {
      bearer: tokens.access_token,
      json: { user_id: 'x' },
    });
    expect(await auditTraces(`type = 'token.issued' AND outcome = 'refused'`)).toEqual([denied.body.trace_id]);
  });

  test('group commit keeps its members apart: each refresh has its own trace in its own row', async () => {
    const person = await signUp(product);
    const logins = await Promise.all(
      Array.from({ length: 12 }, async () => ({ pair: await issueFor(product, person.id), ...traced() })),
    );
    await Promise.all(
      logins.map(({ pair, headers }) =>
        send(product.api, 'POST', '/v1/tokens/refresh', { json: { refresh_token: pair.refresh_token }, headers }),
      ),
    );
    for (const { pair, traceId } of logins)
      expect(
        await auditTraces(`type = 'token.refreshed' AND target_id = '${claimsIn(pair.access_token).fid}'`),
      ).toEqual([traceId]);
  });
});

describe('metrics', () => {
  test('count what a scripted run did, by route and by cause', async () => {
    const person = await signUp(product);
    const before = await harness.metricsText();
    const pair = await issueFor(product, person.id);
    const validate = (token: string): Promise<Received> =>
      send(product.api, 'POST', '/v1/tokens/validate', { json: { token } });
    for (let count = 0; count < 4; count += 1) await validate(pair.access_token);
    await validate(tampered(pair.access_token));
    const second = (await refresh(product, pair.refresh_token)).body;
    await refresh(product, pair.refresh_token);
    await refresh(product, second.refresh_token);
    await refresh(product, pair.refresh_token);
    await refresh(product, 'rubbish');
    await clientToken(product);
    await send(product.api, 'POST', '/api/auth/signin', {
      json: { email: person.email, password: 'not the right one' },
    });
    const after = await harness.metricsText();
    const moved = (name: string, labels: Record<string, string>): number =>
      sumOf(after, name, labels) - sumOf(before, name, labels);
    expect(moved('sallyport_token_validations_total', { result: 'active', reason: 'none' })).toBe(4);
    expect(moved('sallyport_token_validations_total', { reason: 'bad_signature' })).toBe(1);
    expect(moved('sallyport_token_refreshes_total', { outcome: 'rotated' })).toBe(2);
    expect(moved('sallyport_token_refreshes_total', { outcome: 'grace' })).toBe(1);
    expect(moved('sallyport_token_refreshes_total', { outcome: 'replay' })).toBe(1);
    expect(moved('sallyport_token_refreshes_total', { outcome: 'malformed' })).toBe(1);
    expect(moved('sallyport_tokens_issued_total', { grant: 'client_credentials', outcome: 'ok' })).toBe(1);
    expect(moved('sallyport_logins_total', { outcome: 'refused' })).toBe(1);
    const route = { method: 'POST', route: '/v1/tokens/validate', status: '200' };
    expect(moved('http_server_request_duration_seconds_count', route)).toBe(5);
    expect(moved('http_server_request_duration_seconds_count', { route: '/v1/tokens/refresh', status: '401' })).toBe(2);
    expect(sumOf(after, 'http_server_active_requests', {})).toBe(0);
  });

  test('gain no series from random paths, methods, users and tokens', async () => {
    const noise = async (): Promise<void> => {
      await Promise.all(
        Array.from({ length: 60 }, () => send(product.api, 'GET', `/${randomBytes(6).toString('hex')}`)),
      );
      await Promise.all(
        Array.from({ length: 60 }, () =>
          send(product.api, 'GET', `/v1/tokens/${randomBytes(6).toString('hex')}`, {
            basic: product.credentials.client,
          }),
        ),
      );
      await sendBytes(product.api, requestText('PROPFIND', `/${randomBytes(6).toString('hex')}`));
      await sendBytes(product.api, requestText('PURGE', '/v1/keys'));
      await refresh(product, (await issueFor(product, (await signUp(product)).id)).refresh_token);
    };
    const keys = async (): Promise<string[]> =>
      series(await harness.metricsText())
        .map((line) => line.slice(0, line.lastIndexOf(' ')))
        .sort();
    await noise();
    let known = await keys();
    // The first event of a kind may be counted late, by a worker; random values would add series in every round.
    await eventually('a round without a new series', async () => {
      await noise();
      const before = known;
      known = await keys();
      return known.join('\n') === before.join('\n');
    });
    expect(known.length).toBeLessThan(2_000);
  });

  test('count requests that could not be decided', async () => {
    const { tokens } = await signIn(product, product.credentials.user);
    const unavailable = async (): Promise<number> =>
      sumOf(await harness.metricsText(), 'sallyport_token_validations_total', { result: 'unavailable' });
    const before = await unavailable();
    const thaw = stores.freezePostgres();
    try {
      await eventually('a refusal', async () => {
        const { status } = await send(product.api, 'POST', '/v1/tokens/validate', {
          json: { token: tokens.access_token },
        });
        return status === 503;
      });
    } finally {
      thaw();
    }
    expect(await unavailable()).toBe(before + 1);
    await eventually('readiness', harness.isReady);
  });

  test('are exported by OTLP too', async () => {
    await eventually('metrics at the collector', () =>
      harness.exported('metrics').includes('sallyport_token_validations'),
    );
    expect(harness.exported('metrics').includes('http.server.request.duration')).toBe(true);
  });
});

describe('a defect', () => {
  test('is a 500 with a code and a trace id, without stack or SQL; its log line has the same trace id; nothing was issued', async () => {
    const person = await signUp(product);
    const families = (): Promise<unknown[]> => queryRows(stores.databaseUrl)`SELECT id FROM refresh_families`;
    const before = await families();
    await queryRows(stores.databaseUrl)`ALTER TABLE audit_outbox RENAME TO audit_outbox_gone`;
    let broken: Received[];
    try {
      broken = [
        await send(product.api, 'POST', '/v1/tokens', {
          basic: product.credentials.client,
          json: { user_id: person.id },
        }),
        await send(product.api, 'POST', '/api/auth/signin', { json: person }),
        await send(product.api, 'POST', '/oauth2/token', {
          basic: product.credentials.client,
          form: { grant_type: 'client_credentials' },
        }),
        await refresh(product, person.tokens.refresh_token),
        await revoke(product, { token: person.tokens.access_token }),
        await send(product.api, 'POST', '/api/auth/signout', { cookie: person.cookie, headers: { origin: ORIGIN } }),
      ].filter(({ status }) => status !== 400);
    } finally {
      await queryRows(stores.databaseUrl)`ALTER TABLE audit_outbox_gone RENAME TO audit_outbox`;
    }
    for (const answer of broken) {
      expect([500, 503]).toContain(answer.status);
      expect(answer.text).not.toMatch(/audit_outbox|relation|INSERT|SELECT|\bat \/|node_modules|\.ts:/);
      if (answer.status === 500) {
        expect(answer.body.code).toBe('internal_error');
        await eventually('its log line', () =>
          product
            .output()
            .split('\n')
            .some((line) => line.includes('"level":"error"') && line.includes(answer.body.trace_id)),
        );
      }
    }
    expect(broken.some(({ status }) => status === 500)).toBe(true);
    expect(await families()).toEqual(before);
    // The earlier token family is unchanged.
    expect((await refresh(product, person.tokens.refresh_token)).status).toBe(200);
    expect((await send(product.api, 'GET', '/api/auth/session', { cookie: person.cookie })).status).toBe(200);
  });

  test('is logged and reported with the files and lines of our sources, though a bundle runs', async () => {
    const answer = await send(product.api, 'POST', '/api/auth/signin', {
      json: { email: PLANTED, password: newPassword() },
    });
    expectProblem(answer, 500, 'internal_error');
    const logged = await eventually('its log line', () =>
      product
        .output()
        .split('\n')
        .find((line) => line.includes('"level":"error"') && line.includes(answer.body.trace_id)),
    );
    const { err } = JSON.parse(logged) as { err: { type: string; stack: string[] } };
    expect(err.type).toBe('TypeError');
    const own = err.stack.flatMap((frame) => {
      const [, file, line] = /\/((?:services|observability)\/[\w/.-]+\.ts):(\d+):\d+\)?$/.exec(frame) ?? [];
      return file === undefined ? [] : [{ file, line: Number(line) }];
    });
    expect(own.length, err.stack.join('\n')).toBeGreaterThan(2);
    expect(err.stack.join('\n')).not.toContain('/dist/');
    for (const { file, line } of own) {
      const text = readFileSync(join(repositoryRoot, file), 'utf8').split('\n')[line - 1];
      expect(text, `${file}:${line}`).toMatch(/\w\(|await /);
    }
    const reported = await eventually('its report', () =>
      harness
        .sentryText()
        .split('\n')
        .find((text) => text.includes(answer.body.trace_id) && text.includes('"frames"')),
    );
    for (const { file, line } of own)
      expect(reported).toMatch(new RegExp(`"filename":"${file}"[^}]*"lineno":${line}\\b`));
  });
});
