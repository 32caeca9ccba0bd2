import { cleanUpExpiredTokens } from '../../services/domain/tokens/clean-up-expired-tokens.ts';
import { cleanUpExpiredTokensJob } from '../contracts/tokens.ts';
import { run } from './run.ts';

export const tokensProcessors = [run(cleanUpExpiredTokensJob, (ports) => cleanUpExpiredTokens(ports))];
