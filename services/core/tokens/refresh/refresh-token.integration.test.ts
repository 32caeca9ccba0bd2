import { describe, expect, test } from 'vitest';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { familyFlows } from './refresh-token-harness.ts';

const harness = opened(openApiHarness);
const proxy = opened(() => startTcpProxy(harness.databaseUrl));
const flows = opened(async () => familyFlows(await harness.startCopy()));
const remote = opened(() => harness.startCopy({ databaseUrl: proxy.url }));

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
