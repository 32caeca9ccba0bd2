// For tests only: one writer of keys as a process of its own, which may be killed at any statement.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type AdvancedKeyRing, advanceKeyRing } from '../../domain/keys/advance-key-ring.ts';
import { type RewrapAnswer, rewrapSealedValues } from '../../domain/keys/rewrap-sealed-values.ts';
import { createVault } from '../crypto/vault.ts';
import { dieAt, type KillPoint } from './kill-points.ts';
import { createTestPorts, testCaller } from './ports.ts';
import { queryRows } from './product.ts';

type WriterOptions = {
  readonly url: string;
  readonly work: 'advance' | 'rewrap';
  /** Base64. */
  readonly keyEncryptionKey: string;
  readonly previousKeyEncryptionKey?: string;
  readonly killPoint?: KillPoint;
  /** How wrong the process's own clock is. */
  readonly clockOffsetMs?: number;
};

type WriterAnswer = {
  readonly statements: number;
  readonly advanced?: AdvancedKeyRing;
  readonly rewrap?: RewrapAnswer;
};

/** Runs one writer to its end. Null: it was killed, and nothing of it runs in the database any more. */
export async function runKeyWriter(options: WriterOptions): Promise<WriterAnswer | null> {
  const child = fork(fileURLToPath(import.meta.url), {
    execArgv: [],
    env: { PATH: process.env.PATH, KEY_WRITER: JSON.stringify(options) },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let answer: WriterAnswer | null = null;
  child.on('message', (message: WriterAnswer) => {
    answer = message;
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(`the writer ended with ${signal ?? code}`);
  const sessions = 'SELECT 1 FROM pg_stat_activity WHERE application_name = $1';
  while (signal === 'SIGKILL' && (await queryRows(options.url, sessions, [sessionName(child.pid!)])).length > 0);
  return answer;
}

const sessionName = (pid: number): string => `key-writer-${pid}`;

function moveClock(offsetMs: number): void {
  const Real = Date;
  globalThis.Date = class extends Real {
    constructor(...args: [] | [string | number]) {
      super(args.length === 0 ? Real.now() + offsetMs : args[0]);
    }
    static override now = (): number => Real.now() + offsetMs;
  } as DateConstructor;
}

async function write(options: WriterOptions): Promise<void> {
  const statements = dieAt(options.killPoint ?? null);
  if (options.clockOffsetMs) moveClock(options.clockOffsetMs);
  const vaultKey = (base64: string): Buffer => Buffer.from(base64, 'base64');
  const ports = createTestPorts(options.url, {
    keyEncryptionKey: vaultKey(options.keyEncryptionKey),
    applicationName: sessionName(process.pid),
  });
  const previous = options.previousKeyEncryptionKey;
  const answer =
    options.work === 'advance'
      ? { advanced: await advanceKeyRing({ ...ports, keysChanged: () => {} }, testCaller) }
      : {
          rewrap: await rewrapSealedValues(
            ports,
            { previous: previous === undefined ? undefined : createVault(vaultKey(previous)) },
            testCaller,
          ),
        };
  process.send?.({ statements: statements(), ...answer });
  await ports.end();
  process.disconnect?.();
}

const given = process.env.KEY_WRITER;
if (given !== undefined) await write(JSON.parse(given) as WriterOptions);
