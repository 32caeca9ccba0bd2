import { setTimeout as sleep } from 'node:timers/promises';
import { type CopyName, count, isLost, mayBeRevoked, now, revocationsOf } from '../../ledger.ts';
import type { SignOffFacts } from '../../surface-facts.ts';
import type { Clients, User } from '../clients.ts';
import type { Agent, Agents } from './agents.ts';
import { anyCopy, keep, type RowStatements, type Surface, show, type Tools } from './surface.ts';

export const signOffRows: RowStatements = {
  'request of a sign-off': 'SELECT title AS key FROM signoffs',
  'approval of a sign-off': `SELECT signoff_id::text || ' ' || role AS key FROM signoff_decisions WHERE decision = 'approve'`,
  'start of a sign-off': `SELECT id::text AS key FROM signoffs WHERE started_at IS NOT NULL`,
  'finish of a sign-off': `SELECT id::text AS key FROM signoffs WHERE state = 'done'`,
};

const ROLES = ['qa', 'architect', 'security_reviewer'] as const;
/** Younger than the age that deciding requires. */
const SIGN_IN_LIFE_MS = 240_000;

type Person = {
  readonly user: User;
  readonly role: string;
  access?: { readonly token: string; readonly atMs: number };
};

/** The access token of a person's recent sign-in; undefined when no copy signs the person in. */
async function tokenOf({ clients }: { readonly clients: Clients }, person: Person): Promise<string | undefined> {
  const { ledger } = clients;
  const known = person.access;
  const access =
    known &&
    [...ledger.families.values()].flatMap((family) => family.access).find(({ token }) => token === known.token);
  if (known && access && now() - known.atMs < SIGN_IN_LIFE_MS && !mayBeRevoked(revocationsOf(ledger, access), now()))
    return known.token;
  if (person.user.isBusy) return undefined;
  person.user.isBusy = true;
  try {
    const family = await clients.signIn(person.user);
    const token = family?.access.at(-1)?.token;
    if (token !== undefined) person.access = { token, atMs: now() };
    return token;
  } finally {
    person.user.isBusy = false;
  }
}

type Open = { readonly facts: SignOffFacts; readonly agent: Agent; readonly act: object; readonly sha256: string };

/** Agents ask for acts, people in several roles approve, several starters start at once, and one of them finishes. */
export function createSignOffs(tools: Tools, agents: Agents): Surface {
  const { ledger, ask, attempt, random } = tools;
  const people: Person[] = [];
  const open: Open[] = [];
  const of = (agent: Agent) => ({ authorization: agent.authorization });
  const path = ({ facts }: Open, verb: string): string => `/v1/handoff/signoffs/${facts.id}/${verb}`;

  async function request(agent = agents.live()): Promise<Open | undefined> {
    if (!agent) return undefined;
    const act = { act: 'release.deploy', arguments: { version: random.between(1, 1_000) } };
    const made = await keep(
      tools,
      { surface: 'sign-offs', kind: 'request of a sign-off', events: ['signoff.requested'] },
      (title) => ({
        path: '/v1/handoff/signoffs',
        json: { ...act, title, required_roles: ROLES, quorum: 2, expires_in_minutes: 60 },
        headers: of(agent),
      }),
      ({ status }) => status === 201,
    );
    if (!made) return undefined;
    const { signoff_id: id, quorum, arguments_sha256: sha256 } = made.answer.body;
    const facts: SignOffFacts = { id, quorum, approvals: [], starts: [], requestedAtMs: now() };
    ledger.signOffs.set(id, facts);
    const begun = { facts, agent, act, sha256 };
    open.push(begun);
    return begun;
  }

  async function start(begun: Open, copy: CopyName): Promise<boolean> {
    const { status, sentAtMs, answeredAtMs, traceId } = await ask(copy, {
      path: path(begun, 'start'),
      json: begun.act,
      headers: of(begun.agent),
    });
    if (status !== 0) begun.facts.starts.push({ copy, answeredAtMs, status });
    if (status !== 200) return false;
    count(ledger, 'start of a sign-off');
    const { id } = begun.facts;
    const times = { sentAtMs: answeredAtMs, ackedAtMs: answeredAtMs };
    ledger.entries.push({ surface: 'sign-offs', kind: 'start of a sign-off', key: id, ...times });
    ledger.acts.push({
      ...{ kind: 'start of a sign-off', events: ['signoff.started'], isRepeatable: false, subject: null },
      ...{ attempts: [{ traceId, sentAtMs, endedAtMs: answeredAtMs }], ...times },
    });
    return true;
  }

  async function approve(begun: Open, person: Person): Promise<void> {
    const token = await tokenOf(tools, person);
    if (token === undefined) return;
    const { role } = person;
    const key = `${begun.facts.id} ${role}`;
    const entry = { surface: 'sign-offs', kind: 'approval of a sign-off', key, sentAtMs: now() } as const;
    ledger.entries.push(entry);
    begun.facts.approvals.push({ role, sentAtMs: now() });
    const { act } = await attempt(
      { kind: entry.kind, events: ['signoff.decided'], isRepeatable: false, subject: null },
      () => ({
        path: path(begun, 'approve'),
        json: { role, arguments_sha256: begun.sha256 },
        headers: { authorization: `Bearer ${token}` },
      }),
      ({ status }) => status === 200,
    );
    if (act.ackedAtMs === undefined) return;
    Object.assign(entry, { ackedAtMs: act.ackedAtMs });
    count(ledger, entry.kind);
  }

  /** Two of three roles approve at once. */
  async function approveByTwo(begun: Open): Promise<void> {
    const roles = random.shuffled(ROLES).slice(0, 2);
    const two = roles.map((role) => random.pick(people.filter((person) => person.role === role)));
    await Promise.all(two.map((person) => person && approve(begun, person)));
  }

  async function finish(begun: Open): Promise<void> {
    const { id: key } = begun.facts;
    const entry = { surface: 'sign-offs', kind: 'finish of a sign-off', key, sentAtMs: now() } as const;
    const { act } = await attempt(
      { kind: entry.kind, events: ['signoff.finished'], isRepeatable: false, subject: null },
      () => ({ path: path(begun, 'finish'), json: { outcome: 'done' }, headers: of(begun.agent) }),
      ({ status }) => status === 200,
    );
    if (act.ackedAtMs === undefined) return;
    ledger.entries.push({ ...entry, ackedAtMs: act.ackedAtMs });
    count(ledger, entry.kind);
  }

  /** The whole of it; sometimes nobody approves, and the act stays open. */
  async function run(isWhole = random.chance(0.8)): Promise<void> {
    const begun = await request();
    if (!begun) return;
    if (random.chance(0.5)) await start(begun, anyCopy(tools));
    if (!isWhole) return;
    await approveByTwo(begun);
    const started = await Promise.all((['A', 'B', anyCopy(tools)] as const).map((copy) => start(begun, copy)));
    // Once more, as a starter whose answer was lost: the act runs already, or has ended.
    if (random.chance(0.5)) await start(begun, anyCopy(tools));
    if (started.includes(true)) await finish(begun);
    await start(begun, anyCopy(tools));
  }

  /** A killed agent asks for an act, and for the start of one: its secret is refused. */
  async function askByKilled(agent = agents.killed(), copy = anyCopy(tools)): Promise<void> {
    if (!agent) return;
    const headers = of(agent);
    const result = ({ status }: { readonly status: number }) => status < 300 || (status < 500 ? false : undefined);
    const own = open.filter((begun) => begun.agent === agent && !isLost(ledger, begun.facts.requestedAtMs)).at(-1);
    if (own)
      await show(tools, agent.secret, copy, { path: path(own, 'start'), json: own.act, headers }, (answer) =>
        answer.status === 0 ? undefined : result(answer),
      );
    const json = { act: 'release.deploy', title: 'of a killed agent', arguments: {}, required_roles: ['qa'] };
    await show(tools, agent.secret, copy, { path: '/v1/handoff/signoffs', json, headers }, (answer) =>
      answer.status === 0 ? undefined : result(answer),
    );
  }

  return {
    acts: [
      [0.35, () => run()],
      [
        0.5,
        async () => {
          const agent = agents.killed();
          await Promise.all([askByKilled(agent, 'A'), askByKilled(agent, 'B')]);
        },
      ],
    ],
    prepare: async () => {
      people.push(...(await Promise.all(ROLES.map(async (role) => ({ user: await tools.newUser(role), role })))));
      await sleep(1_500);
      await run(true);
      await run(false);
    },
    settle: async () => {
      await run(true);
      const agent = agents.killed();
      await Promise.all([askByKilled(agent, 'A'), askByKilled(agent, 'B')]);
    },
  };
}
