import { expect, test } from 'vitest';
import type { RevocationSet } from '../revocations/revocation-set.ts';
import { listDeadLetters } from './manage-dead-letters.ts';
import type { QueueAdmin } from './manage-queues.ts';
import type { DeadLetter } from './queues-contract.ts';
import { type ReadinessSources, readReadiness } from './readiness.ts';

const sources = (changes: {
  readonly fresh?: boolean;
  readonly rewound?: boolean;
  readonly keys?: boolean;
  readonly directory?: boolean;
  readonly redis?: boolean;
  readonly draining?: boolean;
  readonly replica?: 'ok' | 'stale' | 'away' | 'other';
}): ReadinessSources => {
  const {
    fresh = true,
    rewound = false,
    keys = true,
    directory = true,
    redis = true,
    draining = false,
    replica,
  } = changes;
  return {
    revocations: { state: () => ({ fresh, rewound }) } as RevocationSet,
    isKeyRingFresh: () => keys,
    isDirectoryFresh: () => directory,
    isRedisReady: () => redis,
    isDraining: () => draining,
    replicaState: replica && (() => replica),
  };
};
const allOk = { api: 'ok', postgres: 'ok', keys: 'ok', revocations: 'ok', directory: 'ok', redis: 'ok' };

test.each([
  ['every component is ok', {}, 'ready', {}],
  ['Redis is down: no decision depends on it', { redis: false }, 'ready', { redis: 'degraded' }],
  ['the read replica is behind: no decision depends on it', { replica: 'stale' }, 'ready', { replica: 'stale' }],
  ['the process is draining', { draining: true }, 'not_ready', { api: 'draining' }],
  ['its clients and permissions are stale', { directory: false }, 'not_ready', { directory: 'stale' }],
  ['its key ring is stale: it may not sign', { keys: false }, 'not_ready', { keys: 'stale' }],
  [
    'its revocations have not been refreshed for too long',
    { fresh: false },
    'not_ready',
    { postgres: 'unreachable', revocations: 'stale' },
  ],
  [
    'its database is behind the high-water marks',
    { fresh: false, rewound: true },
    'not_ready',
    { revocations: 'rewound' },
  ],
] as const)('a copy reports whether it is ready for requests: %s', (_title, changes, status, components) => {
  expect(readReadiness(sources(changes))).toEqual({ status, components: { ...allOk, ...components } });
});

const letter = (id: string, second: number): DeadLetter => ({
  queue: 'mail',
  job_id: id,
  job: 'send-mail',
  code: 'http_503',
  attempts: 3,
  failed_at: `2026-01-01T00:00:0${second}.000Z`,
});

/** The side of Redis: the newest letters, of this time or before. */
const adminOf = (letters: DeadLetter[]): { readonly queueAdmin: QueueAdmin } => ({
  queueAdmin: {
    deadLetters: async (limit: number, queue?: string, until = '9') =>
      letters.filter((each) => (queue ?? each.queue) === each.queue && each.failed_at <= until).slice(0, limit),
  } as unknown as QueueAdmin,
});

/** Every page, by its ids. @param between runs before the second page is read */
async function pagesOf(letters: DeadLetter[], limit: number, between = () => {}): Promise<string[][]> {
  const pages: string[][] = [];
  let cursor: string | null | undefined;
  while (cursor !== null) {
    if (pages.length === 1) between();
    const answer = await listDeadLetters(adminOf(letters), { limit, cursor });
    pages.push(answer.dead_letters.map(({ job_id: id }) => id));
    cursor = answer.next;
  }
  return pages;
}

const SAME = [letter('a', 9), letter('b', 5), letter('c', 5), letter('d', 5), letter('e', 5), letter('f', 1)];

test.each([1, 2, 3, 4, 5, 6])('pages of %i show each dead letter once, also of one millisecond', async (limit) => {
  const pages = await pagesOf(SAME, limit);
  expect(pages.flat()).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  expect(Math.max(...pages.map((page) => page.length))).toBe(limit);
});

test('a newer dead letter that arrives between two pages moves none of the next page', async () => {
  const letters = [...SAME];
  expect((await pagesOf(letters, 2, () => letters.unshift(letter('new', 9)))).flat()).toEqual([...'abcdef']);
});

test('a place of another list is refused', async () => {
  const cursor = Buffer.from(JSON.stringify(['2026-01-01T00:00:00.000Z'])).toString('base64url');
  await expect(listDeadLetters(adminOf([]), { limit: 1, cursor })).rejects.toMatchObject({ code: 'cursor_invalid' });
});
