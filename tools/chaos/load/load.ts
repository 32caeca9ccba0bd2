import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Access,
  type CopyName,
  mayBeRevoked,
  now,
  revocationsOf,
  revocationsOfFamily,
  revokedSince,
  type TokenFamily,
} from '../ledger.ts';
import type { Random } from '../random.ts';
import { alone, type Clients, type User } from './clients.ts';
import type { Surface } from './surfaces/surface.ts';

/** How often each of these is begun, a second, at full pace. */
const RATES = {
  validate: 60,
  refresh: 15,
  repeat: 4,
  issue: 10,
  revoke: 3,
  twoTabs: 1,
  replay: 0.5,
  signIn: 0.4,
  signOut: 0.2,
  password: 0.1,
  role: 0.25,
  disable: 0.15,
  rotate: 0.05,
  compromise: 0.03,
} as const;

type Kind = keyof typeof RATES;
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

export type Load = {
  /** Makes the users and first families. */
  prepare(): Promise<void>;
  start(): void;
  /** Begins nothing that makes or ends families; tokens are shown on. */
  pause(): void;
  resume(): void;
  /** Begins nothing more, and waits for the answers that are on their way. */
  stop(): Promise<void>;
  /** Lets every surface come to its end, and shows what it ended at both copies. */
  settleSurfaces(): Promise<void>;
  /** Shows every ended token at both copies, and every ended family's refresh token at one. */
  presentAllRevoked(): Promise<void>;
  /** Every honest family that lives is refreshed once more. */
  refreshAllLive(): Promise<void>;
  liveFamilies(): TokenFamily[];
  readonly users: readonly User[];
  /** A user whose families the load leaves alone. */
  caseUser(): User;
};

export function createLoad(
  clients: Clients,
  random: Random,
  { pace }: { readonly pace: number },
  surfaces: readonly Surface[],
): Load {
  const { ledger } = clients;
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

  const anyCopy = (): CopyName => (random.chance(0.5) ? 'A' : 'B');
  const isFresh = ({ issuedAtMs }: Access): boolean => now() - issuedAtMs < TOKEN_LIFE_MS;
  const isLive = (family: TokenFamily): boolean =>
    !family.isAbandoned && !mayBeRevoked(revocationsOfFamily(ledger, family), now());
  const familiesOf = (of: readonly User[]): TokenFamily[] => {
    const ids = new Set(of.map(({ id }) => id));
    return [...ledger.families.values()].filter((family) => ids.has(family.userId));
  };
  const liveFamilies = (of = users): TokenFamily[] => familiesOf(of).filter(isLive);
  const idle = (of: readonly User[]): User | undefined => random.pick(of.filter(({ isBusy }) => !isBusy));

  /** Two in five have been ended: those are to be refused. */
  function pickToken(): Access | undefined {
    const wantsDead = random.chance(0.4);
    const recent = [...ledger.tokens.values()].slice(-RECENT_TOKENS_MAX).filter(isFresh);
    const fitting = recent.filter((access) => revokedSince(revocationsOf(ledger, access)) < now() === wantsDead);
    return random.pick(fitting.length > 0 ? fitting : recent);
  }
  let shown: Access[] = [];
  /** Looking through all tokens for each request would cost more than the request. */
  function nextToken(): Access | undefined {
    if (shown.length === 0) shown = Array.from({ length: 40 }, pickToken).filter((access) => access !== undefined);
    return shown.pop();
  }

  const acts: Record<Kind, () => Promise<unknown>> = {
    validate: async () => {
      const access = nextToken();
      if (access === undefined) return;
      await (random.chance(0.15) ? clients.introspect(access, anyCopy()) : clients.validate(access, anyCopy()));
    },
    refresh: async () => {
      const family = random.pick(liveFamilies([...users, ...victims, ...ended]));
      if (family) await clients.refresh(family);
    },
    issue: () => {
      const pool = random.pick([users, users, victims, ended]) ?? users;
      // The pool is as large as the clients' memory: who has many families ends some.
      if (ledger.families.size > FAMILIES_MAX && liveFamilies(pool).length > FAMILIES_MAX / 4) return acts.revoke();
      const user = random.pick(pool);
      return alone(user, ({ id }) => clients.issue(id));
    },
    revoke: async () => {
      const family = random.pick(liveFamilies());
      if (!family) return;
      const access = family.access.at(-1);
      if (random.chance(0.6) && access) await clients.revokeToken(access);
      else await clients.revokeFamily(family);
    },
    repeat: async () => {
      const family = random.pick(liveFamilies());
      if (family) await clients.repeatRefresh(family);
    },
    twoTabs: async () => {
      const family = random.pick(liveFamilies());
      if (family) await clients.refreshInTwoTabs(family);
    },
    replay: async () => {
      const family = random.pick(liveFamilies(victims).filter(({ older }) => older.size >= 2));
      if (family) await clients.replay(family);
    },
    signIn: () => alone(idle(users), (user) => clients.signIn(user)),
    signOut: () =>
      alone(idle(users), async (user) => {
        const family = await clients.signIn(user);
        if (family) await clients.signOut(user, family, user.cookie);
      }),
    password: () =>
      alone(idle(ended), async (user) => {
        if (await clients.signIn(user)) await clients.changePassword(user);
      }),
    role: () => alone(idle(ended), ({ id }) => clients.admin.removeRole(id)),
    disable: () => alone(idle(ended), ({ id }) => clients.admin.disable(id)),
    rotate: () => clients.admin.rotateKey(),
    compromise: async () => {
      const newest = [...ledger.tokens.values()].at(-1);
      if (newest) await clients.admin.compromise(newest.kid);
    },
  };

  const NEEDS_ADMIN = new Set<Kind>(['role', 'disable', 'rotate', 'compromise']);

  async function begin(kind: Kind): Promise<void> {
    if (NEEDS_ADMIN.has(kind) && now() - adminSince > ADMIN_SIGN_IN_MS) {
      if (!(await clients.admin.signIn())) return;
      adminSince = now();
    }
    await acts[kind]();
  }

  const validate: Begin = () => begin('validate');
  const begins: readonly (readonly [number, Begin])[] = [
    ...(Object.entries(RATES) as [Kind, number][]).map(
      ([kind, rate]) => [rate, kind === 'validate' ? validate : () => begin(kind)] as const,
    ),
    ...surfaces.flatMap((surface) => surface.acts),
  ];

  /** What is begun seldom is begun once before the first fault too. */
  const firstOwed = (rate: number): number => 1 - Math.min(1, FIRST_WITHIN_SECONDS * rate * pace) * random.next();

  async function run(): Promise<void> {
    let last = now();
    while (isRunning) {
      await sleep(TICK_MS);
      const elapsed = Math.min(0.5, (now() - last) / 1_000);
      last = now();
      for (const [rate, each] of begins) {
        if (isPaused && each !== validate) continue;
        const owed = (due.get(each) ?? firstOwed(rate)) + elapsed * rate * pace;
        due.set(each, owed % 1);
        for (let left = Math.floor(owed); left > 0; left -= 1) {
          if (running.size >= MOST_IN_FLIGHT) break;
          const work = each();
          running.add(work);
          void work.finally(() => running.delete(work));
        }
      }
    }
  }

  return {
    users,
    prepare: async () => {
      for (const [pool, size] of [
        [users, 4],
        [victims, 2],
        [ended, 3],
        [untouched, 1],
      ] as const)
        for (let at = 0; at < size; at += 1) {
          const user = await clients.signUp();
          if (user) pool.push(user);
        }
      for (const { id } of victims) ledger.exposedUsers.add(id);
      if (users.length === 0 || untouched.length === 0)
        throw new Error('no sign-up was answered before the first fault');
      await Promise.all([...users, ...victims, ...ended].flatMap(({ id }) => [clients.issue(id), clients.issue(id)]));
      const [agents, ...others] = surfaces;
      if (await clients.admin.signIn()) adminSince = now();
      // Sign-offs need agents.
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
      await clients.idle();
    },
    settleSurfaces: async () => {
      await Promise.all(surfaces.map((surface) => surface.settle()));
    },
    presentAllRevoked: async () => {
      const dead = [...ledger.tokens.values()].filter(
        (access) => isFresh(access) && revokedSince(revocationsOf(ledger, access)) < now(),
      );
      for (let at = 0; at < dead.length; at += 16)
        await Promise.all(
          dead.slice(at, at + 16).flatMap((access) => [clients.validate(access, 'A'), clients.validate(access, 'B')]),
        );
      const over = [...ledger.families.values()].filter(
        (family) => revokedSince(revocationsOfFamily(ledger, family)) < now(),
      );
      for (let at = 0; at < over.length; at += 16)
        await Promise.all(
          over.slice(at, at + 16).map((family) => clients.present(family, family.refreshToken, anyCopy())),
        );
    },
    refreshAllLive: async () => {
      const live = liveFamilies([...users, ...victims, ...ended]);
      for (let at = 0; at < live.length; at += 8)
        await Promise.all(live.slice(at, at + 8).map((family) => clients.refresh(family)));
    },
    liveFamilies,
    caseUser: () => untouched[0]!,
  };
}
