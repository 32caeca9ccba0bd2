import type { IncomingHttpHeaders } from 'node:http';

const METADATA = '/.well-known/oauth-protected-resource';

/** The addresses at which clients reach one MCP server, each a resource of its own for them. */
export type Addresses = {
  /** Hosts, without ports, by which requests may name the server. */
  readonly hosts: ReadonlySet<string>;
  readonly origins: readonly string[];
  readonly paths: readonly `/${string}`[];
  /** The origin that a request names, for its proof (RFC 9449 §4.3). */
  originOf(host: string | undefined): string;
  /** The resource to which a request is: clients refuse the metadata of another. */
  at(headers: Pick<IncomingHttpHeaders, 'host'>, path: string): string;
};

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/** @param resources its URLs; the first is that of a request by no known name, such as one by an address of this machine */
export function addressesOf(resources: readonly [string, ...string[]]): Addresses {
  const known = resources.map((resource) => ({ resource, ...partsOf(resource) }));
  const names = known.map(({ hostname }) => hostname);
  return {
    hosts: new Set(names.some((name) => LOOPBACK.includes(name)) ? [...LOOPBACK, ...names] : names),
    origins: [...new Set(known.map(({ origin }) => origin))],
    paths: [...new Set(known.map(({ path }) => path))],
    originOf: (asked) => (known.find(({ host }) => host === asked) ?? (known[0] as (typeof known)[number])).origin,
    at({ host }, asked) {
      const served = known.filter(({ path }) => path === asked);
      const named = served.find((each) => each.host === host) ?? served[0];
      return named?.resource ?? resources[0];
    },
  };
}

function partsOf(resource: string) {
  const { origin, host, hostname, pathname } = new URL(resource);
  return { origin, host, hostname, path: pathname as `/${string}` };
}

/** Where the metadata of a resource is (RFC 9728 §3.1). */
export const metadataPathOf = (path: string): `/${string}` => `${METADATA}${path === '/' ? '' : path}`;

export const metadataUrlOf = (resource: string): string => {
  const { origin, pathname } = new URL(resource);
  return origin + metadataPathOf(pathname);
};
