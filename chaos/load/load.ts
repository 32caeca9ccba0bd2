import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Access,
  type CopyName,
  deadSince,
  endingsOf,
  endingsOfLogin,
  type Login,
  mayBeDead,
  now,
} from '../ledger.ts';
import type { Random } from '../random.ts';
import type { Clients, Person } from './clients.ts';

/** How often each of these is begun, a second, at full pace. */
const RATES = {
  validate: 60,
  refresh: 15,
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

const TICK_MS = 50;
/** More than these wait for an answer: the machine has enough. */
const MOST_IN_FLIGHT = 48;
const ADMIN_LOGIN_MS = 60_000;
/** Tokens near their expiry prove nothing any more. */
const TOKEN_LIFE_MS = 800_000;
const MOST_LOGINS = 400;
const MOST_SHOWN = 1_500;

export type Load = {
  /** Makes the people and first logins. */
  prepare(): Promise<void>;
  start(): void;
  /** Begins nothing that makes or ends logins; tokens are shown on. */
  hold(): void;
  resume(): void;
  /** Begins nothing more, and waits for the answers that are on their way. */
  stop(): Promise<void>;
  /** Shows every ended token at both copies, and every ended login's refresh token at one. */
  showAllDead(): Promise<void>;
  /** Every honest login that lives is refreshed once more. */
  refreshAllLive(): Promise<void>;
  liveLogins(): Login[];
  readonly people: readonly Person[];
  /** A user whose logins the load leaves alone. */
  caseUser(): Person;
};

export function createLoad(clients: Clients, random: Random, { pace }: { readonly pace: number }): Load {
  const { ledger } = clients;
  /** Users of honest logins; of victims of thieves, whose users incidents may act on; and those that administrators end. */
  const people: Person[] = [];
  const victims: Person[] = [];
  const ended: Person[] = [];
  const untouched: Person[] = [];
  const due = new Map<Kind, number>();
  const running = new Set<Promise<unknown>>();
  let isRunning = false;
  let isHeld = false;
  let adminSince = Number.NEGATIVE_INFINITY;
  let loop = Promise.resolve();

  const anyCopy = (): CopyName => (random.chance(0.5) ? 'A' : 'B');
  const isFresh = ({ givenAtMs }: Access): boolean => now() - givenAtMs < TOKEN_LIFE_MS;
  const isLive = (login: Login): boolean => !login.isAbandoned && !mayBeDead(endingsOfLogin(ledger, login), now());
  const loginsOf = (of: readonly Person[]): Login[] => {
    const ids = new Set(of.map(({ id }) => id));
    return [...ledger.logins.values()].filter((login) => ids.has(login.userId));
  };
  const liveLogins = (of = people): Login[] => loginsOf(of).filter(isLive);
  const idle = (of: readonly Person[]): Person | undefined => random.pick(of.filter(({ isBusy }) => !isBusy));

  /** Nothing else makes logins of this person meanwhile, so that what ends is known. */
  const alone = async (person: Person | undefined, work: (person: Person) => Promise<unknown>): Promise<void> => {
    if (person === undefined || person.isBusy) return;
    person.isBusy = true;
    try {
      await work(person);
    } finally {
      person.isBusy = false;
    }
  };

  /** Two in five have been ended: those are to be refused. */
  function pickToken(): Access | undefined {
    const wantsDead = random.chance(0.4);
    const recent = [...ledger.tokens.values()].slice(-MOST_SHOWN).filter(isFresh);
    const fitting = recent.filter((access) => deadSince(endingsOf(ledger, access)) < now() === wantsDead);
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
      const login = random.pick(liveLogins([...people, ...victims, ...ended]));
      if (login) await clients.refresh(login);
    },
    issue: () => {
      const pool = random.pick([people, people, victims, ended]) ?? people;
      // The pool is as large as the clients' memory: who has many logins ends some.
      if (ledger.logins.size > MOST_LOGINS && liveLogins(pool).length > MOST_LOGINS / 4) return acts.revoke();
      const person = random.pick(pool);
      return alone(person, ({ id }) => clients.issue(id));
    },
    revoke: async () => {
      const login = random.pick(liveLogins());
      if (!login) return;
      const access = login.access.at(-1);
      if (random.chance(0.6) && access) await clients.revokeToken(access);
      else await clients.revokeLogin(login);
    },
    twoTabs: async () => {
      const login = random.pick(liveLogins());
      if (login) await clients.refreshInTwoTabs(login);
    },
    replay: async () => {
      const login = random.pick(liveLogins(victims).filter(({ older }) => older.size >= 2));
      if (login) await clients.replay(login);
    },
    signIn: () => alone(idle(people), (person) => clients.signIn(person)),
    signOut: () =>
      alone(idle(people), async (person) => {
        const login = await clients.signIn(person);
        if (login) await clients.signOut(person, login, person.cookie);
      }),
    password: () =>
      alone(idle(ended), async (person) => {
        if (await clients.signIn(person)) await clients.changePassword(person);
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
    if (NEEDS_ADMIN.has(kind) && now() - adminSince > ADMIN_LOGIN_MS) {
      if (!(await clients.admin.signIn())) return;
      adminSince = now();
    }
    await acts[kind]();
  }

  async function run(): Promise<void> {
    let last = now();
    while (isRunning) {
      await sleep(TICK_MS);
      const elapsed = Math.min(0.5, (now() - last) / 1_000);
      last = now();
      for (const [kind, rate] of Object.entries(RATES) as [Kind, number][]) {
        if (isHeld && kind !== 'validate') continue;
        const owed = (due.get(kind) ?? random.next()) + elapsed * rate * pace;
        due.set(kind, owed % 1);
        for (let left = Math.floor(owed); left > 0; left -= 1) {
          if (running.size >= MOST_IN_FLIGHT) break;
          const work = begin(kind);
          running.add(work);
          void work.finally(() => running.delete(work));
        }
      }
    }
  }

  return {
    people,
    prepare: async () => {
      for (const [pool, size] of [
        [people, 4],
        [victims, 2],
        [ended, 3],
        [untouched, 1],
      ] as const)
        for (let at = 0; at < size; at += 1) {
          const person = await clients.signUp();
          if (person) pool.push(person);
        }
      for (const { id } of victims) ledger.exposedUsers.add(id);
      if (people.length === 0 || untouched.length === 0)
        throw new Error('no sign-up was answered before the first fault');
      await Promise.all([...people, ...victims, ...ended].flatMap(({ id }) => [clients.issue(id), clients.issue(id)]));
    },
    start: () => {
      isRunning = true;
      loop = run();
    },
    hold: () => {
      isHeld = true;
    },
    resume: () => {
      isHeld = false;
      adminSince = Number.NEGATIVE_INFINITY;
    },
    stop: async () => {
      isRunning = false;
      await loop;
      while (running.size > 0) await Promise.all(running);
      await clients.idle();
    },
    showAllDead: async () => {
      const dead = [...ledger.tokens.values()].filter(
        (access) => isFresh(access) && deadSince(endingsOf(ledger, access)) < now(),
      );
      for (let at = 0; at < dead.length; at += 16)
        await Promise.all(
          dead.slice(at, at + 16).flatMap((access) => [clients.validate(access, 'A'), clients.validate(access, 'B')]),
        );
      const over = [...ledger.logins.values()].filter((login) => deadSince(endingsOfLogin(ledger, login)) < now());
      for (let at = 0; at < over.length; at += 16)
        await Promise.all(
          over.slice(at, at + 16).map((login) => clients.present(login, login.refreshToken, anyCopy())),
        );
    },
    refreshAllLive: async () => {
      const live = liveLogins([...people, ...victims, ...ended]);
      for (let at = 0; at < live.length; at += 8)
        await Promise.all(live.slice(at, at + 8).map((login) => clients.refresh(login)));
    },
    liveLogins,
    caseUser: () => untouched[0]!,
  };
}
