import { pushedRequestPurge } from './authorize/pushed-requests.store.ts';
import { unvettedClientPurge } from './clients/unvetted-clients.store.ts';
import { codePurge } from './codes.store.ts';
import { deviceGrantPurge } from './devices/device-grants.store.ts';

/** What this module removes once its time is over. */
export const oauthPurges = [codePurge, deviceGrantPurge, pushedRequestPurge, unvettedClientPurge] as const;
