import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type Gate, gateOf, oneOf, secondsOf } from '../../gates.ts';
import {
  type CopyName,
  count,
  isLost,
  type Ledger,
  mayBeRevoked,
  now,
  revocationsOf,
  type SignOffFacts,
} from '../../ledger.ts';
import { alone, anyCopy, attempt, type Clients, isCreated, isOk, post, REASON, type User } from '../clients.ts';
import { signIn } from '../tokens.ts';
import type { Agent, Agents } from './agents.ts';
import { atBothCopies, keep, type Surface, show } from './surface.ts';

const PATH = '/v1/handoff/signoffs';
const CIBA = 'urn:openid:params:grant-type:ciba';
const ROLES = ['qa', 'architect', 'security_reviewer'] as const;
/** Younger than the age that deciding requires. */
const SIGN_IN_LIFE_MS = 240_000;
/** Copies learn of new roles. */
const LEARNING_MS = 1_500;

type Person = {
  readonly user: User;
  readonly role: string;
  access?: { readonly token: string; readonly atMs: number };
};

/** The access token of a person's recent sign-in; undefined when no copy signs the person in. */
async function tokenOf(clients: Clients, person: Person): Promise<string | undefined> {
  const { ledger } = clients;
  const known = person.access;
  const access = known && [...ledger.tokens.values()].find(({ token }) => token === known.token);
  if (known && access && now() - known.atMs < SIGN_IN_LIFE_MS && !mayBeRevoked(revocationsOf(ledger, access), now()))
    return known.token;
  return alone(person.user, async (user) => {
    const token = (await signIn(clients, user))?.access.at(-1)?.token;
    if (token !== undefined) person.access = { token, atMs: now() };
    return token;
  });
}

type Open = {
  readonly facts: SignOffFacts;
  readonly agent: Agent;
  readonly act: object;
  readonly sha256: string;
  /** Of one that was requested for a token. */
  readonly authReqId?: string;
};

/** Agents ask for acts, people in several roles approve, several starters start at once, and one of them finishes. */
export function createSignOffs(every: Clients, agents: Agents): Surface {
  const { ask } = agents;
  const clients = { ...every, ask };
  const { ledger, random } = clients;
  const people: Person[] = [];
  const open: Open[] = [];
  const path = ({ facts }: Open, verb: string): string => `${PATH}/${facts.id}/${verb}`;

  /** An act whose retries the state of the sign-off prevents. */
  async function act(kind: string, event: string, key: string, authorization: string, to: string, json: object) {
    const entry = { surface: 'sign-offs', kind, key, sentAtMs: now() } as const;
    ledger.entries.push(entry);
    const what = { kind, events: [event], isRepeatable: false };
    const { act: done } = await attempt(clients, what, () => post(authorization, to, json));
    if (done.ackedAtMs === undefined) return;
    Object.assign(entry, { ackedAtMs: done.ackedAtMs });
    count(ledger, kind);
  }

  async function read(id: string) {
    const asked = { method: 'GET', path: `${PATH}/${id}`, headers: { authorization: clients.authorization } } as const;
    return (await attempt(clients, { kind: 'read of a sign-off', events: [] }, () => asked)).answer.body ?? {};
  }

  async function request(isForToken: boolean): Promise<Open | undefined> {
    const agent = agents.live();
    if (!agent) return undefined;
    const act = { act: 'release.deploy', arguments: { version: random.between(1, 1_000) } };
    const terms = { required_roles: ROLES, quorum: 2, expires_in_minutes: 60 };
    const owner = isForToken ? agents.owner() : undefined;
    const form = (title: string, { id: hint }: User) => ({
      ...{ scope: 'openid', login_hint: hint, binding_message: title },
      authorization_details: JSON.stringify([{ type: 'sallyport_act', ...act }]),
    });
    const what = { kind: 'request of a sign-off', events: ['signoff.requested'], isDone: owner ? isOk : isCreated };
    const made = await keep(clients, 'sign-offs', what, (title) =>
      owner
        ? { path: '/oauth2/bc-authorize', form: form(title, owner), headers: { authorization: agent.authorization } }
        : post(agent.authorization, PATH, { ...act, ...terms, title }),
    );
    if (!made) return undefined;
    const { signoff_id: id, auth_req_id: authReqId } = made.answer.body;
    const { quorum, arguments_sha256: sha256 } = owner ? await read(id) : made.answer.body;
    if (!sha256) return undefined;
    const facts: SignOffFacts = { id, quorum, approvals: [], starts: [], tokens: [], requestedAtMs: now() };
    ledger.signOffs.set(id, facts);
    const begun = { facts, agent, act, sha256, ...(authReqId && { authReqId }) };
    open.push(begun);
    return begun;
  }

  /** Of several polls at once one gets the token, and it carries the act. */
  async function redeem({ facts, agent, act: wanted, authReqId: id = '' }: Open): Promise<void> {
    const form = { grant_type: CIBA, auth_req_id: id };
    const poll = { path: '/oauth2/token', form, headers: { authorization: agent.authorization } };
    for (const { status, body } of await Promise.all(
      (['A', 'B', 'A', 'B', 'A', 'B'] as const).map((copy) => ask(copy, poll)),
    ))
      if (status === 200)
        facts.tokens.push(isDeepStrictEqual(body.authorization_details, [{ type: 'sallyport_act', ...wanted }]));
  }

  async function start(begun: Open, copy: CopyName): Promise<boolean> {
    const answer = await ask(copy, post(begun.agent.authorization, path(begun, 'start'), begun.act));
    const { status, sentAtMs, answeredAtMs, traceId } = answer;
    if (status !== 0) begun.facts.starts.push({ copy, answeredAtMs, status });
    if (status !== 200) return false;
    const kind = 'start of a sign-off';
    count(ledger, kind);
    const times = { sentAtMs: answeredAtMs, ackedAtMs: answeredAtMs };
    ledger.entries.push({ surface: 'sign-offs', kind, key: begun.facts.id, ...times });
    const attempts = [{ traceId, sentAtMs, endedAtMs: answeredAtMs }];
    ledger.acts.push({ kind, events: ['signoff.started'], isRepeatable: false, subject: null, attempts, ...times });
    return true;
  }

  async function approve(begun: Open, person: Person): Promise<void> {
    const token = await tokenOf(clients, person);
    if (token === undefined) return;
    const { role } = person;
    begun.facts.approvals.push({ role, sentAtMs: now() });
    const json = { role, arguments_sha256: begun.sha256 };
    const key = `${begun.facts.id} ${role}`;
    await act('approval of a sign-off', 'signoff.decided', key, `Bearer ${token}`, path(begun, 'approve'), json);
  }

  /** Two of three roles approve at once. */
  async function approveByTwo(begun: Open): Promise<void> {
    const roles = random.shuffled(ROLES).slice(0, 2);
    const two = roles.map((role) => random.pick(people.filter((person) => person.role === role)));
    await Promise.all(two.map((person) => person && approve(begun, person)));
  }

  /** The whole of it; sometimes nobody approves, and the act stays open. */
  async function run(isWhole = random.chance(0.8), isForToken = random.chance(0.5)): Promise<void> {
    const begun = await request(isForToken);
    if (!begun) return;
    if (random.chance(0.5)) await start(begun, anyCopy(clients));
    if (!isWhole) return;
    await approveByTwo(begun);
    if (begun.authReqId) await redeem(begun);
    const started = await Promise.all((['A', 'B', anyCopy(clients)] as const).map((copy) => start(begun, copy)));
    // Once more, as a starter whose answer was lost: the act runs already, or has ended.
    if (random.chance(0.5)) await start(begun, anyCopy(clients));
    const { facts, agent } = begun;
    const to = path(begun, 'finish');
    if (started.includes(true))
      await act('finish of a sign-off', 'signoff.finished', facts.id, agent.authorization, to, { outcome: 'done' });
    await start(begun, anyCopy(clients));
  }

  /** A killed agent asks for an act, and for the start of one: its secret is refused. */
  async function askByKilled(agent: Agent, copy: CopyName): Promise<void> {
    const own = open.findLast((begun) => begun.agent === agent && !isLost(ledger, begun.facts.requestedAtMs));
    const json = { act: 'release.deploy', title: 'of a killed agent', arguments: {}, required_roles: ['qa'] };
    const requests = [
      ...(own ? [post(agent.authorization, path(own, 'start'), own.act)] : []),
      post(agent.authorization, PATH, json),
    ];
    for (const each of requests)
      await show(clients, agent, copy, each, ({ status }) =>
        status === 0 || status >= 500 ? undefined : status < 300,
      );
  }
  const askByOneKilled = (): Promise<void> => atBothCopies([agents.ended()], askByKilled);

  return {
    name: 'sign-offs',
    hasUsables: false,
    rows: {
      'request of a sign-off': 'SELECT title AS key FROM signoffs',
      'approval of a sign-off': `SELECT signoff_id::text || ' ' || role AS key FROM signoff_decisions WHERE decision = 'approve'`,
      'start of a sign-off': `SELECT id::text AS key FROM signoffs WHERE started_at IS NOT NULL`,
      'finish of a sign-off': `SELECT id::text AS key FROM signoffs WHERE state = 'done'`,
    },
    acts: [
      [0.35, () => run()],
      [0.5, askByOneKilled],
    ],
    prepare: async () => {
      people.push(...(await Promise.all(ROLES.map(async (role) => ({ user: await clients.newUser(role), role })))));
      const policy = { act: 'release.deploy', roles: ROLES, quorum: 2 };
      const ship = { application: 'ship', audience: 'https://ship.example', permissions: [], roles: {} };
      const json = { ...ship, signoff_policies: [policy], reason: REASON };
      const declared = { kind: 'declaration of an application', events: [] };
      await attempt(clients, declared, () => post(clients.authorization, '/v1/admin/applications', json));
      await sleep(LEARNING_MS);
      await run(true, true);
      await run(false);
    },
    settle: async () => {
      await run(true);
      await askByOneKilled();
    },
    gates: async (query) => [
      startedOnceAndApproved(ledger, await query<SignOffRow>(SIGN_OFFS)),
      givenOnce(ledger),
      closedByKill(await query<KilledAgent>(KILLED)),
    ],
  };
}

/** A sign-off as the database has it at the end. */
export type SignOffRow = {
  readonly id: string;
  readonly state: string;
  readonly quorum: number;
  readonly approvals: number;
  /** Events `signoff.started` in the sealed log. */
  readonly started: number;
};

const SIGN_OFFS = `
  SELECT id::text, state, quorum::int,
    (SELECT count(*)::int FROM signoff_decisions d WHERE d.signoff_id = s.id AND decision = 'approve') AS approvals,
    (SELECT count(*)::int FROM audit_events e WHERE e.type = 'signoff.started' AND e.target_id = s.id::text) AS started
  FROM signoffs s`;

const KILLED = `
  SELECT a.client_id AS id, coalesce(array_agg(s.id::text || ' ' || s.state) FILTER (WHERE s.id IS NOT NULL), '{}') AS open
  FROM agents a LEFT JOIN signoffs s ON s.client_id = a.client_id
    AND s.state IN ('pending', 'approved', 'running') AND s.expires_at > clock_timestamp()
  WHERE a.killed_at IS NOT NULL GROUP BY 1`;

const STARTED: ReadonlySet<string> = new Set(['running', 'done', 'interrupted']);

/** An act starts once at most, however many starters ask at once, and never before its quorum has approved. */
export function startedOnceAndApproved(ledger: Ledger, rows: readonly SignOffRow[]): Gate {
  const name = 'sign-offs: an act starts once, and only approved';
  const asked = [...ledger.signOffs.values()].filter(({ starts }) => starts.length > 0);
  const told = gateOf(name, asked, ({ id, quorum, approvals, starts }) => {
    const successes = starts.filter(({ status }) => status === 200);
    const at = successes.map(({ copy, answeredAtMs }) => `${copy} at ${secondsOf(answeredAtMs)}`).join(', ');
    const twice = successes.length > 1 ? [{ text: `sign-off ${id} started ${successes.length} times: ${at}` }] : [];
    const early = successes.flatMap(({ copy, answeredAtMs }) => {
      const sent = approvals.filter(({ sentAtMs }) => sentAtMs < answeredAtMs).length;
      const when = `${copy}, ${secondsOf(answeredAtMs)}, when ${sent} of ${quorum} approvals had been sent`;
      return sent < quorum ? [{ text: `sign-off ${id} started at ${when}` }] : [];
    });
    return [...twice, ...early];
  });
  const stored = gateOf(name, rows, ({ id, state, quorum, approvals, started }) => {
    const isEarly = (STARTED.has(state) || started > 0) && approvals < quorum;
    return [
      ...(started > 1 ? [{ text: `sign-off ${id} has ${started} events of its start` }] : []),
      ...(isEarly ? [{ text: `sign-off ${id} is ${state} with ${approvals} of ${quorum} approvals` }] : []),
    ];
  });
  return oneOf([told, stored]);
}

/** What people approved gives one token at most, which carries exactly the act. */
export const givenOnce = ({ signOffs }: Ledger): Gate =>
  gateOf(
    'sign-offs: an approved request gives one token, of its act',
    [...signOffs.values()].filter(({ tokens }) => tokens.length > 0),
    ({ id, tokens }) =>
      tokens.length > 1 || tokens.includes(false)
        ? {
            text: `sign-off ${id} gave ${tokens.length} tokens, ${tokens.filter((isOfAct) => !isOfAct).length} of another act`,
          }
        : undefined,
  );

/** A killed agent, and what it has asked for that could still go on. */
export type KilledAgent = { readonly id: string; readonly open: readonly string[] };

/** After a kill no sign-off of the agent is open. */
export const closedByKill = (killed: readonly KilledAgent[]): Gate =>
  gateOf('sign-offs: none of a killed agent is open', killed, ({ id, open }) =>
    open.length > 0 ? { text: `killed agent ${id} has ${open.length} open: ${open.join(', ')}` } : undefined,
  );
