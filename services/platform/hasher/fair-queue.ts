export type Place = {
  /** Address of the client: an IPv4 address or an IPv6 /64. */
  readonly clientPrefix: string;
  /** True for a device that signed in here before. */
  readonly knownDevice: boolean;
};

type FairQueue<T extends Place> = {
  readonly size: number;
  /** Whether a job of this place would be queued now. */
  hasSeatFor(place: Place): boolean;
  /** Queues the job and returns the displaced one: none, the job itself, or the newest of a prefix with more jobs. */
  offer(job: T): T | undefined;
  take(): T | undefined;
  remove(job: T): void;
  drain(): T[];
};

/**
 * A bounded queue that serves prefixes round-robin, and alternates known devices with unknown ones. Unknown devices
 * never use the reserved places. When a class is full, a prefix with fewer jobs displaces the newest job of the prefix
 * with the most, so one client cannot keep the others out.
 */
export function createFairQueue<T extends Place>(capacity: number, reservedForKnown: number): FairQueue<T> {
  const known = createRing<T>();
  const unknown = createRing<T>();
  let knownServedLast = false;

  const ringOf = ({ knownDevice }: Place): Ring<T> => (knownDevice ? known : unknown);
  const size = (): number => known.size + unknown.size;
  const hasRoom = ({ knownDevice }: Place): boolean =>
    size() < capacity && (knownDevice || unknown.size < capacity - reservedForKnown);

  return {
    get size() {
      return size();
    },
    hasSeatFor: (place) => hasRoom(place) || ringOf(place).yielding(place) !== undefined,
    offer(job) {
      const ring = ringOf(job);
      if (hasRoom(job)) return void ring.push(job);
      const evicted = ring.yielding(job);
      if (evicted === undefined) return job;
      ring.remove(evicted);
      ring.push(job);
      return evicted;
    },
    take() {
      const [first, second] = knownServedLast ? [unknown, known] : [known, unknown];
      const job = first.shift() ?? second.shift();
      if (job) knownServedLast = job.knownDevice;
      return job;
    },
    remove(job) {
      ringOf(job).remove(job);
    },
    drain() {
      return [...known.drain(), ...unknown.drain()];
    },
  };
}

type Ring<T> = {
  readonly size: number;
  push(job: T): void;
  shift(): T | undefined;
  remove(job: T): void;
  /** The job to displace for a job of this place. */
  yielding(place: Place): T | undefined;
  drain(): T[];
};

// The insertion order of the map is the round-robin order: the first prefix is next, and moves to the end once served.
function createRing<T extends Place>(): Ring<T> {
  const jobsByPrefix = new Map<string, T[]>();
  let size = 0;

  const remove = (job: T): void => {
    const jobs = jobsByPrefix.get(job.clientPrefix) ?? [];
    const index = jobs.indexOf(job);
    if (index === -1) return;
    jobs.splice(index, 1);
    if (jobs.length === 0) jobsByPrefix.delete(job.clientPrefix);
    size -= 1;
  };

  return {
    get size() {
      return size;
    },
    push(job) {
      const jobs = jobsByPrefix.get(job.clientPrefix);
      if (jobs) jobs.push(job);
      else jobsByPrefix.set(job.clientPrefix, [job]);
      size += 1;
    },
    shift() {
      for (const [prefix, jobs] of jobsByPrefix) {
        jobsByPrefix.delete(prefix);
        const job = jobs.shift();
        if (jobs.length > 0) jobsByPrefix.set(prefix, jobs);
        size -= 1;
        return job;
      }
      return undefined;
    },
    remove,
    yielding({ clientPrefix }) {
      const own = jobsByPrefix.get(clientPrefix)?.length ?? 0;
      let greediest: T[] = [];
      for (const jobs of jobsByPrefix.values()) if (jobs.length > greediest.length) greediest = jobs;
      // A prefix loses a job only if it still has at least as many as the other; else two prefixes would evict each other forever.
      return greediest.length > own + 1 ? greediest.at(-1) : undefined;
    },
    drain() {
      const jobs = [...jobsByPrefix.values()].flat();
      jobsByPrefix.clear();
      size = 0;
      return jobs;
    },
  };
}
