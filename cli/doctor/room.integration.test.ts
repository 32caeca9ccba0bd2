import { expect, onTestFinished, test } from 'vitest';
import { queryRows } from '#tools/testing/harness/ports.ts';
import { openCliHarness } from '../cli-harness.ts';

test('fails with a fix on a database that refuses to write', async () => {
  const { ports, sallyport, close } = await openCliHarness();
  onTestFinished(close);
  const postgres = async (): Promise<unknown> => {
    const { checks } = JSON.parse((await sallyport(['doctor', '--json'])).out);
    return checks.find(({ name }: { name: string }) => name === 'postgres');
  };
  expect(await postgres()).toMatchObject({ evidence: expect.stringMatching(/^version \d+, .*(?<!read-only)$/) });
  const database = new URL(ports.databaseUrl).pathname.slice(1);
  await queryRows(ports.databaseUrl, `ALTER DATABASE "${database}" SET default_transaction_read_only = on`);
  expect(await postgres()).toMatchObject({
    result: 'fail',
    evidence: expect.stringMatching(/^version \d+, .*; it is read-only$/),
    fix: expect.stringContaining('default_transaction_read_only'),
  });
});
