import { useQuery } from '@tanstack/preact-query';
import { type Answer, call } from './api.ts';

/** What a thing is called; null if the reader may not read that. */
type NamedRef = Answer<'GET /v1/admin/refs'>['refs'][number] | null;
type Waiting = { readonly key: string; resolve(ref: NamedRef): void; reject(error: unknown): void };

const KINDS: readonly string[] = ['user', 'client', 'agent', 'role', 'api_key', 'incident'];
/** What one read takes; ids that are longer are shown as they are. */
const IDS_MAX = 100;
const LONGEST = 64;
let waiting: Waiting[] = [];

async function readWaiting(): Promise<void> {
  const all = waiting;
  waiting = [];
  const keys = [...new Set(all.map(({ key }) => key))];
  for (let at = 0; at < keys.length; at += IDS_MAX) {
    const part = keys.slice(at, at + IDS_MAX);
    const asked = all.filter(({ key }) => part.includes(key));
    try {
      const { refs } = await call('GET /v1/admin/refs', { query: { ids: part.join(',') } });
      const byKey = new Map(refs.map((ref) => [`${ref.kind}:${ref.id}`, ref]));
      for (const { key, resolve } of asked) resolve(byKey.get(key) ?? null);
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }
}

/** All that a page draws at once is asked for at once. */
const nameOf = (key: string): Promise<NamedRef> =>
  new Promise((resolve, reject) => {
    if (waiting.length === 0) setTimeout(() => void readWaiting());
    waiting.push({ key, resolve, reject });
  });

/** Whether it has a name to show instead of its id. */
export const isNamed = (kind: string, id: string | null): boolean =>
  id !== null && id.length <= LONGEST && KINDS.includes(kind);

/** The name of a thing, once it is known; without one its id is shown. */
export function useNamed(kind: string, id: string | null): NamedRef | undefined {
  const key = `${kind}:${id}`;
  const enabled = isNamed(kind, id);
  const every = { staleTime: 60_000, refetchInterval: 60_000 };
  return useQuery({ queryKey: ['ref', key], queryFn: () => nameOf(key), enabled, retry: false, ...every }).data;
}
