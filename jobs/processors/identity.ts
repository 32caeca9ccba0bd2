import { sessionPurges } from '#services/domain/identity/identity-purges.ts';
import { oauthPurges } from '#services/domain/oauth/oauth-purges.ts';
import { purgeOnSchedule } from '#services/domain/shared/purge.ts';
import { cleanUpExpiredSessionsJob } from '../contracts/identity.ts';
import { fenced, run } from './run.ts';

export const identityProcessors = [
  run(cleanUpExpiredSessionsJob, (ports, _payload, { fence, signal }) =>
    purgeOnSchedule(fenced(ports, fence), [...sessionPurges, ...oauthPurges], signal),
  ),
];
