import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Access,
  mayBeRevoked,
  now,
  revocationsOf,
  revocationsOfFamily,
  revokedSince,
  type TokenFamily,
} from '../ledger.ts';
import { alone, anyCopy, type Clients, type User } from './clients.ts';
import { atBothCopies, type Surface } from './surfaces/surface.ts';
import {
  changePassword,
  compromise,
  disable,
  introspect,
  issue,
  present,
  refresh,
  refreshInTwoTabs,
  removeRole,
  repeatRefresh,
  replay,
  revokeFamily,
  revokeToken,
  rotateKey,
  signIn,
  signInAdmin,
  signInAndOut,
  validate,
} from './tokens.ts';

type Begin = () => Promise<unknown>;

const TICK_MS = 50;
const FIRST_WITHIN_SECONDS = 9;
/** More than these wait for an answer: the machine has enough. */
const MOST_IN_FLIGHT = 64;
const ADMIN_SIGN_IN_MS = 60_000;
/** Tokens near their expiry prove nothing any more. */
const TOKEN_LIFE_MS = 800_000;
const FAMILIES_MAX = 400;
const RECENT_TOKENS_MAX = 1_500;
const AT_ONCE = 16;

async function inBatches<T>(all: readonly T[], work: (each: T) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < all.length; at += AT_ONCE) await Promise.all(all.slice(at, at + AT_ONCE).map(work));
}

export type Load = {
  /** Makes the users and first families. */
  prepare(): Promise<void>;
  start(): void;
  /** Begins nothing that makes or ends families; tokens are shown on. */
  pause(): void;
  resume(): void;
  /** Begins nothing more, and waits for the answers that are on their way. */
  stop(): Promise<void>;
  /** When all is well again: every honest family that lives is refreshed once more, every surface comes to its end. */
  settle(): Promise<void>;
  /** Shows every ended token at both copies, and every ended family's refresh token at one. */
  presentAllRevoked(): Promise<void>;
  liveFamilies(): TokenFamily[];
  readonly users: readonly User[];
  /** A user whose families the load leaves alone. */
  caseUser(): User;
};

export function createLoad(clients: Clients, { pace }: { readonly pace: number }, surfaces: readonly Surface[]): Load {
  const { ledger, random } = clients;
  /** Users of honest families; of victims of attackers, whose users incidents may act on; and those that administrators end. */
  const users: User[] = [];
  const victims: User[] = [];
  const ended: User[] = [];
  const untouched: User[] = [];
  const due = new Map<Begin, number>();
  const running = new Set<Promise<unknown>>();
  let isRunning = false;
  let isPaused = false;
  let adminSince = Number.NEGATIVE_INFINITY;
  let loop = Promise.resolve();

  const isFresh = ({ issuedAtMs }: Access): boolean => now() - issuedAtMs < TOKEN_LIFE_MS;
  const isLive = (family: TokenFamily): boolean =>
    !family.isAbandoned && !mayBeRevoked(revocationsOfFamily(ledger, family), now());
  const liveFamilies = (of = users): TokenFamily[] => {
    const ids = new Set(of.map(({ id }) => id));
    return [...ledger.families.values()].filter((family) => ids.has(family.userId) && isLive(family));
  };
  const hasOlder = ({ older }: TokenFamily): boolean => older.size >= 2;
  const idle = (of: readonly User[]): User | undefined => random.pick(of.filter(({ isBusy }) => !isBusy));
  const withFamily = async (
    work: (clients: Clients, family: TokenFamily) => Promise<unknown>,
    of = liveFamilies(),
  ): Promise<void> => {
    const family = random.pick(of);
    if (family) await work(clients, family);
  };

  /** Two in five have been ended: those are to be refused. */
  function pickToken(): Access | undefined {
    const wantsDead = random.chance(0.4);
    const recent = [...ledger.tokens.values()].slice(-RECENT_TOKENS_MAX).filter(isFresh);
    const fitting = recent.filter((access) => revokedSince(revocationsOf(ledger, access)) < now() === wantsDead);
    return random.pick(fitting.length > 0 ? fitting : recent);
  }
  let shown: Access[] = [];
  /** Looking through all tokens for each request would cost more than the request. */
  async function showToken(): Promise<void> {
    if (shown.length === 0) shown = Array.from({ length: 40 }, pickToken).filter((access) => access !== undefined);
    const access = shown.pop();
    if (access) await (random.chance(0.15) ? introspect : validate)(clients, access, anyCopy(clients));
  }

  async function revoke(): Promise<void> {
    const family = random.pick(liveFamilies());
    const access = family?.access.at(-1);
    if (access && random.chance(0.6)) await revokeToken(clients, access);
    else if (family) await revokeFamily(clients, family);
  }

  async function issueOne(): Promise<unknown> {
    const pool = random.pick([users, users, victims, ended]) ?? users;
    // The pool is as large as the clients' memory: who has many families ends some.
    if (ledger.families.size > FAMILIES_MAX && liveFamilies(pool).length > FAMILIES_MAX / 4) return revoke();
    return alone(random.pick(pool), ({ id }) => issue(clients, id));
  }

  const asAdmin =
    (work: () => Promise<unknown>): Begin =>
    async () => {
      if (now() - adminSince > ADMIN_SIGN_IN_MS) {
        if (!(await signInAdmin(clients))) return;
        adminSince = now();
      }
      await work();
    };

  /** How often each of these is begun, a second, at full pace. */
  const begins: readonly (readonly [perSecond: number, begin: Begin])[] = [
    [60, showToken],
    [15, () => withFamily(refresh, liveFamilies([...users, ...victims, ...ended]))],
    [4, () => withFamily(repeatRefresh)],
    [10, issueOne],
    [3, revoke],
    [1, () => withFamily(refreshInTwoTabs)],
    [0.5, () => withFamily(replay, liveFamilies(victims).filter(hasOlder))],
    [0.4, () => alone(idle(users), (user) => signIn(clients, user))],
    [0.2, () => alone(idle(users), (user) => signInAndOut(clients, user))],
    [0.1, () => alone(idle(ended), (user) => changePassword(clients, user))],
    [0.25, asAdmin(() => alone(idle(ended), ({ id }) => removeRole(clients, id)))],
    [0.15, asAdmin(() => alone(idle(ended), ({ id }) => disable(clients, id)))],
    [0.05, asAdmin(() => rotateKey(clients))],
    [0.03, asAdmin(() => compromise(clients))],
    ...surfaces.flatMap(({ acts }) => acts),
  ];

  /** What is begun seldom is begun once before the first fault too. */
  const firstOwed = (rate: number): number => 1 - Math.min(1, FIRST_WITHIN_SECONDS * rate * pace) * random.next();

  async function run(): Promise<void> {
    let last = now();
    while (isRunning) {
      await sleep(TICK_MS);
      const elapsed = Math.min(0.5, (now() - last) / 1_000);
      last = now();
      for (const [rate, begin] of begins) {
        if (isPaused && begin !== showToken) continue;
        const owed = (due.get(begin) ?? firstOwed(rate)) + elapsed * rate * pace;
        due.set(begin, owed % 1);
        for (let left = Math.floor(owed); left > 0 && running.size < MOST_IN_FLIGHT; left -= 1) {
          const work = begin();
          running.add(work);
          void work.finally(() => running.delete(work));
        }
      }
    }
  }

  return {
    users,
    prepare: async () => {
      const pools = [
        [users, 4],
        [victims, 2],
        [ended, 3],
        [untouched, 1],
      ] as const;
      for (const [pool, size] of pools) for (let at = 0; at < size; at += 1) pool.push(await clients.newUser());
      for (const { id } of victims) ledger.exposedUsers.add(id);
      const all = [...users, ...victims, ...ended];
      await Promise.all(all.flatMap(({ id }) => [issue(clients, id), issue(clients, id)]));
      if (await signInAdmin(clients)) adminSince = now();
      // Sign-offs need agents.
      const [agents, ...others] = surfaces;
      await agents?.prepare();
      await Promise.all(others.map((surface) => surface.prepare()));
    },
    start: () => {
      isRunning = true;
      loop = run();
    },
    pause: () => {
      isPaused = true;
    },
    resume: () => {
      isPaused = false;
      adminSince = Number.NEGATIVE_INFINITY;
    },
    stop: async () => {
      isRunning = false;
      await loop;
      while (running.size > 0) await Promise.all(running);
    },
    settle: async () => {
      await inBatches(liveFamilies([...users, ...victims, ...ended]), (family) => refresh(clients, family));
      await Promise.all(surfaces.map((surface) => surface.settle()));
    },
    presentAllRevoked: async () => {
      const dead = [...ledger.tokens.values()].filter(
        (access) => isFresh(access) && revokedSince(revocationsOf(ledger, access)) < now(),
      );
      await atBothCopies(dead, (access, copy) => validate(clients, access, copy));
      const over = [...ledger.families.values()].filter(
        (family) => revokedSince(revocationsOfFamily(ledger, family)) < now(),
      );
      await inBatches(over, (family) => present(clients, family, family.refreshToken, anyCopy(clients)));
    },
    liveFamilies,
    caseUser: () => untouched[0]!,
  };
}
