import { type Act, benign, DAY, type From, HOUR, type Label, type Making, MINUTE, SECOND } from './acts.ts';
import { attackersCountry } from './places.ts';

/** One attack: what it should raise, and about whom. */
export type Attack = {
  readonly name: string;
  /** Any of them detects it. */
  readonly detections: readonly string[];
  /** Past of the subject that is no attack, and the attack. */
  readonly acts: readonly Act[];
  /** Users that must exist before. */
  readonly userIds: readonly string[];
};

type Make = (making: Making, label: Label) => Omit<Attack, 'name' | 'detections'>;

const past = (trace: string): Label => benign('past of a victim', trace);
const startOf = ({ dice, from, to }: Making): number => from + 8 * DAY + dice.next() * (to - from - 10 * DAY);

/** A user with a month of quiet sign-ins at home, and where and on what they signed in last. */
function victim(making: Making, trace: string, until: number) {
  const { dice, places, from } = making;
  const userId = dice.uuid();
  const home = dice.pick(['DE', 'US', 'GB', 'FR', 'NL']);
  const [ip, agent, deviceId] = [places.address(home), places.agent(), dice.uuid()];
  const acts: Act[] = [];
  for (let at = from + dice.after(DAY); at < until; at += DAY * (0.6 + dice.next()))
    acts.push({ kind: 'sign_in', at, label: past(trace), userId, deviceId, ip, agent });
  return { userId, home, ip, agent, deviceId, acts };
}

/** A stolen password, used from far away some hours after the owner. One in seven attackers has the browser of the owner. */
const stolenPassword: Make = (making, label) => {
  const { dice, places } = making;
  const at = startOf(making);
  const { acts, ...owner } = victim(making, label.trace, at - 6 * HOUR);
  acts.push({ kind: 'sign_in', at: at - dice.whole(5, 170) * MINUTE, label: past(label.trace), ...ownerOf(owner) });
  const agent = dice.chance(0.15) ? owner.agent : places.agent();
  const [deviceId, ip] = [dice.uuid(), places.address(attackersCountry(dice))];
  acts.push({ kind: 'sign_in', at, label, userId: owner.userId, deviceId, ip, agent });
  return { acts, userIds: [owner.userId] };
};
const ownerOf = ({ home: _home, ...owner }: Omit<ReturnType<typeof victim>, 'acts'>) => owner;

/** The attacker asks the owner for the code and signs in within minutes, through an exit in the next country or the same one. */
const phishedNearby: Make = (making, label) => {
  const { dice, places } = making;
  const at = startOf(making);
  const { acts, ...owner } = victim(making, label.trace, at - 6 * HOUR);
  acts.push({ kind: 'sign_in', at: at - dice.whole(1, 8) * MINUTE, label: past(label.trace), ...ownerOf(owner) });
  const near = dice.chance(0.4) ? owner.home : dice.pick(['DE', 'FR', 'GB', 'NL', 'US']);
  const [deviceId, ip, agent] = [dice.uuid(), places.address(near), places.agent()];
  acts.push({ kind: 'sign_in', at, label, userId: owner.userId, deviceId, ip, agent });
  return { acts, userIds: [owner.userId] };
};

/** A refresh token that does not rotate was copied from the device; owner and thief use it in turn. */
const copiedRefreshToken: Make = (making, label) => {
  const { dice, places } = making;
  const at = startOf(making);
  const { acts, ...owner } = victim(making, label.trace, at - HOUR);
  const family = { familyId: dice.uuid(), userId: owner.userId, clientId: 'phone-app' };
  const ip = places.address(attackersCountry(dice));
  const thief = { ip, agent: dice.chance(0.2) ? owner.agent : 'python-requests/2.34' };
  const use = (at: number, { ip, agent }: From, label: Label): void => {
    acts.push({ kind: 'refresh', at, label, ...family, outcome: 'kept', ip, agent });
  };
  for (let turn = 0; turn < 8; turn += 1) use(at - (8 - turn) * 15 * MINUTE, owner, past(label.trace));
  for (let turn = 0; turn < 4; turn += 1) {
    use(at + turn * 15 * MINUTE + dice.whole(1, 5) * MINUTE, thief, label);
    use(at + turn * 15 * MINUTE + dice.whole(6, 14) * MINUTE, owner, label);
  }
  return { acts, userIds: [owner.userId] };
};

/** Malware repeats each refresh of the browser within the grace window, from its own server. */
const racedRefreshToken: Make = (making, label) => {
  const { dice, places } = making;
  const at = startOf(making);
  const { acts, ...owner } = victim(making, label.trace, at - HOUR);
  const family = { familyId: dice.uuid(), userId: owner.userId, clientId: 'browser-app' };
  const [ip, agent] = [places.address(attackersCountry(dice)), 'Go-http-client/2.0'];
  const use = (at: number, label: Label, outcome: 'rotated' | 'grace', who: From): void => {
    acts.push({ kind: 'refresh', at, label, ...family, outcome, ip: who.ip, agent: who.agent });
  };
  for (let turn = 0; turn < 6; turn += 1) use(at - (6 - turn) * 15 * MINUTE, past(label.trace), 'rotated', owner);
  for (let turn = 0; turn < 2; turn += 1) {
    const then = at + turn * 15 * MINUTE;
    use(then, label, 'rotated', owner);
    use(then + dice.whole(1, 8) * SECOND, label, 'grace', { ip, agent });
  }
  return { acts, userIds: [owner.userId] };
};

/** A refresh token is used after its successor: the existing detection. */
const reusedRefreshToken: Make = (making, label) => {
  const { dice, places } = making;
  const at = startOf(making);
  const { acts, ...owner } = victim(making, label.trace, at - HOUR);
  const family = { familyId: dice.uuid(), userId: owner.userId, clientId: 'browser-app' };
  const thief = { ip: places.address(attackersCountry(dice)), agent: 'curl/8.21' };
  acts.push({ kind: 'refresh', at, label, ...family, outcome: 'replay', ...thief });
  return { acts, userIds: [owner.userId] };
};

/** Credentials of an agent leaked, and another program explores with them what they open. */
const hijackedAgent: Make = (making, label) => {
  const { dice, places, from } = making;
  const at = startOf(making);
  const agentId = dice.uuid();
  const acts: Act[] = [];
  const own = { agentId, ip: places.address('US'), agent: 'agent/1.4' };
  for (let then = from + dice.next() * HOUR; then < at; then += HOUR * (0.7 + 0.6 * dice.next())) {
    const scope = dice.pick(['tasks:read', 'tasks:write']);
    acts.push({ kind: 'agent_token', at: then, label: past(label.trace), scope, ...own });
  }
  const thief = { agentId, ip: places.address(attackersCountry(dice)), agent: 'python-requests/2.34' };
  const asked = dice.whole(4, 9);
  for (let n = 0; n < asked; n += 1) {
    const [then, isRefused] = [at + n * dice.whole(2, 30) * SECOND, dice.chance(0.6)];
    const scope = `${['users', 'billing', 'keys', 'clients', 'audit', 'roles', 'files', 'mail', 'phi'][n]}:read`;
    acts.push({ kind: 'agent_token', at: then, label, scope, isRefused, ...thief });
  }
  const denied = dice.whole(3, 10);
  for (let n = 0; n < denied; n += 1)
    acts.push({ kind: 'agent_denied', at: at + MINUTE + n * 20 * SECOND, label, operation: `operation${n}`, ...thief });
  return { acts, userIds: [] };
};

/** A prompt injection makes an agent loop over everything that it may do, at night. */
const runawayAgent: Make = (making, label) => {
  const { dice, places, from } = making;
  const at = Math.floor(startOf(making) / DAY) * DAY + 3 * HOUR;
  const agentId = dice.uuid();
  const acts: Act[] = [];
  const own = { agentId, ip: places.address('US'), agent: 'agent/2.0' };
  for (let day = Math.ceil(from / DAY) * DAY; day < at - DAY; day += DAY)
    for (let hour = 8; hour < 18; hour += 1) {
      const then = day + hour * HOUR + dice.next() * HOUR;
      acts.push({ kind: 'agent_token', at: then, label: past(label.trace), scope: 'tasks:read', ...own });
    }
  const calls = dice.whole(40, 200);
  for (let n = 0; n < calls; n += 1) {
    const scope = dice.pick(['tasks:read', 'tasks:write', 'files:read']);
    acts.push({ kind: 'agent_token', at: at + n * 2 * SECOND, label, scope, ...own });
  }
  return { acts, userIds: [] };
};

/** A stolen session of an administrator makes itself at home: more administrators, wider roles, strong keys, clients. */
const privilegeGrab: Make = (making, label) => {
  const { dice, places, from } = making;
  const at = startOf(making);
  const by = dice.uuid();
  const acts: Act[] = [];
  const seat = { by, ip: places.address('DE'), agent: places.agent() };
  for (let then = from + dice.after(2 * DAY); then < at; then += dice.after(3 * DAY))
    acts.push({
      kind: 'role_granted',
      at: then,
      label: past(label.trace),
      userId: dice.uuid(),
      role: 'editor',
      ...seat,
    });
  const thief = { by, ip: places.address(attackersCountry(dice)), agent: places.agent(), label };
  const strong = ['users:read', 'users:manage', 'clients:manage', 'roles:manage', 'api_keys:manage'];
  const steps = dice.whole(3, 8);
  for (let n = 0; n < steps; n += 1) {
    const then = at + n * dice.whole(10, 90) * SECOND;
    const what = dice.weighted([
      ['admin', 4],
      ['key', 3],
      ['role', 2],
      ['client', 2],
    ] as const);
    if (what === 'admin') acts.push({ kind: 'role_granted', at: then, userId: dice.uuid(), role: 'admin', ...thief });
    else if (what === 'key') acts.push({ kind: 'api_key_created', at: then, permissions: strong, ...thief });
    else if (what === 'role') acts.push({ kind: 'role_changed', at: then, role: 'editor', added: strong, ...thief });
    else {
      const clientId = `web-${dice.whole(0, 5)}`;
      acts.push({ kind: 'client_changed', at: then, clientId, columns: ['scopes', 'redirectUris'], ...thief });
    }
  }
  return { acts, userIds: [by] };
};

const neverRead = { kind: 'sign_up', verifiedAfterMs: null } as const;

/** A script signs up from one network, with names that it counts up or draws, and never reads the mail. */
const signUpScript: Make = (making, label) => {
  const { dice, places } = making;
  const at = startOf(making);
  const [ip, agent] = [places.address(attackersCountry(dice)), places.agent()];
  const [isCounted, count, every] = [dice.chance(0.5), dice.whole(30, 150), dice.whole(2, 20)];
  const acts = Array.from({ length: count }, (_, n): Act => {
    const userId = dice.uuid();
    const drawn = (): string => `${dice.uuid().slice(0, 10)}@bulk${dice.whole(1, 40)}.test`;
    const email = isCounted ? `promo${1_000 + n}@bulk.test` : drawn();
    return { ...neverRead, at: at + n * every * SECOND, label, userId, email, ip, agent };
  });
  return { acts, userIds: [] };
};

/** The same through many exits, one address each; counted names give it away. */
const signUpBotnet: Make = (making, label) => {
  const { dice, places } = making;
  const at = startOf(making);
  const [isCounted, count] = [dice.chance(0.7), dice.whole(30, 120)];
  // Of this botnet alone: an address is taken once.
  const domain = `${label.trace.replaceAll(' ', '-')}.test`;
  const acts = Array.from({ length: count }, (_, n): Act => {
    const [then, userId] = [at + n * dice.whole(5, 15) * SECOND, dice.uuid()];
    const [ip, agent] = [places.address(dice.pick(['US', 'DE', 'FR', 'GB'])), places.agent()];
    const email = `${isCounted ? `reader${5_000 + n}` : dice.uuid().slice(0, 9)}@${domain}`;
    return { ...neverRead, at: then, label, userId, email, ip, agent };
  });
  return { acts, userIds: [] };
};

const SCENARIOS: readonly (readonly [name: string, detection: string, share: number, make: Make])[] = [
  ['stolen password', 'impossible_travel', 3, stolenPassword],
  ['phished nearby', 'impossible_travel', 1, phishedNearby],
  ['copied refresh token', 'token_theft', 2, copiedRefreshToken],
  ['raced refresh token', 'token_theft', 2, racedRefreshToken],
  ['reused refresh token', 'refresh_token_reuse', 1, reusedRefreshToken],
  ['hijacked agent', 'agent_anomaly', 2, hijackedAgent],
  ['runaway agent', 'agent_anomaly', 2, runawayAgent],
  ['privilege grab', 'privilege_burst', 3, privilegeGrab],
  ['sign-up script', 'machine_sign_ups', 2, signUpScript],
  ['sign-up botnet', 'machine_sign_ups', 1, signUpBotnet],
];

/** `each` times its share of every scenario. */
export const attacks = (making: Making, each: number): Attack[] =>
  SCENARIOS.flatMap(([name, detection, share, make]) =>
    Array.from({ length: Math.max(1, Math.round(share * each)) }, (_, n) => {
      const trace = `${name} ${n}`;
      const dice = making.dice.fork(trace);
      return { name, detections: [detection], ...make({ ...making, dice }, { truth: 'attack', group: name, trace }) };
    }),
  );
