import { AsyncLocalStorage } from 'node:async_hooks';
import type { LookupAddress } from 'node:dns';
import { getServers, Resolver } from 'node:dns/promises';
import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';

type OutboundRules = {
  /** True if the remote server may be on a private network; plain http is then allowed too. */
  readonly allowsPrivate: boolean;
  /** 1 MiB by default. */
  readonly answerBytesMax?: number;
  /** Deadline of the whole answer; 8 s by default. */
  readonly deadlineMs?: number;
  /** Name servers for public names, `address:port`; the system's by default. */
  readonly nameServers?: readonly string[];
};

/** Why the guard rejects an address or an answer, by the code that is stored. */
const REFUSALS = {
  private_address: 'it names a private address',
  private_name: 'its name resolves to a private address',
  name_unknown: 'its name has no address',
  name_unanswered: 'no name server answers about its name',
  not_https: 'it is not https',
  redirected: 'its answer is a redirect',
  answer_compressed: 'its answer is compressed',
  answer_too_large: 'its answer is too large',
  not_answered: 'it was not answered',
} as const;
type OutboundRefusal = keyof typeof REFUSALS;

/** The guard rejected an address, an answer or a delay. */
export class OutboundRefused extends Error {
  readonly code: OutboundRefusal;

  constructor(code: OutboundRefusal) {
    super(`outbound request refused: ${REFUSALS[code]}`);
    this.name = 'OutboundRefused';
    this.code = code;
  }
}

/** Why a request to this URL would be refused before it is sent; undefined if it would not, or that is not known now. */
export async function addressRefusal(
  { allowsPrivate, nameServers }: Pick<OutboundRules, 'allowsPrivate' | 'nameServers'>,
  address: string,
): Promise<OutboundRefusal | undefined> {
  const { protocol, hostname } = new URL(address);
  if (protocol !== 'https:' && !allowsPrivate) return 'not_https';
  try {
    await guardedLookup(
      { allowsPrivate, ...(nameServers && { nameServers }) },
      hostname,
      AbortSignal.timeout(DEADLINE_MS),
    );
    return undefined;
  } catch (err) {
    return err instanceof OutboundRefused && err.code !== 'name_unanswered' ? err.code : undefined;
  }
}

const ANSWER_BYTES_MAX = 1_048_576;
const DEADLINE_MS = 8_000;
/** A name server says that there is no such name, or no address of it. */
const UNKNOWN_NAME = /^E?(NOTFOUND|NODATA)$/;
/** Deadline of each name server, so that after two dead ones there is still time for a third. */
const LOOKUP_MS = { only: 2_000, each: 700 };

// IANA special-purpose registries (RFC 6890 and its updates): every range that is not globally reachable.
const special = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const)
  special.addSubnet(network, prefix, 'ipv4');
// Of IPv6 only 2000::/3 is allocated; these ranges within it are not globally reachable, or embed an IPv4 address.
const global6 = new BlockList();
global6.addSubnet('2000::', 3, 'ipv6');
for (const [network, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  special.addSubnet(network, prefix, 'ipv6');

export function isPublicAddress(address: string): boolean {
  const version = isIP(address);
  if (version === 4) return !special.check(address, 'ipv4');
  return version === 6 && global6.check(address, 'ipv6') && !special.check(address, 'ipv6');
}

/**
 * Resolves a name, and accepts its addresses only if every one is public, which defeats DNS rebinding. It does not use
 * the system's resolver: that cannot be cancelled, and blocks a thread of the pool that files and hashes share for as
 * long as a name server is silent.
 */
async function publicAddresses(
  hostname: string,
  signal: AbortSignal,
  nameServers: readonly string[] | undefined,
): Promise<LookupAddress[]> {
  const servers = nameServers ?? getServers();
  const resolver = new Resolver({ timeout: servers.length > 1 ? LOOKUP_MS.each : LOOKUP_MS.only, tries: 1 });
  if (nameServers !== undefined) resolver.setServers(nameServers);
  const cancel = (): void => resolver.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const found = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
    signal.throwIfAborted();
    const addresses = found.flatMap((each) => (each.status === 'fulfilled' ? each.value : []));
    const isAnswered = found.every((each) => each.status === 'fulfilled' || UNKNOWN_NAME.test(each.reason.code));
    if (addresses.length === 0) throw new OutboundRefused(isAnswered ? 'name_unknown' : 'name_unanswered');
    if (!addresses.every(isPublicAddress)) throw new OutboundRefused('private_name');
    return addresses.map((address) => ({ address, family: isIP(address) }));
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

/** Returns the checked addresses instead of a second lookup, which might find others. */
export const pinnedLookup =
  (addresses: readonly LookupAddress[]): LookupFunction =>
  (_hostname, options, done) => {
    const first = addresses[0] as LookupAddress;
    if (options.all) done(null, [...addresses]);
    else done(null, first.address, first.family);
  };

/** The lookup of a connection to this host; undefined where the usual one is allowed. Rejects with `OutboundRefused`. */
export async function guardedLookup(
  { allowsPrivate, nameServers }: Pick<OutboundRules, 'allowsPrivate' | 'nameServers'>,
  hostname: string,
  signal: AbortSignal,
): Promise<LookupFunction | undefined> {
  if (allowsPrivate) return undefined;
  // The lookup is not called for literal addresses, so they are checked here.
  const literal = hostname.replace(/^\[|\]$/g, '');
  // localhost is also checked here: it must not be sent to a name server (RFC 6761 §6.3).
  const isInside = isIP(literal) === 0 ? /(^|\.)localhost\.?$/.test(literal) : !isPublicAddress(literal);
  if (isInside) throw new OutboundRefused('private_address');
  return isIP(literal) === 0 ? pinnedLookup(await publicAddresses(hostname, signal, nameServers)) : undefined;
}

const rulesHere = new AsyncLocalStorage<OutboundRules>();
let isInstalled = false;

/**
 * Runs work and guards every `fetch` in it: public addresses only, https, no redirect followed, answers up to 1 MiB
 * within 8 s, uncompressed. For libraries that call `fetch` themselves; it does not affect the rest of the process.
 */
export function guardingFetch<T>(rules: OutboundRules, work: () => T): T {
  if (!isInstalled) {
    isInstalled = true;
    const plainFetch = globalThis.fetch;
    globalThis.fetch = (input, init) => {
      const rulesOfWork = rulesHere.getStore();
      return rulesOfWork === undefined ? plainFetch(input, init) : guardedFetch(rulesOfWork, input, init);
    };
  }
  return rulesHere.run(rules, work);
}

/** `fetch` under the rules above. Rejects with `OutboundRefused`, or with the network's own error. */
export async function guardedFetch(
  { allowsPrivate, answerBytesMax = ANSWER_BYTES_MAX, deadlineMs = DEADLINE_MS, nameServers }: OutboundRules,
  input: string | URL | Request,
  init?: RequestInit,
): Promise<Response> {
  const asked = new Request(input, init);
  const url = new URL(asked.url);
  if (url.protocol !== 'https:' && !(allowsPrivate && url.protocol === 'http:')) throw new OutboundRefused('not_https');
  const body = asked.body === null ? undefined : Buffer.from(await asked.arrayBuffer());
  const signal = AbortSignal.any([asked.signal, AbortSignal.timeout(deadlineMs)]);
  signal.throwIfAborted();
  const lookup = await guardedLookup({ allowsPrivate, ...(nameServers && { nameServers }) }, url.hostname, signal);
  const answer = await send(url, { asked, body, signal, lookup });
  const status = answer.statusCode as number;
  const headers = new Headers();
  for (const [name, value] of Object.entries(answer.headers)) headers.set(name, [value].flat().join(', '));
  const isRedirect = status >= 300 && status < 400 && status !== 304;
  if (isRedirect || headers.has('content-encoding')) {
    answer.destroy();
    throw new OutboundRefused(isRedirect ? 'redirected' : 'answer_compressed');
  }
  const bytes = await read(answer, answerBytesMax);
  return new Response(status === 204 || status === 304 ? null : bytes, { status, headers });
}

type Sent = {
  readonly asked: Request;
  readonly body: Buffer | undefined;
  readonly signal: AbortSignal;
  readonly lookup: LookupFunction | undefined;
};

function send(url: URL, { asked, body, signal, lookup }: Sent): Promise<IncomingMessage> {
  return new Promise((done, fail) => {
    const request = (url.protocol === 'https:' ? tlsRequest : plainRequest)(url, {
      method: asked.method,
      headers: {
        ...Object.fromEntries(asked.headers),
        'accept-encoding': 'identity',
        ...(body === undefined ? {} : { 'content-length': body.byteLength }),
      },
      signal,
      // A separate connection for each request, so that no state of one remote server is kept for the next.
      agent: false,
      ...(lookup === undefined ? {} : { lookup }),
    });
    request
      .once('response', done)
      .once('error', fail)
      .once('upgrade', (_answer, socket) => socket.destroy())
      // A 101 answer ends with neither event; after a complete answer this has no effect.
      .once('close', () => fail(new OutboundRefused('not_answered')))
      .end(body);
  });
}

async function read(answer: IncomingMessage, bytesMax: number): Promise<Buffer<ArrayBuffer>> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    size += part.byteLength;
    if (size > bytesMax) {
      answer.destroy();
      throw new OutboundRefused('answer_too_large');
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}
