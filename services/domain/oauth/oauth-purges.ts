import { codePurge } from './codes.store.ts';
import { deviceGrantPurge } from './device-grants.store.ts';
import { pushedRequestPurge } from './pushed-requests.store.ts';
import { unvettedClientPurge } from './unvetted-clients.store.ts';

/** What this module removes once its time is over. */
export const oauthPurges = [codePurge, deviceGrantPurge, pushedRequestPurge, unvettedClientPurge] as const;
