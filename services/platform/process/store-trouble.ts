import { codeOf, isError, meaningOf } from '#observability/log-errors.ts';
import { RoleRefusedError } from '../postgres/transaction-settings.ts';

export type StoreName = 'PostgreSQL' | 'Redis';

type StoreTrouble = {
  /** Store, host, port and cause in one sentence; never a password. */
  readonly sentence: string;
  readonly fix: string;
  /** True if waiting may help: the store is unreachable, starting or slow. False if it refuses us. */
  readonly mayPass: boolean;
  /** Set if TLS failed: the store offers none, or its certificate is not to be trusted. */
  readonly isTls?: true;
  /** Set if the URL names a cluster as one server, or one server as a cluster. */
  readonly isOtherKind?: true;
};

/** Message of the error for a node of a cluster that its URL names as one server. */
export const CLUSTER_NODE = 'a node of a cluster';

export type StoreVariable = 'DATABASE_URL' | 'DATABASE_DIRECT_URL' | 'DATABASE_REPLICA_URL' | 'REDIS_URL';

const variables = { PostgreSQL: 'DATABASE_URL', Redis: 'REDIS_URL' } as const satisfies Record<
  StoreName,
  StoreVariable
>;
const usualPorts = { PostgreSQL: 5_432, Redis: 6_379 } as const satisfies Record<StoreName, number>;

/** The log of the embedded server of a data directory, whose URL is in no setting. */
export type OwnLog = { readonly log: string };
export const ownLogOf = (store: StoreName, dataDir: string): OwnLog => ({
  log: `${dataDir}/run/${store === 'Redis' ? 'redis' : 'postgres'}.log`,
});

/** The parts of a store's URL that may be shown. */
function partsOf(store: StoreName, url: string): { place: string; user: string; database: string } {
  // The path of a socket, after which ioredis accepts a password.
  if (!URL.canParse(url))
    return { place: store === 'Redis' ? url.replace(/\?.*/s, '') : 'its socket', user: '', database: '' };
  const { hostname, port, username, pathname, searchParams } = new URL(url);
  const host = searchParams.get('host') || decodeURIComponent(hostname) || 'localhost';
  const sentinels = searchParams.get('sentinels');
  const nodes = searchParams.get('cluster');
  const others = nodes === null || nodes === 'true' ? '' : `,${nodes}`;
  return {
    place: sentinels
      ? `${host} of Sentinel ${sentinels}`
      : nodes !== null
        ? `cluster ${host}:${port || usualPorts[store]}${others}`
        : host.startsWith('/')
          ? host
          : `${host}:${port || usualPorts[store]}`,
    user: decodeURIComponent(username),
    database: decodeURIComponent(pathname.slice(1)),
  };
}

/** Host and port of a store's URL, for display. */
export const placeOf = (store: StoreName, url: string): string => partsOf(store, url).place;

/** The innermost cause of an error; of several addresses tried, that of the first, and of a cluster, its last node's. */
function rootOf(err: unknown, depth = 5): Error | undefined {
  if (!isError(err)) return undefined;
  const { cause, errors, lastNodeError } = err as { cause?: unknown; errors?: unknown; lastNodeError?: unknown };
  if (timedOut.test(err.message)) return err;
  const named = [cause, lastNodeError].find(isError);
  const inner = named ?? (Array.isArray(errors) ? errors[0] : undefined);
  return (depth > 0 && rootOf(inner, depth - 1)) || err;
}

const networkWords: Readonly<Record<string, { cause: string; fix: string }>> = {
  ECONNREFUSED: { cause: 'connection refused', fix: 'start it, or correct host and port' },
  ENOTFOUND: { cause: 'the host name does not exist', fix: 'correct the host' },
  EAI_AGAIN: { cause: 'the host name cannot be resolved', fix: 'correct the host, or check DNS' },
  EHOSTUNREACH: { cause: 'no route to the host', fix: 'correct the host, or check the network' },
  ENETUNREACH: { cause: 'no route to the network', fix: 'correct the host, or check the network' },
  ECONNRESET: { cause: 'it closed the connection', fix: 'check its log, and host and port' },
  EPIPE: { cause: 'it closed the connection', fix: 'check its log, and host and port' },
  ENOENT: { cause: 'its socket does not exist', fix: 'start it, or correct the path' },
};

const timedOut = /timeout|timed out/i;
const connectionLost = /^Connection (terminated|is closed)|not queryable|max retries per request|Client was closed/i;
/** PostgreSQL is unreachable, starting, stopping, full, too slow or read-only, or has a temporary conflict. */
const passingState = /^(08...|53...|57P0.|57014|55P03|25006|40...)$/;
const passingReply = new Set(['LOADING', 'BUSY', 'MASTERDOWN', 'CLUSTERDOWN', 'TRYAGAIN']);
const certificate = /CERT|UNABLE_TO_|ERR_TLS|ERR_SSL|does not support SSL|before secure TLS connection/;
const withoutTls = /WRONG_VERSION_NUMBER|does not support SSL|before secure TLS connection|PACKET_LENGTH_TOO_LONG/;

function tlsWords(code: string, message: string, variable: string): { cause: string; fix: string } {
  if (withoutTls.test(code) || withoutTls.test(message))
    return { cause: 'does not offer TLS', fix: `turn TLS on there, or correct host and port in ${variable}` };
  if (code === 'CERT_HAS_EXPIRED') return { cause: 'has a certificate that has expired', fix: 'renew it there' };
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return { cause: 'has a certificate for another name', fix: `name the host in ${variable} as its certificate does` };
  if (/SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY)/.test(code))
    return {
      cause: 'has a certificate of an authority that is not known here',
      fix: 'name the file of that authority in NODE_EXTRA_CA_CERTS',
    };
  return { cause: 'failed the TLS handshake', fix: `correct the TLS options in ${variable}, or the certificate` };
}

/**
 * Describes an error of the store or of the network to it; undefined for any other error.
 * @param place the setting that holds the URL, or the log of the embedded server
 */
export function troubleOf(
  store: StoreName,
  url: string,
  err: unknown,
  timeoutSeconds?: number,
  place: StoreVariable | OwnLog = variables[store],
): StoreTrouble | undefined {
  if (typeof place === 'string') return troubleIn(store, url, err, timeoutSeconds, place);
  const trouble = troubleIn(store, url, err, timeoutSeconds, variables[store]);
  return trouble && { ...trouble, fix: `see ${place.log}, the log of the embedded ${store}` };
}

function troubleIn(
  store: StoreName,
  url: string,
  err: unknown,
  timeoutSeconds: number | undefined,
  variable: StoreVariable,
): StoreTrouble | undefined {
  const root = rootOf(err);
  if (root === undefined) return undefined;
  const { place, user, database } = partsOf(store, url);
  const at = `${store} at ${place}`;
  const code = String(codeOf(root) ?? '');
  const refused = (sentence: string, fix: string): StoreTrouble => ({
    sentence: `${at} ${sentence}`,
    fix,
    mayPass: false,
  });
  const away = (cause: string, fix: string): StoreTrouble => ({
    sentence: `${at} does not answer: ${cause}`,
    fix,
    mayPass: true,
  });

  if (code === 'POOLER' || (code === '08P01' && /startup parameter/.test(root.message)))
    return refused(
      `is a connection pooler in transaction mode, or one that drops the settings of a session (${root.message})`,
      variable === 'DATABASE_URL'
        ? 'set DATABASE_DIRECT_URL to the URL of PostgreSQL itself; DATABASE_URL may then stay with the pooler'
        : `let ${variable} lead to PostgreSQL itself, or to a pooler in session mode that passes on startup options`,
    );
  if (code === 'OTHER_DATABASE')
    return refused(
      'leads to another database than DATABASE_DIRECT_URL',
      'let DATABASE_URL and DATABASE_DIRECT_URL lead to one database',
    );
  // It may pass: the migration process may be about to make the role.
  if (root instanceof RoleRefusedError)
    return { sentence: `${at} refuses the role of this process (${code})`, fix: root.fix, mayPass: true };
  if (code === '28P01')
    return refused(`refuses the password of user "${user}" (${code})`, `correct user and password in ${variable}`);
  if (code === '28000')
    return refused(`rejects user "${user}" (${code})`, `correct the user in ${variable}, or allow it in pg_hba.conf`);
  if (code === '3D000')
    return refused(
      `has no database "${database || user}" (${code})`,
      `create it (CREATE DATABASE), or correct the name in ${variable}`,
    );
  if (code === 'WRONGPASS') return refused(`refuses the password (${code})`, `correct the password in ${variable}`);
  if (code === 'NOAUTH')
    return refused(`asks for a password (${code})`, `add it to ${variable}: redis://:password@host:port`);
  if (code === 'NOPERM')
    return refused(
      `denies user "${user || 'default'}" a command (${code})`,
      'give that user the rights it needs (ACL SETUSER)',
    );
  if (/^All sentinels are unreachable/.test(root.message))
    return away(
      'no Sentinel answers, or none knows this primary',
      `start them, or correct name and sentinels in ${variable}`,
    );
  if (root.message === CLUSTER_NODE)
    return {
      ...refused('is a node of a Redis Cluster', `add ?cluster=true to ${variable}, or name other nodes there`),
      isOtherKind: true,
    };
  if (/cluster support disabled/.test(root.message))
    return { ...refused('is no Redis Cluster', `take ?cluster out of ${variable}`), isOtherKind: true };
  if (root.name === 'ParserError') return refused('speaks another protocol', `correct host and port in ${variable}`);
  if (certificate.test(code) || certificate.test(root.message)) {
    const { cause, fix } = tlsWords(code, root.message, variable);
    return { ...refused(`${cause} (${code || 'no TLS'})`, fix), isTls: true };
  }
  const network = networkWords[code];
  if (network) return away(`${network.cause} (${code})`, `${network.fix} in ${variable}`);
  if (code === 'ETIMEDOUT' || (timedOut.test(root.message) && !passingState.test(code)))
    return away(
      `timed out${timeoutSeconds ? ` after ${timeoutSeconds} s` : ''}`,
      `check that it runs and is not overloaded, and check host and port in ${variable}`,
    );
  if (code === '57P03') return away(`it is starting or stopping (${code})`, 'wait, or see its log');
  if (passingReply.has(code)) return away(`it is busy (${code})`, 'wait, or see its log');
  if (passingState.test(code)) return away(meaningOf(root) ?? `it cannot serve us now (${code})`, 'see its log');
  if (code === 'store_unavailable') return away('it cannot serve us now', 'see its log');
  if (/^E[A-Z]+$/.test(code) && 'syscall' in root) return away(code, `check host and port in ${variable}`);
  if (connectionLost.test(root.message))
    return away('it closed the connection', `see its log, and check host and port in ${variable}`);
  return undefined;
}
