import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTestPorts } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { loadConfig } from '../config/load.ts';
import { assertHighWaterPlace, claimHighWaterPlace } from './high-water-place.ts';

const ports = opened(() => openTestPorts({ applicationName: 'sallyport-prepare' }));
let folders: string[];
beforeEach(async () => {
  folders = await Promise.all(['one', 'other'].map((name) => mkdtemp(join(tmpdir(), `sallyport-${name}-`))));
});
afterEach(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

const file = loadConfig({}).marks;
const claim = (at: number, store: 'file' | 's3' = 'file') =>
  claimHighWaterPlace(ports, { ...file, store }, folders[at] as string);
const connected = async (applicationName: string): Promise<boolean> =>
  (
    await ports.raw`SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = ${applicationName}`
  ).length > 0;
/** Opens a connection that looks like a process on this database; the server ends one a moment after its client. */
async function whileRunning(applicationName: string, work: () => Promise<void>): Promise<void> {
  const others = createTestPorts(ports.databaseUrl, { applicationName });
  await others.transact(work);
  await others.end();
  await expect.poll(() => connected(applicationName), { timeout: 10_000 }).toBe(false);
}

test('file marks of a second machine are refused while processes of the first run; the same folder or s3 is accepted', async () => {
  await claim(0);
  await whileRunning('sallyport-main', async () => {
    await claim(0);
    await expect(claim(1)).rejects.toMatchObject({
      problems: [
        { env: 'MARK_STORE', problem: expect.stringContaining('another'), fix: expect.stringContaining('s3') },
      ],
    });
    await claim(1, 's3');
    await claim(0);
  });
});

test('a machine may replace one whose processes have ended, and the old machine is then refused', async () => {
  await claim(0);
  // Command lines are short-lived and keep no marks.
  await whileRunning('sallyport-cli', () => claim(1));
  await whileRunning('sallyport-worker', async () => {
    await expect(claim(0)).rejects.toMatchObject({ name: 'ConfigError' });
  });
});

test('a process beside another folder than the claimed one is refused in production, whether or not others run', async () => {
  const run = (at: number, store: 'file' | 's3' = 'file', profile: 'production' | 'staging' = 'production') =>
    assertHighWaterPlace(ports, { marks: { ...file, store }, server: { profile, dataDir: folders[at] as string } });
  await claim(0);
  await run(0);
  await expect(run(1)).rejects.toMatchObject({
    problems: [
      { env: 'MARK_STORE', problem: expect.stringContaining('another'), fix: expect.stringContaining('migrate') },
    ],
  });
  await run(1, 's3');
  await run(1, 'file', 'staging');
  await claim(1);
  await run(1);
  await expect(run(0)).rejects.toMatchObject({ name: 'ConfigError' });
  await ports.raw`UPDATE feed_state SET mark_place = NULL`;
  await run(0);
});
