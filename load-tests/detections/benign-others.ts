import { type Act, benign, DAY, type From, HOUR, type Label, type Making, MINUTE, SECOND } from './acts.ts';

/** The traffic beside sign-ins: refreshes, agents, administrators and sign-ups, of the same month. */
export const benignOthers = (making: Making, userIds: readonly string[], scale: number): Act[] => [
  ...refreshes({ ...making, dice: making.dice.fork('refreshes') }, userIds, scale),
  ...agents({ ...making, dice: making.dice.fork('agents') }, scale),
  ...administrators({ ...making, dice: making.dice.fork('administrators') }, userIds, scale),
  ...signUps({ ...making, dice: making.dice.fork('sign-ups') }, scale),
];

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const atLeast = (least: number, count: number): number => Math.max(least, Math.round(count));

/** Phones that change networks, apps that update, lost answers, and web servers behind several exits while they are replaced. */
function refreshes({ dice, places, from, to }: Making, userIds: readonly string[], scale: number): Act[] {
  const acts: Act[] = [];
  const servers = Array.from({ length: 6 }, (_, n) => ({
    clientId: `web-${n}`,
    exits: [places.address('US'), places.address('US'), places.address('DE')],
    release: from + dice.next() * (to - from),
  }));
  const families = atLeast(60, 3_000 * scale);
  for (let n = 0; n < families; n += 1) {
    const own = dice.fork(`family ${n}`);
    const common = { familyId: own.uuid(), userId: own.pick(userIds) };
    const start = from + own.next() * (to - from - DAY);
    const kind = own.weighted([
      ['phone', 5],
      ['server', 3],
      ['browser', 2],
    ] as const);
    const server = own.pick(servers);
    const networks = [places.address('DE'), places.address('DE'), places.address('DE')];
    const updateAt = start + own.next() * 2 * DAY;
    const names = [places.agent(), places.agent()] as const;
    for (let at = start, turn = 0; turn < 14 && at < to; turn += 1, at += 10 * MINUTE + own.after(40 * MINUTE)) {
      const isReplacing = Math.abs(at - server.release) < 40 * MINUTE;
      const isNew = isReplacing ? own.chance(0.5) : at > server.release;
      const seen =
        kind === 'server'
          ? { ip: own.pick(server.exits), agent: isNew ? 'web-backend/2.0' : 'web-backend/1.9' }
          : {
              ip: kind === 'phone' ? own.pick(networks) : (networks[0] as string),
              agent: names[kind === 'phone' && at > updateAt ? 1 : 0],
            };
      const clientId = kind === 'server' ? server.clientId : `${kind}-app`;
      const label = benign(`refresh of a ${kind}`, common.familyId);
      // A public client whose refresh tokens do not rotate keeps them; others rotate, and lose an answer now and then.
      const outcome = kind === 'server' ? ('kept' as const) : ('rotated' as const);
      acts.push({ kind: 'refresh', at, label, ...common, clientId, outcome, ...seen });
      if (own.chance(0.03)) {
        // The answer was lost when the phone left the Wi-Fi, so the same app repeats it from the carrier.
        const again = kind === 'phone' ? { ip: own.pick(networks), agent: seen.agent } : seen;
        const later = at + own.whole(1, 9) * SECOND;
        const repeated = kind === 'server' ? 'kept' : 'grace';
        acts.push({ kind: 'refresh', at: later, label, ...common, clientId, outcome: repeated, ...again });
      }
    }
  }
  return acts;
}

const SCOPES =
  'tasks:read tasks:write users:read reports:read mail:send search:read files:read files:write calendar:read billing:read'.split(
    ' ',
  );

/** Steady, scheduled and bursty agents; a deployment restarts dozens of copies, and a release may ask for more, or be misconfigured. */
function agents({ dice, places, from, to }: Making, scale: number): Act[] {
  const acts: Act[] = [];
  const count = atLeast(8, 60 * scale);
  for (let n = 0; n < count; n += 1) {
    const own = dice.fork(`agent ${n}`);
    const agentId = own.uuid();
    const label = benign('agent', agentId);
    const source = { ip: places.address(own.pick(['US', 'DE'])), agent: `agent-${n}/1.${own.whole(0, 9)}` };
    const scopes = Array.from({ length: own.whole(1, 4) }, () => own.pick(SCOPES));
    const every = own.weighted([
      [10 * MINUTE, 3],
      [HOUR, 4],
      [DAY, 2],
    ] as const);
    const hours = own.chance(0.4) ? [own.whole(6, 9), own.whole(17, 20)] : [0, 24];
    const token = (at: number, scope: string): void => {
      acts.push({ kind: 'agent_token', at, label, agentId, scope, ...source });
    };
    for (let at = from + own.next() * every; at < to; at += every * (0.8 + 0.4 * own.next())) {
      const hour = ((at - from) % DAY) / HOUR;
      if (hour < (hours[0] as number) || hour > (hours[1] as number)) continue;
      token(at, own.pick(scopes));
    }
    for (const _release of upTo(own.whole(1, 4))) {
      const at = from + own.next() * (to - from - HOUR);
      const more = own.chance(0.3) ? [own.pick(SCOPES), own.pick(SCOPES)].slice(0, own.whole(1, 2)) : [];
      const copies = own.whole(3, 40);
      for (let copy = 0; copy < copies; copy += 1) token(at + own.after(2 * MINUTE), own.pick([...scopes, ...more]));
      // A permission was forgotten: the calls fail until the release is rolled back. Denials are recorded once a minute.
      if (own.chance(0.12))
        for (const minute of upTo(own.whole(2, 8))) {
          const then = at + minute * MINUTE + own.after(SECOND);
          acts.push({ kind: 'agent_denied', at: then, label, agentId, operation: 'createTask', ...source });
        }
    }
    // A backlog after an outage at a supplier: many tokens in a short time.
    if (own.chance(0.3)) {
      const at = from + own.next() * (to - from - HOUR);
      const backlog = own.whole(10, 60);
      for (let one = 0; one < backlog; one += 1) token(at + own.after(4 * MINUTE), own.pick(scopes));
    }
  }
  return acts;
}

const TASKS = ['tasks:read', 'tasks:write'];
const STRONG = ['users:read', 'users:manage', 'clients:read', ...TASKS, 'files:read'];
const ORDINARY = ['user', 'editor', 'clinician', 'support', 'auditor', 'developer'];

/** Daily changes, teams that start together, an application that declares its roles, and a day on which keys are replaced. */
function administrators({ dice, places, from, to }: Making, userIds: readonly string[], scale: number): Act[] {
  const acts: Act[] = [];
  const count = atLeast(6, 40 * scale);
  for (let n = 0; n < count; n += 1) {
    const own = dice.fork(`administrator ${n}`);
    const by = own.uuid();
    const source = { by, ip: places.address('DE'), agent: places.agent(), label: benign('administrator', by) };
    const grant = (at: number, role: string): void => {
      acts.push({ kind: 'role_granted', at, userId: own.pick(userIds), role, ...source });
    };
    const createKey = (at: number, permissions: readonly string[]): void => {
      acts.push({ kind: 'api_key_created', at, permissions, ...source });
    };
    for (let at = from + own.after(2 * DAY); at < to; at += own.after(2 * DAY)) {
      if (own.chance(0.6)) grant(at, own.pick(ORDINARY));
      else if (own.chance(0.5)) {
        const clientId = `web-${own.whole(0, 5)}`;
        const columns = [own.pick(['name', 'redirectUris', 'scopes'])];
        acts.push({ kind: 'client_changed', at, clientId, columns, ...source });
      } else createKey(at, TASKS.slice(0, own.whole(1, 2)));
      // Now and then a second administrator.
      if (own.chance(0.04)) grant(at + MINUTE, 'admin');
    }
    for (const _team of upTo(own.whole(0, 3))) {
      const at = from + own.next() * (to - from - HOUR);
      const size = own.whole(4, 60);
      for (let one = 0; one < size; one += 1)
        grant(at + one * own.whole(2, 25) * SECOND, own.pick(ORDINARY.slice(1, own.whole(2, 6))));
      if (own.chance(0.5)) for (const key of upTo(own.whole(1, 4))) createKey(at + key * 30 * SECOND, ['tasks:read']);
      // The lead of the new team administers it.
      if (own.chance(0.25)) grant(at + 2 * MINUTE, 'admin');
    }
    if (own.chance(0.25)) {
      const at = from + own.next() * (to - from - HOUR);
      for (const role of ORDINARY)
        acts.push({ kind: 'role_changed', at, role, added: ['tasks:read', 'files:read'], ...source });
    }
    if (own.chance(0.2)) {
      const at = from + own.next() * (to - from - HOUR);
      for (const key of upTo(own.whole(3, 12)))
        createKey(at + key * own.whole(20, 90) * SECOND, own.chance(0.2) ? STRONG : TASKS);
    }
  }
  return acts;
}

const NAMES =
  'anna ben chloe david emma felix grace henry ida jonas kim lena max nora omar paul rosa sam tina yara'.split(' ');
const FAMILIES = 'smith meyer garcia rossi novak silva brown tanaka dubois khan peters lind'.split(' ');
const MAILS = ['mail.test', 'post.test', 'web.test', 'inbox.test'];

/** One by one from everywhere, and together: a conference, a school class on equal tablets, a company that joins. */
function signUps({ dice, places, from, to }: Making, scale: number): Act[] {
  const acts: Act[] = [];
  const address = (): string =>
    `${dice.pick(NAMES)}${dice.pick(['.', '_', ''])}${dice.pick(FAMILIES)}${dice.chance(0.5) ? dice.whole(1, 99) : ''}@${dice.pick(MAILS)}`;
  const signUp = (at: number, label: Label, seen: From, email: string, share: number): void => {
    const verifiedAfterMs = dice.chance(share) ? 20 * SECOND + dice.after(3 * MINUTE) : null;
    acts.push({ kind: 'sign_up', at, label, userId: dice.uuid(), email, verifiedAfterMs, ...seen });
  };
  const seen = (country: string): From => ({ ip: places.address(country), agent: places.agent() });
  const oneByOne = benign('sign-up', 'sign-ups one by one');
  for (let n = 0; n < atLeast(100, 4_000 * scale); n += 1)
    signUp(from + dice.next() * (to - from), oneByOne, seen(dice.pick(['DE', 'US', 'FR'])), address(), 0.85);
  const start = (): number => from + dice.next() * (to - from - DAY);
  for (let n = 0; n < atLeast(1, 6 * scale); n += 1) {
    const [at, ip, label] = [start(), places.address('US'), benign('conference', `conference ${n}`)];
    // The slide with the link is shown once; most follow it within minutes, on their own phones.
    for (const _one of upTo(dice.whole(60, 300)))
      signUp(at + dice.after(15 * MINUTE), label, { ip, agent: places.agent() }, address(), 0.75);
  }
  for (let n = 0; n < atLeast(1, 10 * scale); n += 1) {
    const [at, tablet, label] = [start(), seen('DE'), benign('school class', `class ${n}`)];
    const [school, first] = [dice.whole(1, 900), dice.whole(1_000, 9_000)];
    for (const one of upTo(dice.whole(15, 32)))
      signUp(at + dice.next() * 12 * MINUTE, label, tablet, `s${first + one}@school${school}.test`, 0.9);
  }
  for (let n = 0; n < atLeast(1, 8 * scale); n += 1) {
    const [at, { ip, agent }, company] = [start(), seen('GB'), dice.whole(1, 900)];
    const label = benign('company that joins', `company ${n}`);
    const name = (): string => `${dice.pick(NAMES)}.${dice.pick(FAMILIES)}@company${company}.test`;
    for (const _one of upTo(dice.whole(10, 80))) {
      const after = at + dice.after(2 * HOUR);
      signUp(after, label, { ip, agent: dice.chance(0.8) ? agent : places.agent() }, name(), 0.7);
    }
  }
  return acts;
}
