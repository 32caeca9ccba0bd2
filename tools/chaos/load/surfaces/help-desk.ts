import { isDeepStrictEqual } from 'node:util';
import { decodeJwt } from 'jose';
import { type Gate, gateOf } from '../../gates.ts';
import type { Answer, Request } from '../../http.ts';
import { type Act, type CopyName, count, isLost, type Ledger, type Usable } from '../../ledger.ts';
import { alone, anyCopy, attempt, type Clients, isCreated, isOk, post, REASON, type User } from '../clients.ts';
import { issue, withdrawConsent } from '../tokens.ts';
import { kept, type Look, living, look, type Surface, toldWrongly } from './surface.ts';

const PATH = '/v1/admin/users';
const HELP = { email_changed: 'email/change', email_verified: 'email/verify', password_mail: 'password-mail' } as const;
type Help = keyof typeof HELP;

/** A person, and what was asked about the person, once each; undefined until it has ended. */
export type Person = Pick<Usable, 'id' | 'madeAtMs'> & {
  readonly email: string;
  readonly to: string;
  readonly asked: Map<Help, Pick<Act, 'sentAtMs' | 'ackedAtMs'> | undefined>;
};
type Events = Readonly<Record<Help, number>>;
/** The account of a person at the end, and how many events each act has. */
export type Account = Events & { readonly id: string; readonly email: string; readonly is_verified: boolean };

const ACCOUNTS = `SELECT u.id, u.email, u."emailVerified" IS NOT NULL AS is_verified,
    ${Object.keys(HELP).map((act) => `(count(*) FILTER (WHERE e.detail ->> 'act' = '${act}'))::int AS ${act}`)}
  FROM users u LEFT JOIN audit_events e ON e.type = 'user.helped' AND e.target_id = u.id GROUP BY u.id`;

const CHANGES = ['email_changed', 'email_verified'] as const;

/** What an administrator changed has its event, and an event its change. What was acknowledged is there: that is counted. */
export function helpedWhole(ledger: Pick<Ledger, 'rewinds'>, people: readonly Person[], all: readonly Account[]): Gate {
  const facts = people.flatMap(({ asked, ...of }) => CHANGES.map((act) => ({ ...of, act, ...asked.get(act) })));
  const isDue = ({ sentAtMs = 0, ackedAtMs }: (typeof facts)[number]): boolean =>
    ackedAtMs !== undefined && !isLost(ledger, ackedAtMs) && !isLost(ledger, sentAtMs);
  const gate = gateOf('help desk: a change is there with its event, or neither is', facts, (fact) => {
    const { id, email, to, act } = fact;
    const account = all.find((each) => each.id === id);
    const wrong = (what: string) => ({ text: `person ${id}: ${what} (${JSON.stringify(account)})` });
    if (account === undefined) return wrong('gone');
    if (account.email !== email && account.email !== to) return wrong('the address is neither the old nor the new');
    const isDone = act === 'email_changed' ? account.email === to : account.is_verified;
    if (account[act] !== Number(isDone)) return wrong(`${act} is ${isDone} with ${account[act]} events`);
    return isDue(fact) && !isDone ? wrong(`${act} was acknowledged and is missing`) : undefined;
  });
  return { ...gate, checked: facts.filter(isDue).length };
}

/** Of the first steps those that the run knows: there are clients, and one administrator. */
const STEPS = { 'first-client': true, 'second-administrator': false };

/** What an answer says of them, where that is not so. */
export function wrongSteps({ status, body }: Pick<Answer, 'status' | 'body'>): unknown {
  if (status !== 200) return { status };
  const told = Object.fromEntries(body.steps.map(({ name, done }: { name: string; done: boolean }) => [name, done]));
  return Object.entries(STEPS).every(([name, done]) => told[name] === done) ? undefined : told;
}

/** What an answer says of an import, where it is not the plan of before. A copy rehearses one import at a time. */
export const wrongPlan = (plan: unknown, { status, body }: Pick<Answer, 'status' | 'body'>): unknown =>
  status === 409 || (status === 200 && isDeepStrictEqual(body, plan)) ? undefined : { status, body };

/** What requests wrote that may write nothing, by their traces; and all that an import writes: nobody imports. */
const NO_WRITE = 'help desk: a rehearsal writes nothing';
const WRITTEN = `SELECT type AS text FROM audit_events WHERE trace_id = ANY($1)
  UNION ALL SELECT 'a user: ' || email FROM users WHERE email LIKE '%@rehearsed.test' UNION ALL SELECT 'an import: ' || state FROM imports`;

const ROLES = '/v1/admin/roles';
const ROLE = `${ROLES}/changed-twice`;
const HOLDS = `${ROLE}/permissions`;
/** Which of them the role holds tells its states apart. */
const HELD = ['users:read', 'roles:read', 'clients:read'];

const once = (kind: string, event: string) => ({ kind, events: [event], isRepeatable: false, hasIdempotencyKey: true });

/** People whom administrators find by a part of their address and help, until they are deleted. */
export function createHelpDesk(clients: Clients): Surface {
  const { authorization, issuer, random, ledger } = clients;
  const [looks, steps, plans]: [Look[], Look[], Look[]] = [[], [], []];
  const [changes, filtered]: [Look[], Look[]] = [[], []];
  const rehearsed: string[] = [];
  let plan: unknown;
  let customer: User | undefined;
  let last = 0;

  const get = (path: string, by = authorization): Request => ({ method: 'GET', path, headers: { authorization: by } });
  /** The local part is that of one person, before and after the change. */
  const found = ({ email }: Person): string => `/v1/admin/search?q=${email.slice(0, email.indexOf('@'))}%40`;

  const desk = living<Person>(clients, {
    name: 'help desk',
    called: 'person',
    rows: { 'deletion of a person': `SELECT target_id AS key FROM audit_events WHERE type = 'user.deleted'` },
    mostLive: 40,
    perSecond: { make: 0.6, end: 0.1, show: 1 },
    make: async () => {
      last += 1;
      const [email, to] = [`person-${last}@old.test`, `person-${last}@new.test`];
      const headers = { authorization, 'idempotency-key': email };
      const request: Request = { path: PATH, json: { email, reason: REASON }, headers };
      const { answer, act } = await attempt(clients, once('invitation', 'user.invited'), () => request, isCreated);
      const { ackedAtMs: madeAtMs } = act;
      return madeAtMs === undefined ? undefined : { id: answer.body.id, madeAtMs, email, to, asked: new Map() };
    },
    shows: [
      {
        request: (person) => get(found(person)),
        accepts: ({ status, body }, { id, email, to }) => {
          const hit = status === 200 && JSON.stringify(body.hits.find((each: { id: string }) => each.id === id) ?? '');
          return hit === false ? undefined : hit.includes(email) || hit.includes(to);
        },
        after: (person) => look(clients, looks, get(found(person), issuer), ({ body }) => body.hits?.[0]),
      },
    ],
    end: {
      kind: 'deletion of a person',
      events: ['user.deleted'],
      request: ({ id }) => ({ method: 'DELETE', path: `${PATH}/${id}?reason=chaos`, headers: { authorization } }),
      // A retry after a lost answer finds nobody.
      isDone: ({ status }) => status === 204 || status === 404,
    },
  });
  const helped = () => kept(clients, desk.made).filter(({ revocations }) => revocations.length === 0);

  async function help(act: Help): Promise<void> {
    const person = random.pick(helped().filter(({ asked }) => !asked.has(act)));
    if (person === undefined) return;
    const { id, email, to, asked } = person;
    asked.set(act, undefined);
    const json = { reason: REASON, ...(act === 'email_changed' ? { email: to } : {}) };
    const headers = { authorization, 'idempotency-key': `${email}:${act}` };
    const request: Request = { path: `${PATH}/${id}/${HELP[act]}`, json, headers };
    const { act: done } = await attempt(clients, once(`help: ${act}`, 'user.helped'), () => request);
    asked.set(act, done);
    if (done.ackedAtMs !== undefined) count(ledger, `help: ${act}`);
  }

  const withdraw = (): Promise<unknown> =>
    alone(customer, async ({ id }) => {
      const family = await issue(clients, id);
      const client = family && decodeJwt(family.access[0]!.token).client_id;
      const path = `${PATH}/${id}/consents`;
      if (family && (await withdrawConsent(clients, family, `${path}/${client}`)))
        await look(clients, looks, get(path), ({ body }) =>
          body.consents?.find(({ client_id: of }: { readonly client_id: string }) => of === client),
        );
    });

  const readSteps = () => look(clients, steps, get('/v1/admin/first-steps'), wrongSteps);
  const users = ['new@rehearsed.test', 'nowhere', clients.admin.email];
  const data = users.map((email, at) => JSON.stringify({ legacy_id: `r${at}`, email })).join('\n');
  const rehearsal = post(authorization, '/v1/admin/imports/rehearse', { kind: 'ndjson', data });
  const rehearse = async (): Promise<void> => {
    const { traceId } = await look(clients, plans, rehearsal, (answer) => wrongPlan(plan, answer));
    rehearsed.push(traceId);
  };

  /** Two administrators have read the same state, and change it at once, each by another copy. */
  async function changeTwice(): Promise<void> {
    const { etag, body } = await clients.ask(anyCopy(clients), get(ROLE));
    const [one, other] = HELD.filter((name) => !body?.permissions?.includes(name));
    if (etag === '' || other === undefined) return;
    const headers = { authorization, 'if-match': etag };
    const change = (copy: CopyName, name = other) =>
      clients.ask(copy, { ...post('', HOLDS, { permissions: [name], reason: REASON }), method: 'PUT', headers });
    const answers = await Promise.all([change('A', one), change('B')]);
    changes.push({ answer: answers[0], wrong: answers.every(isOk) ? 'both accepted' : undefined });
  }
  const filter = () =>
    look(clients, filtered, get('/v1/audit/events?outcome=refused'), ({ status, body }) =>
      status === 200 ? body.events.find((event: { readonly outcome: string }) => event.outcome !== 'refused') : status,
    );

  const helps = (Object.keys(HELP) as Help[]).map((act) => () => help(act));
  const acts = [...helps, readSteps, changeTwice, filter];
  const helpNew = async (): Promise<void> => {
    await desk.make();
    for (const act of [...acts, withdraw, rehearse]) await act();
  };
  return {
    ...desk,
    acts: [...desk.acts, ...acts.map((act) => [0.5, act] as const), [0.1, withdraw], [0.3, rehearse]],
    prepare: async () => {
      customer = await clients.newUser();
      const { answer } = await attempt(clients, { kind: 'rehearsal', events: [] }, () => rehearsal);
      plan = answer.body;
      const role = { name: 'changed-twice', description: 'held by nobody', permissions: [HELD[0]], reason: REASON };
      await attempt(clients, once('role', 'role.created'), () => post(authorization, ROLES, role), isCreated);
      await desk.prepare();
      await helpNew();
    },
    settle: () => desk.settle().then(helpNew),
    gates: async (query) => [
      helpedWhole(ledger, helped(), await query<Account>(ACCOUNTS)),
      toldWrongly('help desk: nobody is shown what is not theirs to see', looks),
      toldWrongly('help desk: a first step is done or not, whatever fails', steps),
      toldWrongly('help desk: a rehearsal says what it said before', plans),
      toldWrongly(
        'help desk: of two changes of what both read, one is refused',
        changes.filter(({ answer }) => !isLost(ledger, answer.sentAtMs)),
      ),
      toldWrongly('help desk: a filter by outcome shows no other', filtered),
      {
        ...gateOf(NO_WRITE, await query<{ text: string }>(WRITTEN, [rehearsed]), (row) => row),
        checked: rehearsed.length,
      },
    ],
  };
}
