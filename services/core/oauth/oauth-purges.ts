import { clientAssertionPurge } from './assertions/client-assertions.store.ts';
import { pushedRequestPurge } from './authorize/pushed-requests.store.ts';
import { unvettedClientPurge } from './clients/unvetted-clients.store.ts';
import { authorizationCodePurge } from './codes.store.ts';
import { deviceGrantPurge } from './devices/device-grants.store.ts';
import { logoutTokenPurge } from './logout/logout-tokens.store.ts';

/** Tables that this module purges after their retention. */
export const oauthPurges = [
  authorizationCodePurge,
  clientAssertionPurge,
  deviceGrantPurge,
  logoutTokenPurge,
  pushedRequestPurge,
  unvettedClientPurge,
] as const;
