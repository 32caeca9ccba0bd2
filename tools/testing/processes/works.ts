// For tests only: the work of jobs, as a process or a connection of its own does it that dies at any statement.
import type { MaintainedOutbox } from '#services/core/audit/maintain-audit-outbox.ts';
import type { AdvancedKeyRing } from '#services/core/keys/advance-key-ring.ts';
import type { RewrapAnswer } from '#services/core/keys/secrets/rewrap-sealed-values.ts';
import type { Marks } from '#services/core/ports.ts';
import type { DetectionResult } from '#services/core/security/detect-incidents.ts';
import { type TestPorts, testCaller } from '../harness/ports.ts';
import type { KillPoint } from './kill-points.ts';

export type WorkOptions = {
  readonly url: string;
  readonly work: keyof typeof works;
  /** Where mails or logout tokens are delivered to. */
  readonly mailFolder?: string;
  /** Base64. */
  readonly keyEncryptionKey?: string;
  readonly previousKeyEncryptionKey?: string;
  readonly killPoint?: KillPoint;
  /** Offset of the clock of the process that runs it, in ms. */
  readonly clockOffsetMs?: number;
};

export type Done = {
  readonly advanced?: AdvancedKeyRing;
  readonly rewrap?: RewrapAnswer;
  readonly purged?: number;
  readonly maintained?: MaintainedOutbox;
  readonly detected?: DetectionResult;
  readonly delivered?: number;
  readonly rotated?: true;
  readonly processed?: true;
  readonly reported?: number;
  readonly monitored?: true;
};
export type WorkAnswer = Done & { readonly statements: number };

const never = new AbortController().signal;

/** What the worker gives a job of this name. */
async function runOf(ports: TestPorts, job: string) {
  const { takeFence } = await import('#services/platform/queue/fences.ts');
  const caller = testCaller as typeof testCaller & { readonly kind: 'system' };
  return { fence: await takeFence(ports.sql, job), signal: never, progress: async () => {}, caller };
}

/** Each work imports only its own modules when it is wanted: a process of it starts in a second. */
export const works = {
  async advance() {
    const { advanceKeyRing } = await import('#services/core/keys/advance-key-ring.ts');
    return async (ports: TestPorts): Promise<Done> => ({
      advanced: await advanceKeyRing({ ...ports, keysChanged: () => {} }, testCaller),
    });
  },
  async rewrap() {
    const { rewrapSealedValues } = await import('#services/core/keys/secrets/rewrap-sealed-values.ts');
    const { createVault } = await import('#services/platform/crypto/vault.ts');
    return async (ports: TestPorts, { previousKeyEncryptionKey: key }: WorkOptions): Promise<Done> => {
      const previous = key === undefined ? undefined : createVault(Buffer.from(key, 'base64'));
      return { rewrap: await rewrapSealedValues(ports, { previous }, testCaller) };
    };
  },
  async maintain() {
    const { maintainAuditOutbox } = await import('#services/core/audit/maintain-audit-outbox.ts');
    return async (ports: TestPorts): Promise<Done> => ({
      maintained: await maintainAuditOutbox(ports, { outboxDays: 3 }, never),
    });
  },
  async detect() {
    const { createKeyRing } = await import('#services/core/keys/key-ring.ts');
    const { detectIncidents } = await import('#services/core/security/detect-incidents.ts');
    const { loadConfig } = await import('#services/platform/config/load.ts');
    return async (ports: TestPorts): Promise<Done> => {
      const keyRing = createKeyRing(ports, loadConfig({}).keys);
      const mailer = { publicUrl: 'https://api.sallyport.test', wake: () => {} };
      return { detected: await detectIncidents({ ...ports, keyRing, mailer }, { signal: never }, testCaller) };
    };
  },
  async monitor() {
    const { countEventHours } = await import('#services/wings/monitoring/count-event-hours.ts');
    const { makeSecurityReports } = await import('#services/wings/monitoring/reports/make-security-reports.ts');
    return async (ports: TestPorts): Promise<Done> => {
      await countEventHours(ports, { signal: never });
      await makeSecurityReports(ports, { signal: never }, { ...testCaller, kind: 'system', name: 'worker' });
      return { monitored: true };
    };
  },
  async report() {
    const { advanceReports } = await import('#services/wings/compliance/reports/advance-reports.ts');
    const { twoControls } = await import('#services/wings/compliance/reports/report-harness.ts');
    const { createLogSigner, readLogKeys } = await import('#services/core/keys/log/log-keys.ts');
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
    const { deliverMails } = await import('#services/core/identity/mail/deliver-mail.ts');
    const { createFileOutbox } = await import('#services/platform/mail/file-outbox.ts');
    return async (ports: TestPorts, { mailFolder }: WorkOptions): Promise<Done> => {
      const mailTransport = createFileOutbox(mailFolder as string, 'Sallyport <no-reply@sallyport.test>');
      const run = await runOf(ports, 'deliver-mail');
      return { delivered: (await deliverMails({ ...ports, mailTransport }, run)).taken };
    };
  },
  async rotatePhi() {
    const { rotateEncryptionKeys } = await import('#services/wings/privacy/rotate-encryption-keys.ts');
    return async (ports: TestPorts): Promise<Done> => {
      const run = await runOf(ports, 'rotate-encryption-keys');
      await rotateEncryptionKeys(ports, { rotationDays: 90 }, run);
      return { rotated: true };
    };
  },
  async privacyRequests() {
    const { processPrivacyRequests } = await import('#services/wings/privacy/access/privacy-requests.ts');
    return async (ports: TestPorts): Promise<Done> => {
      const run = await runOf(ports, 'process-privacy-requests');
      await processPrivacyRequests(ports, run);
      return { processed: true };
    };
  },
  async retention() {
    const { implementDataRetentionPolicies } = await import('#services/wings/privacy/retention/retention.ts');
    return async (ports: TestPorts): Promise<Done> => {
      const run = await runOf(ports, 'apply-retention');
      await implementDataRetentionPolicies(ports, run);
      return { processed: true };
    };
  },
  async logout() {
    const { appendFile } = await import('node:fs/promises');
    const { join } = await import('node:path');
    const { createKeyRing } = await import('#services/core/keys/key-ring.ts');
    const { sendLogoutTokens } = await import('#services/core/oauth/logout/send-logout-tokens.ts');
    const { loadConfig } = await import('#services/platform/config/load.ts');
    return async (ports: TestPorts, { mailFolder }: WorkOptions): Promise<Done> => {
      const logoutTransport = {
        async send(_client: object, token: string): Promise<number> {
          await appendFile(join(mailFolder as string, 'tokens'), `${token}\n`);
          return 200;
        },
      };
      const tokenSettings = { issuer: 'https://api.sallyport.test', accessTokenSeconds: 900 };
      const all = { ...ports, keyRing: createKeyRing(ports, loadConfig({}).keys), logoutTransport, tokenSettings };
      const run = await runOf(ports, 'send-logout-tokens');
      return { delivered: (await sendLogoutTokens(all, run, testCaller)).taken };
    };
  },
  async purge() {
    const { sessionPurges } = await import('#services/core/identity/admin/identity-purges.ts');
    const { purge } = await import('#services/core/shared/purge.ts');
    const { tokenPurges } = await import('#services/core/tokens/clean-up-expired-tokens.ts');
    // Tables whose rows are counted or whose deletion notifies others; the other tables use the same statement.
    const telling = [...tokenPurges, ...sessionPurges].filter(({ kind }) => ['families', 'sessions'].includes(kind));
    return async (ports: TestPorts): Promise<Done> => ({ purged: (await purge(ports, telling)).removed });
  },
} satisfies Record<string, () => Promise<(ports: TestPorts, options: WorkOptions) => Promise<Done>>>;
