import { ConfigError } from '../config/load.ts';
import { STORE_TLS_EXIT } from './exit-codes.ts';

export type FatalMessage = {
  readonly type: 'fatal';
  readonly code: string;
  readonly message: string;
  readonly fix: string;
};

export const UNFIT_STORE_FIX = 'use an object store with conditional writes, or unset MARK_STORE on one machine';

/** Start errors that a retry cannot fix, by name of their class. */
const FIXES: Readonly<Record<string, { readonly code: string; readonly fix: string }>> = {
  KeyMaterialError: {
    code: 'key_material_unreadable',
    fix: 'use the KEY_ENCRYPTION_KEY (or, in development, the BETTER_AUTH_SECRET or data directory) with which this database was created; to change the key, set KEY_ENCRYPTION_KEY_PREVIOUS to the old one',
  },
  MarksUnreadableError: {
    code: 'marks_unreadable',
    fix: 'restore marks.json in the data directory or bucket, or remove it to trust the database as it is',
  },
  MarkStoreUnfitError: { code: 'mark_store_unfit', fix: UNFIT_STORE_FIX },
};

/** The message about a failed start for the supervisor. It retries only `code: 'start_failed'`. */
export function fatalOf(err: unknown): FatalMessage {
  if (err instanceof ConfigError)
    return {
      type: 'fatal',
      code: 'configuration',
      message: err.problems.map(({ env, problem }) => `${env} ${problem}`).join('; '),
      fix: err.problems.map(({ env, fix }) => `${env}: ${fix}`).join('; '),
    };
  const { name, message, code } =
    err instanceof Error
      ? (err as Error & { code?: unknown })
      : { name: 'Error', message: String(err), code: undefined };
  if (code === 'EADDRINUSE')
    return { type: 'fatal', code: 'port_taken', message, fix: 'free the port, or set PORT or METRICS_PORT' };
  const { fix } = (err ?? {}) as { readonly fix?: unknown };
  if (name === 'StartError' && typeof fix === 'string') return { type: 'fatal', code: String(code), message, fix };
  const known = FIXES[name];
  return {
    type: 'fatal',
    code: known?.code ?? 'start_failed',
    message,
    fix: known?.fix ?? 'run npx sallyport doctor; if it finds nothing, report this message',
  };
}

/** With which code a process ends for which a start failed. */
export const exitCodeOf = ({ code }: FatalMessage): number => (code === 'store_tls' ? STORE_TLS_EXIT : 1);

/** True if a restart could help; the supervisor then restarts with back-off. */
const isWorthAnotherTry = (fatal: FatalMessage): boolean => fatal.code === 'start_failed';

export function tellSupervisor(message: FatalMessage | { readonly type: 'ready' }): void {
  if (process.connected && !(message.type === 'fatal' && isWorthAnotherTry(message))) process.send?.(message);
}
