// For tests only: a sealer with real ports, on a test database that has the audit log's key.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openNote, parseCheckpoint } from '#services/core/audit/log/note.ts';
import { createCheckpointOutbox } from '#services/core/audit/seal/checkpoint-outbox.ts';
import { createLogGauges } from '#services/core/audit/seal/log-gauges.ts';
import { type SealPorts, sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { ensureKeys } from '#services/core/keys/ensure-keys.ts';
import { createLogSigner, readLogKeys } from '#services/core/keys/log/log-keys.ts';
// Declares every event, as in the worker.
import '#services/modules.ts';
import type { CheckpointSink, LogHead, LogHighWaterStore, Ports } from '#services/core/ports.ts';
import { createFileSink } from '#services/platform/checkpoints/file-sink.ts';
import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { count, personal, reason, user } from '#services/platform/define/audit-member.ts';
import { createFileLogMark } from '#services/platform/marks/file-log-mark.ts';
import { createTestPorts, PATIENCE_MS, type PortsOptions, type TestPorts, testCaller } from './ports.ts';
import { createTestDatabase } from './stores.ts';

/** The event that `emit` writes. Its leaves show `n` and reasons of ours. */
defineAuditEvent({
  type: 'test.done',
  detail: { n: count, reason, identifier: personal, user_id: user },
  meaning: 'A test.',
});

export const TEST_ORIGIN = 'sallyport.test/audit';

export type LogHarness = TestPorts &
  SealPorts & {
    readonly dataDir: string;
    readonly checkpointFolder: string;
    /** Writes outbox rows like those of requests. Returns the event ids. */
    emit(count: number, options?: EmitOptions): Promise<string[]>;
    /** The newest checkpoint, verified with the log's own keys. Throws if there is none. */
    head(origin?: string): Promise<LogHead & { readonly note: string }>;
  };

type EmitOptions = {
  readonly type?: string;
  readonly userId?: string;
  readonly traceparent?: string;
  readonly detail?: object;
};

export type LogHarnessOptions = {
  readonly dataDir?: string;
  readonly logMark?: (file: LogHighWaterStore) => LogHighWaterStore;
  readonly sinks?: readonly CheckpointSink[];
  readonly applicationName?: string;
  readonly pool?: PortsOptions['pool'];
  /** Delay before a failed sink is retried; by default longer than a test. */
  readonly retryFirstMs?: number;
};

/** Opens a sealer on a database of `createTestDatabase`; several may share one. `end` closes it. */
export async function createLogHarness(url: string, options: LogHarnessOptions = {}): Promise<LogHarness> {
  const ports = createTestPorts(url, options);
  const ownDir = options.dataDir === undefined ? await mkdtemp(join(tmpdir(), 'sallyport-log-')) : undefined;
  const dataDir = options.dataDir ?? (ownDir as string);
  const checkpointFolder = join(dataDir, 'checkpoints');
  const fileMark = createFileLogMark(dataDir);
  const checkpointOutbox = createCheckpointOutbox({
    ...ports,
    checkpointSinks: options.sinks ?? [createFileSink(checkpointFolder)],
    retryFirstMs: options.retryFirstMs ?? PATIENCE_MS,
  });
  return {
    ...ports,
    dataDir,
    checkpointFolder,
    logMark: options.logMark?.(fileMark) ?? fileMark,
    logSigner: createLogSigner(ports),
    logGauges: createLogGauges(ports),
    checkpointOutbox,
    auditOrigin: TEST_ORIGIN,
    async emit(count, { type = 'test.done', userId = 'u1', traceparent, detail } = {}) {
      const rows = await ports.raw<{ event_id: string }>`
        INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, ip_hash,
        agent_hash,
          detail, traceparent)
        SELECT ${type}, 'ok', 'user', ${userId}, 'family', 's' || n, 'c1', '1.ip' || n, '1.agent',
          coalesce(${detail === undefined ? null : JSON.stringify(detail)}, jsonb_build_object('n', n)),
          ${traceparent ?? null}
        FROM generate_series(1, ${count}) n RETURNING event_id`;
      return rows.map((row) => row.event_id);
    },
    async head(origin = TEST_ORIGIN) {
      const [row] = await ports.raw<{ note: string }>`SELECT note FROM audit_checkpoints
        WHERE origin = ${origin} ORDER BY size DESC LIMIT 1`;
      const note = row?.note ?? '';
      const { size, root, ...named } = parseCheckpoint(openNote(note, await readLogKeys(ports, origin)).text);
      return { origin: named.origin, size, root: root.toString('base64'), note };
    },
    end: async () => {
      await checkpointOutbox.close();
      await ports.end();
      if (ownDir) await rm(ownDir, { recursive: true, force: true });
    },
  };
}

export type OwnLogHarness = LogHarness & { readonly databaseUrl: string };

/** Seals what the outbox of a running API holds, as the worker does: with the API's keys, as owner of the tables. */
export function sealerOf(
  api: Pick<SealPorts, 'random' | 'clock' | 'log'> & Pick<Ports, 'sql' | 'vault'>,
  owner: Pick<SealPorts, 'sql' | 'transact'>,
  logDir: string,
) {
  const ports = { ...api, ...owner };
  const log: SealPorts = {
    ...ports,
    logMark: createFileLogMark(logDir),
    logSigner: createLogSigner(api),
    logGauges: createLogGauges(api),
    checkpointOutbox: createCheckpointOutbox({ ...ports, checkpointSinks: [] }),
    auditOrigin: TEST_ORIGIN,
  };
  return (): Promise<unknown> => sealEvents(log, {}, testCaller);
}

/** Creates a database with keys and opens a sealer on it. `end` drops the database. */
export async function openLogHarness(options: LogHarnessOptions = {}): Promise<OwnLogHarness> {
  const database = await createTestDatabase();
  const harness = await createLogHarness(database.url, options);
  await giveKeys(harness);
  return {
    ...harness,
    databaseUrl: database.url,
    end: async () => {
      await harness.end();
      await database.drop();
    },
  };
}

/** Moves the audit log's keys a month into the past, so that only the newest of them signs. */
export const ageLogKeys = (ports: Pick<TestPorts, 'raw'>): Promise<unknown> =>
  // The earliest key first: moving its successor before it would overlap the ranges for a moment.
  ports.raw`DO $$ DECLARE kid text; BEGIN
    FOR kid IN SELECT id FROM jwks WHERE purpose = 'audit-log' ORDER BY lower(signs) LOOP
      UPDATE jwks SET signs = tstzrange(lower(signs) - interval '31 days', upper(signs) - interval '31 days')
        WHERE id = kid;
    END LOOP; END $$`;

/** Creates the keys of a database, including the audit log's. */
export const giveKeys = (ports: TestPorts): Promise<unknown> =>
  ensureKeys(
    ports,
    {
      keys: {
        algorithm: 'EdDSA',
        additionalAlgorithms: [],
        jwtSecret: undefined,
        prepublishSeconds: 60,
        rotationDays: 30,
        ringBoundSeconds: 30,
      },
      tokens: { accessTokenSeconds: 900, leewaySeconds: 5, refreshAbsoluteSeconds: 3_600 },
      authSecret: 'a secret of the tests, at least 32 characters',
      audience: null,
    },
    testCaller,
  );
