import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findS3Gateway } from '#tools/testing/processes/s3-gateway.ts';
import { type CliHarness, openCliHarness } from '../../../cli/cli-harness.ts';
import type { FaultSite } from './fault.ts';
import { objectStoreFaults } from './object-stores.ts';

const program = findS3Gateway();
if (program === undefined) console.warn('SKIPPED: a lost object store: no Go here to build its server with');

describe.skipIf(program === undefined)('the fault that takes the object store away', () => {
  let harness: CliHarness;
  let folder: string;
  beforeAll(async () => {
    harness = await openCliHarness();
    folder = mkdtempSync(join(tmpdir(), 'sallyport-lost-store-'));
  });
  afterAll(async () => {
    await harness?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const lose = (sallyport: CliHarness['sallyport']): Promise<string> =>
    objectStoreFaults[0]!.run({ system: { folder, sallyport } } as unknown as FaultSite);

  test('a backup is refused while the store is lost, and whole after', async () =>
    expect(await lose(harness.sallyport)).toBe('refused while lost, whole and verified after'));

  test.each([
    ['whole', 'a backup says that a lost store has it'],
    ['torn', 'a backup ended with 0, and its verification with 1'],
  ])('is violated by a backup that says it was made, and is %s by its own account', async (said, violated) => {
    const lying: CliHarness['sallyport'] = async (args) =>
      args[1] === 'verify' && said === 'torn'
        ? { code: 1, out: '', err: '' }
        : { code: 0, out: '{"whole":true}', err: '' };
    await expect(lose(lying)).rejects.toThrow(violated);
  });
});
