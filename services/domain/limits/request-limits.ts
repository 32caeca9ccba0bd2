import { rateLimitBypasses, rateLimitRefusals } from '../../../observability/metrics/limits.ts';
import type { RateClass } from '../../platform/define/endpoint.ts';
import { rateLimited } from '../../platform/errors.ts';
import type { Caller, RateCounters } from '../ports.ts';
import type { LimitBucket, LimitBuckets } from './buckets.ts';
import { type BypassPorts, createBypass } from './bypass-limit.ts';
import { clientPrefixOf } from './client-prefix.ts';
import { type Counted, refusalOf, usedUp } from './verdict.ts';

/** What is known of a request before its body is read. */
export type ArrivedRequest = {
  readonly rateClass: RateClass;
  /** Health: never held by what others ask. */
  readonly isProbe: boolean;
  /** As the trusted proxies tell it. */
  readonly ip: string;
  /** Sent a client id and secret in its headers, at an endpoint that takes them. */
  readonly namesClient: boolean;
  /** Who the credential in the headers belongs to, from memory alone; null for nobody. */
  identify(): Caller | null;
};

/** What a request has been counted in so far. */
export type Admission = {
  readonly counted: readonly Counted[];
  /** Its client's bucket is among them. */
  readonly isClientCounted: boolean;
};

export type RequestLimits = {
  /**
   * Before the body is read: all together, then the client where the headers prove one, else the address and its class.
   * A known client is thus never held by what others send from its address; one that nobody here has looked at is: its
   * address could register as many as it likes. Waits only for buckets counted in Redis.
   * @throws rateLimited, with its headers
   */
  admitRequest(request: ArrivedRequest): Admission | Promise<Admission>;
  /**
   * Once the caller is known: its user, or its client where that was not counted yet.
   * @returns null when nothing was to be counted
   * @throws rateLimited, with its headers
   */
  admitCaller(caller: Caller, rateClass: RateClass, before: Admission): Admission | null | Promise<Admission>;
  /**
   * A batch, once its body is read: its further items in the buckets in memory that it was counted in.
   * @throws rateLimited, with its headers
   */
  admitItems(furtherItems: number, rateClass: RateClass, before: Admission): Admission;
};

export type LimitPorts = BypassPorts & { readonly rateCounters: RateCounters };
const BYPASS = 'limits:bypass';

const isVettedClient = (caller: Caller | null): caller is Caller & { kind: 'client' } =>
  caller?.kind === 'client' && caller.isVetted;

const hasBypass = (caller: Caller | null): caller is Caller =>
  caller !== null && (caller.kind === 'user' || caller.kind === 'client') && caller.permissions.has(BYPASS);

function refuse(refused: Counted, counted: readonly Counted[], rateClass: RateClass): never {
  rateLimitRefusals.add(1, { level: refused.bucket.level, class: rateClass });
  throw rateLimited(refusalOf(refused, counted));
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

  /** Throws unless nothing is used up, or the caller may go past it and that is recorded. */
  async function pass(
    counted: readonly Counted[],
    rateClass: RateClass,
    caller: Caller | null,
    before: readonly Counted[] = [],
  ): Promise<void> {
    const refused = usedUp(counted);
    if (refused === undefined) return;
    if (!hasBypass(caller) || !(await bypass(caller, refused.bucket, rateClass)))
      refuse(refused, [...before, ...counted], rateClass);
    rateLimitBypasses.add(1, { level: refused.bucket.level });
  }

  /** The address is used up: who proves to be a known client goes by its own bucket. */
  async function passAddress(request: ArrivedRequest, counted: readonly Counted[]): Promise<Admission> {
    const { rateClass } = request;
    const caller = request.identify();
    if (isVettedClient(caller)) return admitClient(caller, rateClass);
    await pass(counted, rateClass, caller);
    return { counted, isClientCounted: false };
  }

  function admitClient(caller: Caller & { kind: 'client' }, rateClass: RateClass): Admission | Promise<Admission> {
    const counted = [here(buckets.byClient[rateClass], caller.clientId)];
    const admission = { counted, isClientCounted: true };
    return usedUp(counted) === undefined ? admission : pass(counted, rateClass, caller).then(() => admission);
  }

  async function admitShared(request: ArrivedRequest, ofAddress: readonly LimitBucket[]): Promise<Admission> {
    const prefix = clientPrefixOf(request.ip);
    const counted = await Promise.all(ofAddress.map((bucket) => shared(bucket, prefix)));
    return usedUp(counted) === undefined ? { counted, isClientCounted: false } : passAddress(request, counted);
  }

  function admitHere(request: ArrivedRequest, bucket: LimitBucket): Admission | Promise<Admission> {
    const counted = [here(bucket, clientPrefixOf(request.ip))];
    return usedUp(counted) === undefined ? { counted, isClientCounted: false } : passAddress(request, counted);
  }

  return {
    admitItems,
    admitRequest(request) {
      if (request.isProbe) return admitHere(request, buckets.probe);
      const all = here(buckets.global, '');
      if (usedUp([all])) refuse(all, [all], request.rateClass);
      if (request.namesClient) {
        const caller = request.identify();
        if (isVettedClient(caller)) return admitClient(caller, request.rateClass);
      }
      const ofAddress = buckets.byAddress[request.rateClass];
      const [first] = ofAddress;
      return ofAddress.length === 1 && first?.counting === 'here'
        ? admitHere(request, first)
        : admitShared(request, ofAddress);
    },

    admitCaller(caller, rateClass, before) {
      const bucket = bucketOfCaller(caller, rateClass, before);
      if (bucket === null) return null;
      const key = caller.kind === 'user' ? caller.userId : (caller as { clientId: string }).clientId;
      return (async () => {
        const own = bucket.counting === 'shared' ? await shared(bucket, key) : here(bucket, key);
        await pass([own], rateClass, caller, before.counted);
        return { counted: [...before.counted, own], isClientCounted: true };
      })();
    },
  };

  function admitItems(furtherItems: number, rateClass: RateClass, before: Admission): Admission {
    const counted = before.counted.map((one) =>
      one.bucket.counting === 'here' && one.key !== undefined ? here(one.bucket, one.key, furtherItems) : one,
    );
    const refused = usedUp(counted);
    if (refused !== undefined) refuse(refused, counted, rateClass);
    return { ...before, counted };
  }

  function bucketOfCaller(caller: Caller, rateClass: RateClass, before: Admission): LimitBucket | null {
    if (caller.kind === 'user') return buckets.byUser(rateClass, caller.roles ?? []);
    return caller.kind === 'client' && !before.isClientCounted ? buckets.byClient[rateClass] : null;
  }
}
