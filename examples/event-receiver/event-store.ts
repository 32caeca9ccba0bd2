/** A CloudEvent (CloudEvents 1.0) as Sallyport pushes it. */
export type PushedEvent = {
  /** Of the event: the same in every attempt. */
  readonly id: string;
  /** The issuer of the installation. */
  readonly source: string;
  readonly type: string;
  /** `user:<id>`, `client:<id>` …: events of one subject arrive in the order of `seq`. */
  readonly subject: string;
  /** RFC 3339. */
  readonly time: string;
  readonly data: { readonly seq: number; readonly outcome: string; readonly trace_id: string | null };
};

/** `late`: a later event of its subject came before, because an operator replayed this one after it was given up. */
type Arrival = 'new' | 'late' | 'repeated';

export type EventStore = {
  /** Acts on an event, once. If it throws, the event is sent again. */
  add(event: PushedEvent): Promise<Arrival>;
};

const IDS_MAX = 100_000;

/**
 * Acts on each event once. In a service of yours, write the id and the newest `seq` of the subject to your database in
 * the transaction of the effect; this one forgets them when the process ends.
 * @param act must not apply a late event over a newer state
 */
export function createMemoryStore(act: (event: PushedEvent, isLate: boolean) => Promise<void> | void): EventStore {
  const ids = new Set<string>();
  const newest = new Map<string, number>();
  /** Two attempts to send one event may overlap if the first was slow, so events are added one after the other. */
  let last: Promise<unknown> = Promise.resolve();
  async function addNext(event: PushedEvent): Promise<Arrival> {
    if (ids.has(event.id)) return 'repeated';
    const { subject, data } = event;
    const isLate = data.seq < (newest.get(subject) ?? -1);
    await act(event, isLate);
    remember(event);
    return isLate ? 'late' : 'new';
  }
  function remember({ id, subject, data }: PushedEvent): void {
    ids.add(id);
    const seq = Math.max(data.seq, newest.get(subject) ?? -1);
    // Deleted first, so that the subjects that had no event for the longest time are forgotten first.
    newest.delete(subject);
    newest.set(subject, seq);
    if (ids.size > IDS_MAX) ids.delete(ids.values().next().value as string);
    if (newest.size > IDS_MAX) newest.delete(newest.keys().next().value as string);
  }
  return {
    add(event) {
      const added = last.then(() => addNext(event));
      last = added.catch(() => {});
      return added;
    },
  };
}
