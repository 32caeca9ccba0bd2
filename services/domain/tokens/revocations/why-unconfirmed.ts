import type { AppError } from '#services/platform/define/error.ts';
import { directoryStale } from '#services/platform/errors.ts';
import type { HasRevocations } from './revocation-set.ts';
import { stateRewound } from './revocations-contract.ts';

/** Why this copy cannot confirm its directory: the database is older than it was, or it cannot be read. Both are 503. */
export const whyUnconfirmed = ({ revocations }: HasRevocations, cause?: unknown): AppError =>
  revocations.state().rewound
    ? stateRewound({ retryAfterSeconds: 30 })
    : directoryStale({ retryAfterSeconds: 1, cause });
