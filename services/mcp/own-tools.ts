import { z } from 'zod';
import { apiKeyView, listApiKeysEndpoint } from '../core/api-keys/contract.ts';
import { listApiKeys } from '../core/api-keys/list-api-keys.ts';
import { listAuditEventsEndpoint } from '../core/audit/contract.ts';
import { listOwnEvents } from '../core/audit/read/list-own-events.ts';
import { listOwnSessionsEndpoint } from '../core/identity/contracts/admin-contract.ts';
import { listOwnSessions } from '../core/identity/sessions/manage-sessions.ts';
import { listGrantedConsentsEndpoint } from '../core/oauth/consents/consent-contract.ts';
import { listGrantedConsents } from '../core/oauth/consents/list-consents.ts';
import type { Ports } from '../core/ports.ts';
import { outputOf, type Tool, tool } from '../core/shared/tool.ts';
import type { HasTokenSettings } from '../core/tokens/token-settings.ts';

const PAGES = '`next` is the cursor of the next page.';

/** Of an API key, what its owner needs to recognise it. */
const ownKey = apiKeyView.pick({
  api_key_id: true,
  name: true,
  state: true,
  created_at: true,
  expires_at: true,
  last_used_at: true,
});

/** Tools that read the account of the user who consented, each by a scope that the consent page names in words. */
export const ownTools: readonly Tool<Pick<Ports, 'sql'> & HasTokenSettings>[] = [
  tool({
    name: 'list_my_sessions',
    title: 'My sessions',
    description: `List where the user is signed in, newest first: device, address, times, and the applications of each session. ${PAGES}`,
    need: { own: 'own.sessions' },
    input: listOwnSessionsEndpoint.query!,
    output: outputOf(listOwnSessionsEndpoint),
    run: (ports, input, caller) => listOwnSessions(ports, input, caller),
  }),
  tool({
    name: 'list_my_events',
    title: 'My events',
    description: `List what the user did, from the audit log, newest first: sign-ins, sessions, tokens and changes, sealed a second or so after they happen. ${PAGES}`,
    need: { own: 'own.events' },
    input: listAuditEventsEndpoint
      .query!.omit({ actor: true, target: true, client: true, trace: true })
      .extend({ limit: z.int().min(1).max(100).default(20) }),
    output: outputOf(listAuditEventsEndpoint),
    run: (ports, input, caller) => listOwnEvents(ports, input, caller),
  }),
  tool({
    name: 'list_my_applications',
    title: 'My applications',
    description: `List the applications that can act for the user, with what the user granted to each. ${PAGES}`,
    need: { own: 'own.applications' },
    input: listGrantedConsentsEndpoint.query!,
    output: outputOf(listGrantedConsentsEndpoint),
    run: (ports, input, caller) => listGrantedConsents(ports, input, caller),
  }),
  tool({
    name: 'list_my_api_keys',
    title: 'My API keys',
    description: `List the names of the user’s API keys, newest first, with their state and times. Contains no secret. ${PAGES}`,
    need: { own: 'own.api_keys' },
    input: listApiKeysEndpoint.query!,
    output: z.object({ api_keys: z.array(ownKey), next: z.string().nullable() }),
    run: async (ports, input, caller) => {
      const { api_keys: keys, next } = await listApiKeys(ports, input, caller);
      return { api_keys: keys.map((key) => ownKey.parse(key)), next };
    },
  }),
];
