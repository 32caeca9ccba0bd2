import { apiKeyPurges } from '#services/domain/api-keys/api-key-purges.ts';
import { purgeOnSchedule } from '#services/domain/shared/purge.ts';
import { tokenPurges } from '#services/domain/tokens/clean-up-expired-tokens.ts';
import { cleanUpExpiredTokensJob } from '../contracts/tokens.ts';
import { fenced, run } from './run.ts';

export const tokensProcessors = [
  run(cleanUpExpiredTokensJob, (ports, _payload, { fence, signal }) =>
    purgeOnSchedule(fenced(ports, fence), [...tokenPurges, ...apiKeyPurges], signal),
  ),
];
