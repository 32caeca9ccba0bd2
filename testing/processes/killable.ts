// For tests only: the work of a job as a process of its own, which may be killed at any statement.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { MaintainedOutbox } from '#services/domain/audit/maintain-audit-outbox.ts';
import type { AdvancedKeyRing } from '#services/domain/keys/advance-key-ring.ts';
import type { RewrapAnswer } from '#services/domain/keys/secrets/rewrap-sealed-values.ts';
import type { Marks } from '#services/domain/ports.ts';
import type { DetectionResult } from '#services/domain/security/detect-incidents.ts';
import { createTestPorts, queryRows, type TestPorts, testCaller } from '../harness/ports.ts';
import { childEnv } from './child-env.ts';
import { dieAt, type KillPoint } from './kill-points.ts';

type WorkOptions = {
  readonly url: string;
  readonly work: keyof typeof works;
  /** Where mails or logout tokens are delivered to. */
  readonly mailFolder?: string;
  /** Base64. */
  readonly keyEncryptionKey?: string;
  readonly previousKeyEncryptionKey?: string;
  readonly killPoint?: KillPoint;
  /** Offset of the process's clock, in ms. */
  readonly clockOffsetMs?: number;
};

type Done = {
  readonly advanced?: AdvancedKeyRing;
  readonly rewrap?: RewrapAnswer;
  readonly purged?: number;
  readonly maintained?: MaintainedOutbox;
  readonly detected?: DetectionResult;
  readonly delivered?: number;
  readonly rotated?: true;
  readonly processed?: true;
  readonly reported?: number;
};
type WorkAnswer = Done & { readonly statements: number };

type Killable = {
  /** Starts the work. Null: the process was killed, and none of its statements runs in the database. */
  run(options: WorkOptions): Promise<WorkAnswer | null>;
  /** Ends a process whose work was never started. */
  end(): void;
};

/** A process that loads the work and waits to be started. */
function prepareKillable(name: WorkOptions['work']): Killable {
  const child = fork(fileURLToPath(import.meta.url), {
    execArgv: [],
    env: { ...childEnv(), KILLABLE_WORK: name },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  return {
    async run(options) {
      let answer: WorkAnswer | null = null;
      child.on('message', (message: WorkAnswer) => {
        answer = message;
      });
      child.send(options);
      const [code, signal] = await exit;
      if (signal !== 'SIGKILL' && code !== 0) throw new Error(`the process ended with ${signal ?? code}`);
      const sessions = 'SELECT 1 FROM pg_stat_activity WHERE application_name = $1';
      while (signal === 'SIGKILL' && (await queryRows(options.url, sessions, [sessionName(child.pid!)])).length > 0);
      return answer;
    },
    end: () => void child.kill('SIGKILL'),
  };
}

/** Runs the work in a process to its end. Null: it was killed, and none of its statements runs in the database. */
export const runKillable = (options: WorkOptions): Promise<WorkAnswer | null> =>
  prepareKillable(options.work).run(options);

type KilledRun = { readonly killPoint: KillPoint; run(): Promise<WorkAnswer | null> };

/**
 * Runs of the work that are killed before its first statement, its second …, then after each of them, until one comes
 * to its end: its answer is not null. While the test looks at what one has left, the next process starts.
 */
export async function* killedEverywhere(options: Omit<WorkOptions, 'killPoint'>): AsyncGenerator<KilledRun> {
  let next = prepareKillable(options.work);
  try {
    for (const moment of ['before', 'after'] as const) {
      let isOver = false;
      for (let statement = 1; !isOver; statement += 1) {
        const killPoint = { statement, moment };
        const run = async (): Promise<WorkAnswer | null> => {
          const answer = await next.run({ ...options, killPoint });
          isOver = answer !== null;
          if (!isOver || moment === 'before') next = prepareKillable(options.work);
          return answer;
        };
        yield { killPoint, run };
      }
    }
  } finally {
    next.end();
  }
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

/** Each work imports only its own modules: a process starts for every statement at which it can be killed. */
const works = {
  async advance() {
    const { advanceKeyRing } = await import('#services/domain/keys/advance-key-ring.ts');
    return async (ports: TestPorts): Promise<Done> => ({
      advanced: await advanceKeyRing({ ...ports, keysChanged: () => {} }, testCaller),
    });
  },
  async rewrap() {
    const { rewrapSealedValues } = await import('#services/domain/keys/secrets/rewrap-sealed-values.ts');
    const { createVault } = await import('#services/platform/crypto/vault.ts');
    return async (ports: TestPorts, { previousKeyEncryptionKey: key }: WorkOptions): Promise<Done> => {
      const previous = key === undefined ? undefined : createVault(Buffer.from(key, 'base64'));
      return { rewrap: await rewrapSealedValues(ports, { previous }, testCaller) };
    };
  },
  async maintain() {
    const { maintainAuditOutbox } = await import('#services/domain/audit/maintain-audit-outbox.ts');
    return async (ports: TestPorts): Promise<Done> => ({
      maintained: await maintainAuditOutbox(ports, { outboxDays: 3 }, never),
    });
  },
  async detect() {
    const { createKeyRing } = await import('#services/domain/keys/key-ring.ts');
    const { detectIncidents } = await import('#services/domain/security/detect-incidents.ts');
    const { loadConfig } = await import('#services/platform/config/load.ts');
    return async (ports: TestPorts): Promise<Done> => {
      const keyRing = createKeyRing(ports, loadConfig({}).keys);
      const mailer = { publicUrl: 'https://api.sallyport.test', wake: () => {} };
      return { detected: await detectIncidents({ ...ports, keyRing, mailer }, { signal: never }, testCaller) };
    };
  },
  async report() {
    const { advanceReports } = await import('#services/domain/compliance/reports/advance-reports.ts');
    const { twoControls } = await import('#services/domain/compliance/reports/report-harness.ts');
    const { createLogSigner, readLogKeys } = await import('#services/domain/keys/log/log-keys.ts');
    const { loadConfig } = await import('#services/platform/config/load.ts');
    return async (ports: TestPorts): Promise<Done> => {
      const checked = {
        ...ports,
        logSigner: createLogSigner(ports),
        auditLogKeys: (origin: string) => readLogKeys(ports, origin),
        // What the two controls do not look at.
        marks: { read: async () => null, raise: async (marks: Marks) => marks },
        logMark: {
          read: async () => null,
          readEarlier: async () => [],
          swap: async () => true,
          follow: async () => true,
        },
        config: loadConfig({}),
        installation: {
          database: { isLocal: true, asksForTls: false },
          redis: { isLocal: true, asksForTls: false },
          newestBackup: async () => undefined,
          redactLine: (line: string) => line,
          ownAddresses: [],
          purges: [],
        },
        renderReport: async () => Buffer.from('pdf'),
      };
      const caller = { ...testCaller, kind: 'system', name: 'test' } as const;
      return { reported: await advanceReports(checked, { signal: never, controls: twoControls }, caller) };
    };
  },
  async deliver() {
    const { deliverMails } = await import('#services/domain/identity/mail/deliver-mail.ts');
    const { createFileOutbox } = await import('#services/platform/mail/file-outbox.ts');
    const { takeFence } = await import('#services/platform/queue/fences.ts');
    return async (ports: TestPorts, { mailFolder }: WorkOptions): Promise<Done> => {
      const mailTransport = createFileOutbox(mailFolder as string, 'Sallyport <no-reply@sallyport.test>');
      const fence = await takeFence(ports.sql, 'deliver-mail');
      return { delivered: (await deliverMails({ ...ports, mailTransport }, { fence, signal: never })).taken };
    };
  },
  async rotatePhi() {
    const { rotateEncryptionKeys } = await import('#services/domain/privacy/rotate-encryption-keys.ts');
    const { takeFence } = await import('#services/platform/queue/fences.ts');
    return async (ports: TestPorts): Promise<Done> => {
      const fence = await takeFence(ports.sql, 'rotate-encryption-keys');
      const caller = testCaller as typeof testCaller & { readonly kind: 'system' };
      const run = { fence, signal: never, progress: async () => {}, caller };
      await rotateEncryptionKeys(ports, { rotationDays: 90 }, run);
      return { rotated: true };
    };
  },
  async privacyRequests() {
    const { processPrivacyRequests } = await import('#services/domain/privacy/access/privacy-requests.ts');
    const { createPhiKeys } = await import('#services/domain/privacy/phi-keys.ts');
    const { takeFence } = await import('#services/platform/queue/fences.ts');
    return async (ports: TestPorts): Promise<Done> => {
      const fence = await takeFence(ports.sql, 'process-privacy-requests');
      const caller = testCaller as typeof testCaller & { readonly kind: 'system' };
      const own = { ...ports, phiKeys: createPhiKeys(ports.vault) };
      await processPrivacyRequests(own, { fence, signal: never, caller });
      return { processed: true };
    };
  },
  async retention() {
    const { implementDataRetentionPolicies } = await import('#services/domain/privacy/retention/retention.ts');
    const { takeFence } = await import('#services/platform/queue/fences.ts');
    return async (ports: TestPorts): Promise<Done> => {
      const fence = await takeFence(ports.sql, 'apply-retention');
      const caller = testCaller as typeof testCaller & { readonly kind: 'system' };
      await implementDataRetentionPolicies(ports, { fence, signal: never, caller });
      return { processed: true };
    };
  },
  async logout() {
    const { appendFile } = await import('node:fs/promises');
    const { join } = await import('node:path');
    const { createKeyRing } = await import('#services/domain/keys/key-ring.ts');
    const { sendLogoutTokens } = await import('#services/domain/oauth/logout/send-logout-tokens.ts');
    const { loadConfig } = await import('#services/platform/config/load.ts');
    const { takeFence } = await import('#services/platform/queue/fences.ts');
    return async (ports: TestPorts, { mailFolder }: WorkOptions): Promise<Done> => {
      const logoutTransport = {
        async send(_client: object, token: string): Promise<number> {
          await appendFile(join(mailFolder as string, 'tokens'), `${token}\n`);
          return 200;
        },
      };
      const tokenSettings = { issuer: 'https://api.sallyport.test', accessTokenSeconds: 900 };
      const all = { ...ports, keyRing: createKeyRing(ports, loadConfig({}).keys), logoutTransport, tokenSettings };
      const fence = await takeFence(ports.sql, 'send-logout-tokens');
      return { delivered: (await sendLogoutTokens(all, { fence, signal: never }, testCaller)).taken };
    };
  },
  async purge() {
    const { sessionPurges } = await import('#services/domain/identity/admin/identity-purges.ts');
    const { purge } = await import('#services/domain/shared/purge.ts');
    const { tokenPurges } = await import('#services/domain/tokens/clean-up-expired-tokens.ts');
    // Tables whose rows are counted or whose deletion notifies others; the other tables use the same statement.
    const telling = [...tokenPurges, ...sessionPurges].filter(({ kind }) => ['families', 'sessions'].includes(kind));
    return async (ports: TestPorts): Promise<Done> => ({ purged: (await purge(ports, telling)).removed });
  },
} satisfies Record<string, () => Promise<(ports: TestPorts, options: WorkOptions) => Promise<Done>>>;

async function work(name: WorkOptions['work']): Promise<void> {
  const word = once(process, 'message');
  const done = await works[name]();
  const [options] = (await word) as [WorkOptions];
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
if (given !== undefined) await work(given as WorkOptions['work']);
