// For tests only: a database, a data directory, and the command line running on both.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type OwnPorts, openTestPorts } from '../tools/testing/harness/stores.ts';
import type { Json } from '../tools/testing/http-client.ts';
import { type CliRun, runCli } from '../tools/testing/processes/run-cli.ts';

/** Key-encryption key of every run. */
export const KEK = Buffer.alloc(32, 5);

type Env = Readonly<Record<string, string>>;

export type CliHarness = {
  readonly ports: OwnPorts;
  readonly dataDir: string;
  /** @param env settings of this run alone */
  sallyport(args: readonly string[], env?: Env): Promise<CliRun>;
  /** Runs a command that must succeed, and returns what it prints with --json. */
  json(args: readonly string[], env?: Env): Promise<Json>;
  close(): Promise<void>;
};

/** Opens a harness, one per test file. @param env settings of every run */
export async function openCliHarness(env: Env = {}): Promise<CliHarness> {
  const ports = await openTestPorts({ keyEncryptionKey: KEK });
  const dataDir = await mkdtemp(join(tmpdir(), 'sallyport-cli-'));
  const every = {
    DATABASE_URL: ports.databaseUrl,
    SALLYPORT_DATA_DIR: dataDir,
    KEY_ENCRYPTION_KEY: KEK.toString('base64'),
    ...env,
  };
  const sallyport: CliHarness['sallyport'] = (args, own) => runCli(args, { ...every, ...own });
  return {
    ports,
    dataDir,
    sallyport,
    json: async (args, own) => {
      const { code, out, err } = await sallyport([...args, '--json'], own);
      expect(code, err).toBe(0);
      return JSON.parse(out);
    },
    close: async () => {
      await ports.end();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
