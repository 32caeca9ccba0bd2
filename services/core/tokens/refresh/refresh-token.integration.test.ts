import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiCopy } from '#tools/testing/harness/api.ts';
import { type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { startTcpProxy, type TcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { familyFlows } from './refresh-token-harness.ts';

let harness: ApiHarness;
let flows: ReturnType<typeof familyFlows>;
let proxy: TcpProxy;
let remote: ApiCopy;
beforeAll(async () => {
  harness = await openApiHarness();
  proxy = await startTcpProxy(harness.databaseUrl);
  flows = familyFlows(await harness.startCopy());
  remote = await harness.startCopy({ databaseUrl: proxy.url });
});
afterAll(async () => {
  await harness?.close();
  await proxy?.cut();
});

describe('while Postgres is unreachable', () => {
  test('connections refused: a refresh is 503, no family is half rotated, and the same token works afterwards', async () => {
    const families = await Promise.all(Array.from({ length: 10 }, () => flows.newFamily()));
    await proxy.cut();
    const outcomes = await Promise.all(
      families.map((family) => outcomeOf(flows.refresh(family.refresh_token, {}, remote.ports))),
    );
    expect(outcomes).toEqual(Array(10).fill('store_unavailable'));
    await proxy.restore();
    for (const family of families) {
      await expect
        .poll(() => outcomeOf(flows.refresh(family.refresh_token, {}, remote.ports)), { timeout: 20_000 })
        .toBe('ok');
      expect(await flows.generationOf(family.family_id)).toBe(1);
    }
  });

  test('connections hang: a refresh is 503, and afterwards every client gets its one successor', async () => {
    const families = await Promise.all(Array.from({ length: 10 }, () => flows.newFamily()));
    await Promise.all(
      (await Promise.all([flows.newFamily(), flows.newFamily()])).map((family) =>
        flows.refresh(family.refresh_token, {}, remote.ports),
      ),
    );
    proxy.freeze();
    const outcomes = await Promise.all(
      families.map((family) => outcomeOf(flows.refresh(family.refresh_token, {}, remote.ports))),
    );
    expect(outcomes).toEqual(Array(10).fill('store_unavailable'));
    proxy.thaw();
    for (const family of families) {
      await expect
        .poll(() => outcomeOf(flows.refresh(family.refresh_token, {}, remote.ports)), { timeout: 20_000 })
        .toBe('ok');
      expect(await flows.generationOf(family.family_id)).toBe(1);
    }
  });
});
