// For tests only: the work of a job as a process of its own, which may be killed at any statement.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type MaintainedOutbox, maintainAuditOutbox } from '../../../domain/audit/maintain-audit-outbox.ts';
import { deliverMails } from '../../../domain/identity/mail/deliver-mail.ts';
import { sessionPurges } from '../../../domain/identity/session-purges.ts';
import { type AdvancedKeyRing, advanceKeyRing } from '../../../domain/keys/advance-key-ring.ts';
import { createKeyRing } from '../../../domain/keys/key-ring.ts';
import { type RewrapAnswer, rewrapSealedValues } from '../../../domain/keys/rewrap-sealed-values.ts';
import { purge } from '../../../domain/purge.ts';
import { type DetectionResult, detectIncidents } from '../../../domain/security/detect-incidents.ts';
import { tokenPurges } from '../../../domain/tokens/clean-up-expired-tokens.ts';
import { loadConfig } from '../../config/load.ts';
import { createVault } from '../../crypto/vault.ts';
import { createFileOutbox } from '../../mail/file-outbox.ts';
import { takeFence } from '../../queue/fences.ts';
import { createTestPorts, type TestPorts, testCaller } from '../ports.ts';
import { queryRows } from '../rows.ts';
import { childEnv } from './child-env.ts';
import { dieAt, type KillPoint } from './kill-points.ts';

type WorkOptions = {
  readonly url: string;
  readonly work: 'advance' | 'rewrap' | 'purge' | 'maintain' | 'detect' | 'deliver';
  /** Where mails are delivered to. */
  readonly mailFolder?: string;
  /** Base64. */
  readonly keyEncryptionKey?: string;
  readonly previousKeyEncryptionKey?: string;
  readonly killPoint?: KillPoint;
  /** How wrong the process's own clock is. */
  readonly clockOffsetMs?: number;
};

type WorkAnswer = {
  readonly statements: number;
  readonly advanced?: AdvancedKeyRing;
  readonly rewrap?: RewrapAnswer;
  readonly purged?: number;
  readonly maintained?: MaintainedOutbox;
  readonly detected?: DetectionResult;
  readonly delivered?: number;
};

/** Runs the work in a process to its end. Null: it was killed, and nothing of it runs in the database any more. */
export async function runKillable(options: WorkOptions): Promise<WorkAnswer | null> {
  const child = fork(fileURLToPath(import.meta.url), {
    execArgv: [],
    env: { ...childEnv(), KILLABLE_WORK: JSON.stringify(options) },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let answer: WorkAnswer | null = null;
  child.on('message', (message: WorkAnswer) => {
    answer = message;
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(`the process ended with ${signal ?? code}`);
  const sessions = 'SELECT 1 FROM pg_stat_activity WHERE application_name = $1';
  while (signal === 'SIGKILL' && (await queryRows(options.url, sessions, [sessionName(child.pid!)])).length > 0);
  return answer;
}

const sessionName = (pid: number): string => `killable-${pid}`;

function moveClock(offsetMs: number): void {
  const Real = Date;
  globalThis.Date = class extends Real {
    constructor(...args: [] | [string | number]) {
      super(args.length === 0 ? Real.now() + offsetMs : args[0]);
    }
    static override now = (): number => Real.now() + offsetMs;
  } as DateConstructor;
}

const never = new AbortController().signal;

const tellingPurges = [...tokenPurges, ...sessionPurges].filter(({ kind }) => ['families', 'sessions'].includes(kind));

async function done(ports: TestPorts, options: WorkOptions): Promise<Omit<WorkAnswer, 'statements'>> {
  const previous = options.previousKeyEncryptionKey;
  switch (options.work) {
    case 'advance':
      return { advanced: await advanceKeyRing({ ...ports, keysChanged: () => {} }, testCaller) };
    case 'rewrap':
      return {
        rewrap: await rewrapSealedValues(
          ports,
          { previous: previous === undefined ? undefined : createVault(Buffer.from(previous, 'base64')) },
          testCaller,
        ),
      };
    case 'maintain':
      return { maintained: await maintainAuditOutbox(ports, { outboxDays: 3 }, never) };
    case 'detect': {
      const keyRing = createKeyRing(ports, loadConfig({}).keys);
      const mailer = { publicUrl: 'https://api.sallyport.test', wake: () => {} };
      return { detected: await detectIncidents({ ...ports, keyRing, mailer }, { signal: never }, testCaller) };
    }
    case 'deliver': {
      const mailTransport = createFileOutbox(options.mailFolder as string, 'Sallyport <no-reply@sallyport.test>');
      const fence = await takeFence(ports.sql, 'deliver-mail');
      return { delivered: (await deliverMails({ ...ports, mailTransport }, { fence, signal: never })).taken };
    }
    case 'purge':
      // Those whose rows are counted or tell others when they go; the rest is the same statement without.
      return { purged: (await purge(ports, tellingPurges)).removed };
  }
}

async function work(options: WorkOptions): Promise<void> {
  const statements = dieAt(options.killPoint ?? null);
  if (options.clockOffsetMs) moveClock(options.clockOffsetMs);
  const ports = createTestPorts(options.url, {
    ...(options.keyEncryptionKey ? { keyEncryptionKey: Buffer.from(options.keyEncryptionKey, 'base64') } : {}),
    applicationName: sessionName(process.pid),
  });
  const answer = await done(ports, options);
  process.send?.({ statements: statements(), ...answer });
  await ports.end();
  process.disconnect?.();
}

const given = process.env.KILLABLE_WORK;
if (given !== undefined) await work(JSON.parse(given) as WorkOptions);
