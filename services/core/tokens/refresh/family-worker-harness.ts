import { createIdentifierHashes } from '#services/core/audit/audit-context.ts';
import type { Caller, Sql } from '#services/core/ports.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { createFamilyCopy, publicClient, refreshSecrets, refreshSettings } from '#tools/testing/fixtures/families.ts';
import type { RotatedFamily } from './rotate-family.ts';

/** One API copy as a process of its own: takes refresh tokens from its parent, answers outcome and successor. */

export type WorkerOptions = {
  readonly url: string;
  /** Of its connections. */
  readonly name: string;
  readonly incarnation: string;
  /** Base64 by version; `newestKv` is what this copy makes successors with. */
  readonly keys: readonly (readonly [number, string])[];
  readonly newestKv: number;
  readonly graceUses: number;
  /** Rewrites the statement, to see whether the oracle notices: [from, to]. */
  readonly mutation?: readonly [string, string];
};

export type WorkerRequest = {
  readonly id: number;
  readonly token: string;
  readonly ip: string;
  readonly traceparent: string;
};

export type WorkerAnswer =
  | { readonly id: number; readonly outcome: RotatedFamily['outcome']; readonly successor: string }
  | { readonly id: number; readonly code: string };

/** Longer than any run: no outcome of the oracle depends on the machine's speed. */
const PATIENCE_MS = 120_000;
export const ORACLE_GRACE_SECONDS = 3_600;

const mutated = (sql: Sql, [from, to]: readonly [string, string]): Sql => ({
  query: (statement, values) => {
    if (!statement.text.includes(from)) throw new Error('the mutation fits nothing');
    return sql.query(defineStatement(`${statement.name}Mutant`, statement.text.replace(from, to)), values);
  },
});

function serve(options: WorkerOptions): void {
  const keys = new Map(options.keys.map(([version, key]) => [version, Buffer.from(key, 'base64')]));
  const hashIdentifier = createIdentifierHashes(() => ({ version: 1, key: Buffer.alloc(32, 1) }));
  const { mutation } = options;
  const copy = createFamilyCopy({
    url: options.url,
    applicationName: options.name,
    incarnation: options.incarnation,
    secrets: refreshSecrets(keys, () => options.newestKv),
    settings: { ...refreshSettings, graceSeconds: ORACLE_GRACE_SECONDS, graceUses: options.graceUses },
    lockTimeoutMs: PATIENCE_MS,
    statementTimeoutMs: PATIENCE_MS,
    deadlineMs: PATIENCE_MS,
    ...(mutation ? { around: (sql: Sql) => mutated(sql, mutation) } : {}),
  });
  const answer = (message: WorkerAnswer): void => void process.send?.(message);
  process.on('message', ({ id, token, ip, traceparent }: WorkerRequest) => {
    const caller: Caller = {
      kind: 'anonymous',
      request: { ip, userAgent: 'oracle', traceId: '', traceparent, hashIdentifier },
    };
    copy.refresh(token, publicClient, caller).then(
      (row) => answer({ id, outcome: row.outcome, successor: row.refresh_token }),
      (err: unknown) => answer({ id, code: isAppError(err) ? err.code : String(err) }),
    );
  });
  process.send?.('ready');
}

const options = process.env.ORACLE_WORKER;
if (options !== undefined) serve(JSON.parse(options) as WorkerOptions);
