import { rateLimitBypasses, rateLimitRefusals } from '#observability/metrics/limits.ts';
import type { RateClass } from '#services/platform/define/endpoint.ts';
import { rateLimited } from '#services/platform/errors.ts';
import { recordEvent } from '../audit/record-event.ts';
import { type AgentCaller, type ClientCaller, clientOf, holds, isVettedClient, userOf } from '../authority/callers.ts';
import { actorIdOf, limitNameOf } from '../authority/names.ts';
import type { Caller, Ports, RateCounters } from '../ports.ts';
import { clientPrefixOf } from '../shared/client-prefix.ts';
import { createThrottle } from '../shared/throttle.ts';
import { limitBypassed } from './audit-events.ts';
import type { LimitBucket, LimitBuckets } from './buckets.ts';
import { type Counted, limitRefusalOf, usedUp } from './limit-headers.ts';
import { limitsBypass } from './permissions.ts';

type BypassPorts = Pick<Ports, 'sql' | 'clock' | 'log'>;

/**
 * Lets callers with `limits:bypass` exceed a limit, and records it in the audit log once per caller, limit and minute.
 * @returns false when the event could not be written: a bypass must be visible
 */
function createBypass(
  ports: BypassPorts,
): (caller: Caller, bucket: LimitBucket, rateClass: RateClass) => Promise<boolean> {
  const once = createThrottle(ports.clock);

  const record = (caller: Caller, bucket: LimitBucket, rateClass: RateClass): Promise<boolean> =>
    recordEvent(ports.sql, caller, limitBypassed, { detail: { limit: bucket.name, route_class: rateClass } }).then(
      () => true,
      (err: unknown) => {
        ports.log.warn({ err }, 'rate limit bypass refused: it could not be recorded');
        return false;
      },
    );

  return (caller, bucket, rateClass) =>
    once(`${bucket.name} ${limitNameOf(caller)}`, () => record(caller, bucket, rateClass));
}

/** What is known of a request before its body is read. */
export type ArrivedRequest = {
  readonly rateClass: RateClass;
  /** A health check: other requests never block it. */
  readonly isProbe: boolean;
  /** As forwarded by trusted proxies. */
  readonly ip: string;
  /** Whether it has a client id and secret in its headers, at an endpoint that accepts them. */
  readonly namesClient: boolean;
  /** Owner of the credential in the headers, from memory only; null for an anonymous request. */
  identify(): Caller | null;
};

/** What a request has been counted in so far. */
export type RequestAdmission = {
  readonly counted: readonly Counted[];
  /** Whether its client's bucket is among them. */
  readonly isClientCounted: boolean;
};

export type RequestLimits = {
  /**
   * Before the body is read: a vetted client that the headers authenticate counts in its own bucket and in that of all
   * vetted clients. Every other request counts by its address and class, and only if these admit it in the global
   * bucket, so that no address can use up the global limit with refused requests. A client that registered itself counts
   * by its address: one address could register any number. Waits only for buckets counted in Redis.
   * @throws rateLimited, with its headers
   */
  admitRequest(request: ArrivedRequest): RequestAdmission | Promise<RequestAdmission>;
  /**
   * Once the caller is known: counts for its user, or for its client if not counted yet.
   * @returns null when there was nothing to count
   * @throws rateLimited, with its headers
   */
  admitCaller(
    caller: Caller,
    rateClass: RateClass,
    before: RequestAdmission,
  ): RequestAdmission | null | Promise<RequestAdmission>;
  /**
   * Once the body of a batch is read: counts its further items in the in-memory buckets that the request counted in.
   * @throws rateLimited, with its headers
   */
  admitItems(furtherItems: number, rateClass: RateClass, before: RequestAdmission): RequestAdmission;
};

type LimitPorts = BypassPorts & { readonly rateCounters: RateCounters };
const BYPASS = limitsBypass.name;

function refuse(refused: Counted, counted: readonly Counted[], rateClass: RateClass): never {
  rateLimitRefusals.add(1, { level: refused.bucket.level, class: rateClass });
  throw rateLimited(limitRefusalOf(refused, counted));
}

export function createRequestLimits(ports: LimitPorts, buckets: LimitBuckets): RequestLimits {
  const { rateCounters } = ports;
  const bypass = createBypass(ports);
  const here = (bucket: LimitBucket, key: string, requests = 1): Counted => ({
    bucket,
    key,
    count: rateCounters.countHere(bucket, key, requests),
  });
  const shared = async (bucket: LimitBucket, key: string): Promise<Counted> => ({
    bucket,
    count: await rateCounters.countShared(bucket, key),
  });

  /** Throws if a bucket is used up, unless the caller may bypass it and the bypass is recorded. */
  async function pass(
    counted: readonly Counted[],
    rateClass: RateClass,
    caller: Caller | null,
    before: readonly Counted[] = [],
  ): Promise<void> {
    const refused = usedUp(counted);
    if (refused === undefined) return;
    if (caller === null || !holds(caller, BYPASS) || !(await bypass(caller, refused.bucket, rateClass)))
      refuse(refused, [...before, ...counted], rateClass);
    rateLimitBypasses.add(1, { level: refused.bucket.level });
  }

  /** The address or the global limit is used up: a vetted client falls back to its own limit. */
  async function passUsedUp(request: ArrivedRequest, counted: readonly Counted[]): Promise<RequestAdmission> {
    const { rateClass } = request;
    const caller = request.identify();
    if (caller !== null && isVettedClient(caller)) return admitClient(caller, rateClass);
    await pass(counted, rateClass, caller);
    return { counted, isClientCounted: false };
  }

  function admitClient(
    caller: ClientCaller | AgentCaller,
    rateClass: RateClass,
  ): RequestAdmission | Promise<RequestAdmission> {
    const counted = [here(buckets.byClient[rateClass], caller.clientId)];
    const admission = { counted, isClientCounted: true };
    const together = (): RequestAdmission | Promise<RequestAdmission> => {
      const all = [here(buckets.clients, '')];
      return usedUp(all) === undefined ? admission : pass(all, rateClass, caller).then(() => admission);
    };
    return usedUp(counted) === undefined ? together() : pass(counted, rateClass, caller).then(together);
  }

  /** A request that its address admits also counts in the global bucket. */
  function admitGlobally(
    request: ArrivedRequest,
    admission: RequestAdmission,
  ): RequestAdmission | Promise<RequestAdmission> {
    if (admission.isClientCounted) return admission;
    const all = [here(buckets.global, '')];
    return usedUp(all) === undefined
      ? admission
      : passUsedUp(request, all).then((passed) => (passed.isClientCounted ? passed : admission));
  }

  function admitCounted(
    request: ArrivedRequest,
    counted: readonly Counted[],
  ): RequestAdmission | Promise<RequestAdmission> {
    return usedUp(counted) === undefined
      ? admitGlobally(request, { counted, isClientCounted: false })
      : passUsedUp(request, counted).then((admission) => admitGlobally(request, admission));
  }

  async function admitShared(request: ArrivedRequest, prefix: string, ofAddress: readonly LimitBucket[]) {
    return admitCounted(request, await Promise.all(ofAddress.map((bucket) => shared(bucket, prefix))));
  }

  function admitAddress(request: ArrivedRequest, prefix: string): RequestAdmission | Promise<RequestAdmission> {
    const ofAddress = buckets.byAddress[request.rateClass];
    const [first] = ofAddress;
    return ofAddress.length === 1 && first?.counting === 'here'
      ? admitCounted(request, [here(first, prefix)])
      : admitShared(request, prefix, ofAddress);
  }

  return {
    admitItems,
    admitRequest(request) {
      const prefix = clientPrefixOf(request.ip);
      if (request.isProbe) {
        const probe = here(buckets.probe, prefix);
        if (usedUp([probe])) refuse(probe, [probe], request.rateClass);
        return { counted: [probe], isClientCounted: false };
      }
      if (request.namesClient) {
        const caller = request.identify();
        if (caller !== null && isVettedClient(caller)) return admitClient(caller, request.rateClass);
      }
      // In memory and first: requests of an address beyond its share cost no Redis command.
      const share = [here(buckets.addressSecond, prefix)];
      if (usedUp(share) === undefined) return admitAddress(request, prefix);
      return passUsedUp(request, share).then((passed) =>
        passed.isClientCounted ? passed : admitAddress(request, prefix),
      );
    },

    admitCaller(caller, rateClass, before) {
      const bucket = bucketOfCaller(caller, rateClass, before);
      if (bucket === null) return null;
      const key = actorIdOf(caller) as string;
      return (async () => {
        const own = bucket.counting === 'shared' ? await shared(bucket, key) : here(bucket, key);
        await pass([own], rateClass, caller, before.counted);
        return { counted: [...before.counted, own], isClientCounted: true };
      })();
    },
  };

  function admitItems(furtherItems: number, rateClass: RateClass, before: RequestAdmission): RequestAdmission {
    const counted = before.counted.map((one) =>
      one.bucket.counting === 'here' && one.key !== undefined ? here(one.bucket, one.key, furtherItems) : one,
    );
    const refused = usedUp(counted);
    if (refused !== undefined) refuse(refused, counted, rateClass);
    return { ...before, counted };
  }

  function bucketOfCaller(caller: Caller, rateClass: RateClass, before: RequestAdmission): LimitBucket | null {
    const user = userOf(caller);
    if (user !== null) return buckets.byUser(rateClass, user.roles ?? []);
    return clientOf(caller) !== null && !before.isClientCounted ? buckets.byClient[rateClass] : null;
  }
}
