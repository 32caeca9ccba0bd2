import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiCopy } from '#testing/harness/api.ts';
import { type ApiHarness, openApiHarness } from '#testing/harness/api.ts';
import { outcomeOf } from '#testing/outcome.ts';
import { startTcpProxy, type TcpProxy } from '#testing/processes/tcp-proxy.ts';
import { loginFlows } from './refresh-token-harness.ts';

let harness: ApiHarness;
let flows: ReturnType<typeof loginFlows>;
let proxy: TcpProxy;
let remote: ApiCopy;
beforeAll(async () => {
  harness = await openApiHarness();
  proxy = await startTcpProxy(harness.databaseUrl);
  flows = loginFlows(await harness.startCopy());
  remote = await harness.startCopy({ databaseUrl: proxy.url });
});
afterAll(async () => {
  await harness?.close();
  await proxy?.cut();
});

describe('Postgres out of reach', () => {
  test('cut off: 503 with a code, nothing half-rotated, and the same token works once it is back', async () => {
    const logins = await Promise.all(Array.from({ length: 10 }, () => flows.newLogin()));
    await proxy.cut();
    const outcomes = await Promise.all(
      logins.map((login) => outcomeOf(flows.refresh(login.refreshToken, {}, remote.ports))),
    );
    expect(outcomes).toEqual(Array(10).fill('store_unavailable'));
    await proxy.restore();
    for (const login of logins) {
      await expect
        .poll(() => outcomeOf(flows.refresh(login.refreshToken, {}, remote.ports)), { timeout: 20_000 })
        .toBe('ok');
      expect(await flows.generationOf(login.familyId)).toBe(1);
    }
  });

  test('silent: 503 while it still is, and afterwards every client gets its one successor', async () => {
    const logins = await Promise.all(Array.from({ length: 10 }, () => flows.newLogin()));
    await Promise.all(
      (await Promise.all([flows.newLogin(), flows.newLogin()])).map((login) =>
        flows.refresh(login.refreshToken, {}, remote.ports),
      ),
    );
    proxy.freeze();
    const outcomes = await Promise.all(
      logins.map((login) => outcomeOf(flows.refresh(login.refreshToken, {}, remote.ports))),
    );
    expect(outcomes).toEqual(Array(10).fill('store_unavailable'));
    proxy.thaw();
    for (const login of logins) {
      await expect
        .poll(() => outcomeOf(flows.refresh(login.refreshToken, {}, remote.ports)), { timeout: 20_000 })
        .toBe('ok');
      expect(await flows.generationOf(login.familyId)).toBe(1);
    }
  });
});
