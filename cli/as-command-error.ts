import { KeyMaterialError } from '../services/core/keys/key-material.ts';
import { KeyServiceError } from '../services/platform/crypto/key-services.ts';
import { isAppError } from '../services/platform/define/error.ts';
import { StartError } from '../services/platform/local/errors.ts';
import { MarksUnreadableError } from '../services/platform/marks/mark-texts.ts';
import { MarkStoreUnavailableError, MarkStoreUnfitError } from '../services/platform/marks/s3-cell.ts';
import { UNFIT_STORE_FIX } from '../services/platform/process/fatal.ts';
import { CommandError, type ExitCode, exitCodes } from './exit-codes.ts';
import { optionOf } from './input-problems.ts';

/** Exit codes by error code: wrong input, refused, or unreachable; every other error is a failed check. */
const exitCodeOfStatus: Readonly<Record<number, ExitCode>> = {
  400: exitCodes.usage,
  404: exitCodes.usage,
  403: exitCodes.refused,
  409: exitCodes.refused,
  503: exitCodes.unreachable,
};

/** Converts a use-case's error to a CommandError with its code and fix; returns any other error unchanged. */
export function asCommandError(err: unknown): unknown {
  if (err instanceof KeyMaterialError) return new CommandError(exitCodes.refused, err.message, err.fix, { cause: err });
  if (err instanceof MarksUnreadableError)
    return new CommandError(exitCodes.refused, err.message, 'check that file or object', { cause: err });
  if (err instanceof MarkStoreUnavailableError)
    return new CommandError(exitCodes.unreachable, err.message, 'check MARK_S3_URL and its credentials', {
      cause: err,
    });
  if (err instanceof KeyServiceError)
    return new CommandError(exitCodes.unreachable, err.message, 'check KEY_ENCRYPTION_SERVICE and its settings', {
      cause: err,
    });
  if (err instanceof MarkStoreUnfitError)
    return new CommandError(exitCodes.refused, err.message, UNFIT_STORE_FIX, { cause: err });
  if (err instanceof StartError) {
    const ofStore = err.code === 'store_tls' ? exitCodes.storeTls : exitCodes.unreachable;
    const exitCode = /^(store_|no_redis$)/.test(err.code) ? ofStore : exitCodes.checkFailed;
    return new CommandError(exitCode, err.message, err.fix, { cause: err });
  }
  if (!isAppError(err)) return err;
  const { status, title, fix } = err.definition;
  const { detail, problems = [] } = err.options;
  const wrong = problems.map(({ at, why }) => `${optionOf(at.split('/').slice(1))}: ${why}`);
  const text = [title, detail, wrong.join('; ')].filter(Boolean).join(': ');
  const exitCode = exitCodeOfStatus[status] ?? exitCodes.checkFailed;
  return new CommandError(exitCode, `${text} (${err.code})`, fix, { cause: err });
}
