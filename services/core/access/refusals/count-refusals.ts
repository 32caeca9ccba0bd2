import type { Endpoint } from '#services/platform/define/endpoint.ts';
import type { AppError } from '#services/platform/define/error.ts';
import type { Ports } from '../../ports.ts';
import { createRegularWrites, type RegularWrites } from '../../shared/regular-writes.ts';
import type { HasAccess } from '../access-directory.ts';
import { causeOfRefusal, isPreviousSecret, type SentCredentials, sampleOf } from './describe-refusal.ts';
import { addRefusals, previousSecret, type RefusalCount } from './refusals.store.ts';

export type RefusedRequest = {
  readonly endpoint: Endpoint;
  /** The client that it names; it may not be that client. */
  readonly clientId: string | undefined;
  readonly credentials: SentCredentials;
  /** Its parameters. Values of it that may be secrets are not kept. */
  readonly sent: Readonly<Record<string, unknown>>;
};

type ClientRefusals = RegularWrites & {
  /** Counts a refusal in memory. Never throws, and waits for nothing. */
  add(error: AppError, refused: RefusedRequest): void;
  /** Counts an accepted secret if it is the one from before the last rotation. */
  noteSecret(clientId: string, secret: string): void;
};

/** Where clients ask for tokens, or about them, and where agents request and run sign-offs. */
const COUNTED =
  /^\/(?:oauth2\/(?:token|authorize|bc-authorize|par|device_authorization|revoke|introspect|userinfo)$|v1\/(?:tokens|api-keys)(?:\/|$)|v1\/handoff\/signoffs(?:$|\/\{signoff_id\}\/(?:start|finish)$))/;
export const countsRefusals = ({ path }: Pick<Endpoint, 'path'>): boolean => COUNTED.test(path);

/** Steps of a protocol, and the user's own no: the client did nothing wrong. */
const STEPS: ReadonlySet<string> = new Set(
  'device_grant_pending device_grant_denied auth_req_pending auth_req_denied dpop_nonce_required'.split(' '),
);
/** Of requests that name no client of the installation. */
const UNKNOWN_CLIENT = '';
/** Rows that one copy writes in a day. Anyone may send requests in the name of any client. */
const ROWS_MAX = 5_000;
const ROWS_OF_CLIENT_MAX = 50;
const REST = { code: 'other', cause: 'More causes than a day lists.', title: 'Other refusals', fix: '' };
const WRITE_MS = 10_000;
const DAY_MS = 86_400_000;
const SERVER_ERROR = 500;

type Counted = { -readonly [Member in keyof RefusalCount]: RefusalCount[Member] };

/** Counts refusals of clients in memory, by day, client, code and cause, and writes them every ten seconds. */
export function createClientRefusals({
  sql,
  clock,
  log,
  access,
}: Pick<Ports, 'sql' | 'clock' | 'log'> & HasAccess): ClientRefusals {
  let counts = new Map<string, Counted>();
  let ofClients = new Map<string, number>();
  let day = 0;

  const knownClient = (clientId: string | undefined) =>
    clientId !== undefined && access.isFresh() ? access.client(clientId) : undefined;

  /** The count of a cause; that of all the rest, where the client or the day has too many. */
  function countOf(clientId: string, cause: Pick<RefusalCount, 'code' | 'cause' | 'title' | 'fix'>): Counted {
    const today = Math.floor(clock.now() / DAY_MS) * DAY_MS;
    if (today !== day) [day, ofClients] = [today, new Map()];
    const key = `${day} ${clientId}\n${cause.code}\n${cause.cause}`;
    const known = counts.get(key);
    if (known !== undefined) return known;
    const rows = ofClients.get(clientId) ?? 0;
    if (cause !== REST && counts.size >= ROWS_MAX) return countOf(UNKNOWN_CLIENT, REST);
    if (cause !== REST && rows >= ROWS_OF_CLIENT_MAX) return countOf(clientId, REST);
    const times = { dayMs: day, firstAtMs: 0, lastAtMs: 0 };
    const made: Counted = { ...cause, ...times, client_id: clientId, refused: 0, request: null };
    counts.set(key, made);
    ofClients.set(clientId, rows + 1);
    return made;
  }

  function addOne(counted: Counted): void {
    counted.lastAtMs = clock.now();
    if (counted.refused === 0) counted.firstAtMs = counted.lastAtMs;
    counted.refused += 1;
  }

  async function write(): Promise<void> {
    const taken = [...counts.values()]
      .filter(({ refused }) => refused > 0)
      .map((counted) => ({ counted, row: { ...counted } }));
    if (taken.length === 0) return;
    for (const { counted } of taken) counted.refused = 0;
    try {
      await addRefusals(
        sql,
        taken.map(({ row }) => row),
      );
      counts = new Map([...counts].filter(([, { dayMs, refused }]) => dayMs === day || refused > 0));
    } catch (err) {
      for (const { counted, row } of taken) {
        counted.refused += row.refused;
        counted.firstAtMs = row.firstAtMs;
      }
      log.warn({ err }, 'writing the refusals of clients failed; retrying');
    }
  }

  return {
    add(error, { endpoint, clientId, credentials, sent }) {
      const { code, definition } = error;
      if (definition.status >= SERVER_ERROR || STEPS.has(code)) return;
      const client = knownClient(clientId);
      const { title, fix } = definition;
      const cause = causeOfRefusal(error, { endpoint, client, credentials });
      const counted = countOf(client?.clientId ?? UNKNOWN_CLIENT, { code, cause, title, fix });
      if (counted.refused === 0)
        counted.request = sampleOf(endpoint, { sent, authMethod: credentials.by }, (name) =>
          access.isFresh() ? access.isScope(name) : false,
        );
      addOne(counted);
    },
    noteSecret(clientId, secret) {
      const client = knownClient(clientId);
      if (client?.previousSecret == null || client.previousSecret.untilMs <= clock.now()) return;
      if (isPreviousSecret(client, secret)) addOne(countOf(clientId, previousSecret(client.previousSecret.untilMs)));
    },
    ...createRegularWrites(WRITE_MS, write),
  };
}
