import { describe, expect, test } from 'vitest';
import { actions, tokenReplay } from '../services/core/security/detections.ts';
import { modules } from '../services/modules.ts';
import type { Wing } from '../services/platform/config/wings.ts';
import type { CommandArgument, CommandOptions } from '../services/platform/define/command-option.ts';
import type { Endpoint } from '../services/platform/define/endpoint.ts';
import { membersOf } from './operation-options.ts';
import { verbs } from './program.ts';

type Command = {
  readonly verb: string;
  readonly arguments?: Readonly<Record<string, CommandArgument>>;
  readonly checksArguments?: boolean;
  readonly options?: CommandOptions;
  line?(item: object): string;
  lines?(answer: object): readonly string[];
  asks?(input: object, about: object): string;
};
type Folded = { readonly endpoint: Endpoint; readonly command: Command; readonly wing: Wing | undefined };

const all = (
  await Promise.all(
    modules.map(async ({ wing, operations }) => ((await operations?.()) ?? []).map((each) => ({ ...each, wing }))),
  )
).flat();
const commands = (all as unknown as Folded[])
  .filter(({ command }) => command !== undefined)
  .map((folded) => [folded.command.verb, folded] as const);
const commandOf = (verb: string): Command =>
  (commands.find(([name]) => name.startsWith(verb)) as (typeof commands)[number])[1].command;

describe.each(commands)('%s', (verb, { endpoint, command, wing }) => {
  test('is left out with the wing that has its operation', () =>
    expect(verbs[verb.split(' ')[0] ?? '']?.wing).toBe(wing));

  const members = Object.keys(membersOf(endpoint));

  test('has arguments that are members of the request', () => {
    for (const [, name = ''] of verb.matchAll(/[<[](\w+)/g)) {
      const argument = command.arguments?.[name] ?? name;
      expect(members).toContain(typeof argument === 'string' ? argument : argument.member);
    }
  });

  test('has exactly the parameters of its path as arguments, where their form is checked', () => {
    const names = [...verb.matchAll(/[<[](\w+)/g)].map(([, name = '']) => name);
    if (command.checksArguments) expect(names).toEqual([...endpoint.path.matchAll(/\{(\w+)/g)].map(([, name]) => name));
  });

  test('has options that set members of the request, directly or by what they read', () => {
    for (const [member, option] of Object.entries(command.options ?? {}))
      expect(typeof option === 'object' && option.reads !== undefined ? member : members).toContain(member);
  });

  test('asks before it writes, for a reason', () => {
    expect(command.asks !== undefined).toBe(endpoint.method !== 'GET');
    expect(members.includes('reason')).toBe(endpoint.method !== 'GET');
  });
});

const AGENT = {
  agent_id: 'a1',
  name: 'Agent',
  owner_id: 'u1',
  status: 'active',
  auth_method: 'client_secret_basic',
  scopes: [],
  credential_scopes: [],
  dpop_bound_access_tokens: false,
  capabilities: [],
  last_seen_at: null,
  expires_at: 'then',
  killed_at: null,
};
const KILLED = {
  ...AGENT,
  scopes: ['openid'],
  credential_scopes: ['keys:read'],
  dpop_bound_access_tokens: true,
  capabilities: ['read'],
  last_seen_at: 'now',
  killed_at: 'today',
};

describe('on a terminal', () => {
  test('an agent has one line in a list, and shows everything it may do', () => {
    expect(commandOf('agents list').line?.(AGENT)).toBe('a1  active    owner u1  seen never  Agent');
    expect(commandOf('agents show').lines?.(AGENT)).toEqual([
      'a1  active    owner u1  seen never  Agent',
      'scopes none  client credentials none',
      'authenticates by client_secret_basic',
      'capabilities none  expires then',
    ]);
    expect(commandOf('agents kill').lines?.(KILLED)).toEqual([
      'a1  active    owner u1  seen now  Agent',
      'scopes openid  client credentials keys:read',
      'authenticates by client_secret_basic, tokens bound to its key',
      'capabilities read  expires then',
      'killed today',
    ]);
    expect(commandOf('agents register').lines?.({ ...AGENT, client_secret: null })).toHaveLength(4);
    expect(
      commandOf('agents register')
        .lines?.({ ...AGENT, client_secret: 's' })
        .at(-1),
    ).toContain('secret  s');
    expect(commandOf('agents kill').asks?.({}, AGENT)).toBe('kill agent Agent (a1)');
    expect(commandOf('agents register').asks?.(AGENT, {})).toBe('register agent Agent for user u1');
  });

  test('a role has one line', () => {
    const { line } = commandOf('roles list');
    expect(line?.({ name: 'editor', built_in: false, permissions: [] })).toBe('editor                      nothing');
    expect(line?.({ name: 'admin', built_in: true, permissions: ['keys:read'] })).toContain('built in  keys:read');
    expect(commandOf('roles set').lines?.({ name: 'editor', built_in: false, permissions: [] })).toHaveLength(1);
    expect(commandOf('roles create').asks?.({ name: 'editor' }, {})).toBe('create the role editor');
    expect(commandOf('roles set').asks?.({ role: 'editor', permissions: [] }, {})).toBe('let editor do nothing');
    expect(commandOf('roles delete').asks?.({ role: 'editor' }, {})).toBe('delete the role editor');
  });

  test('an application has one line', () => {
    const { line } = commandOf('applications list');
    const empty = { application: 'notes', audience: 'aud', permissions: [], roles: {} };
    expect(line?.(empty)).toBe('notes             aud  permissions none  roles none');
    expect(line?.({ ...empty, permissions: ['notes:read'], roles: { editor: [] } })).toContain('roles editor');
    expect(commandOf('applications delete').asks?.({ application: 'notes' }, {})).toBe('delete the application notes');
  });

  test('an API key has one line, with its owner while there is one', () => {
    const key = {
      api_key_id: 'k1',
      state: 'live',
      owner: { kind: 'user', id: 'u1' },
      name: 'deploy',
      expires_at: 'then',
    };
    const line = 'live      k1  user u1  until then  deploy';
    expect(commandOf('api-keys list').line?.(key)).toBe(line);
    expect(commandOf('api-keys list').line?.({ ...key, owner: { kind: 'client', id: null } })).toContain(
      'client (deleted)',
    );
    expect(commandOf('api-keys revoke').lines?.({ api_key: key })).toEqual([line]);
    expect(commandOf('api-keys revoke').asks?.({ api_key_id: 'k1' }, {})).toBe('revoke k1');
  });

  test('an account has one line, and shows its state', () => {
    const account = {
      id: 'u1',
      created_at: 'then',
      disabled_at: null,
      roles: ['user', 'auditor'],
      email: 'a@example.test',
    };
    const state = {
      ...account,
      email_verified_at: null,
      invited_roles: [],
      sessions: 1,
      logins: 2,
      last_login_at: null,
      password_changed_at: null,
      failed_logins: 0,
      locked_until: null,
      password_closed: false,
      factors: { totp: false, passkeys: 0, recovery_codes_left: 0, owed: false },
    };
    const line = 'u1  then  enabled   user,auditor  a@example.test';
    expect(commandOf('users list').line?.(account)).toBe(line);
    const consent = { client_id: 'a', client_name: 'App', logins: 2, scopes: ['openid'] };
    expect(commandOf('users consents').line?.(consent)).toBe('a  token families 2  openid  App');
    expect(commandOf('users show').lines?.(state)).toEqual([
      line,
      'sessions 1  token families 2  last sign-in never',
      'e-mail address not verified',
      'password not locked  wrong 0  changed never',
      'factors totp no  passkeys 0  recovery codes 0',
    ]);
    const busy = {
      ...state,
      disabled_at: 'now',
      email_verified_at: 'v',
      invited_roles: ['auditor'],
      last_login_at: 'l',
      password_changed_at: 'c',
      locked_until: 'soon',
      factors: { totp: true, passkeys: 1, recovery_codes_left: 9, owed: false },
    };
    expect(commandOf('users reset-factors').lines?.(busy)).toEqual([
      'u1  then  disabled  user,auditor  a@example.test',
      'sessions 1  token families 2  last sign-in l',
      'e-mail address verified v  invited as auditor',
      'password locked until soon  wrong 0  changed c',
      'factors totp yes  passkeys 1  recovery codes 9',
    ]);
    expect(commandOf('users show').lines?.({ ...state, password_closed: true })[3]).toContain(
      'locked until an administrator or the owner unlocks it',
    );
    expect(commandOf('users disable').lines?.(account)).toEqual([line]);
    for (const act of ['disable', 'enable', 'delete'])
      expect(commandOf(`users ${act}`).asks?.({}, account)).toBe(`${act} a@example.test`);
    const { asks } = commandOf('users reset-factors');
    expect(asks?.({ passkeys: false }, account)).toBe('remove the authenticator app from a@example.test');
    expect(asks?.({ passkeys: true }, account)).toBe(
      'remove the authenticator app and every passkey from a@example.test',
    );
    const owed = { cause: 'second_factor_owed', refuses: false, act: null };
    const why = {
      user_id: 'u1',
      email: 'a@b.test',
      cause: 'no_sign_in_method',
      refuses: true,
      act: 'unlock',
      also: [owed],
    };
    expect(commandOf('users why').lines?.(why)).toEqual([
      'a@b.test has no password, no passkey and no linked provider.',
      '  fix: npx sallyport users unlock u1 --reason <why>',
      expect.stringMatching(/^also: a@b\.test had a second factor before the import/),
      expect.stringMatching(/^ {2}fix: The user signs in/),
    ]);
  });

  test('a session has one line, with the clients of its token families', () => {
    const session = { id: 's1', user_id: 'u1', created_at: 'then', expires_at: 'soon', logins: [] };
    const { line } = commandOf('sessions list');
    expect(line?.(session)).toBe('s1  u1  then  until soon  token families of none');
    expect(line?.({ ...session, logins: [{ client_id: 'a' }, { client_id: 'b' }] })).toContain('token families of a,b');
  });

  test('an incident has one line', () => {
    const incident = {
      incident_id: 'i1',
      detection: 'token_replay',
      severity: 'high',
      state: 'open',
      count: 2,
      subject: { kind: 'user', id: 'u1' },
      last_seen_at: 'now',
      actions: [],
    };
    const line = commandOf('incidents list').line?.(incident) as string;
    expect(line).toBe('now  open          high      token_replay           2x  user u1  i1');
    expect(commandOf('incidents show').lines?.(incident)[0]).toBe(line);
    for (const verb of ['acknowledge', 'close']) {
      expect(commandOf(`incidents ${verb}`).lines?.(incident)).toEqual([line]);
      expect(commandOf(`incidents ${verb}`).asks?.({}, incident)).toBe(`${verb} token_replay of user u1`);
    }
  });

  test('an incident is shown with what was seen, what each action did and how it is undone', () => {
    const { lines } = commandOf('incidents show');
    const incident = {
      detection: 'token_replay',
      severity: 'high',
      state: 'open',
      subject: { kind: 'user', id: 'u1' },
      actions: ['block_network', 'an_older_action'],
    };
    const { effect, undo } = actions.block_network;
    expect(lines?.(incident).slice(1, -1)).toEqual([
      tokenReplay.meaning,
      `block_network: ${effect}`,
      `  undo: ${undo}`,
    ]);
  });

  test('an unlocked account has one line, with its failures', () => {
    const { lines, asks } = commandOf('users unlock');
    expect(lines?.({ user_id: 'u1', failed_logins: 3 })).toEqual(['u1  unlocked after 3 failures']);
    expect(asks?.({}, { email: 'a@x.test' })).toBe('clear the failed sign-ins of a@x.test');
  });

  test('a violation has one line, with the events that it names', () => {
    const violation = { violation_id: 'v1', control_id: 'training', state: 'open', events: null };
    expect(commandOf('violations list').line?.(violation)).toBe('v1  open      training');
    const events = { unacknowledged: 2, last_seq: 9, first: [{ seq: 8, type: 'test.noted' }] };
    expect(commandOf('violations acknowledge').lines?.({ ...violation, events })).toEqual([
      'v1  open      training  2 unacknowledged up to 9: 8 test.noted',
    ]);
    expect(commandOf('violations acknowledge').asks?.({ violation_id: 'v1', through_seq: 9 }, {})).toBe(
      'acknowledge the events of violation v1 up to 9',
    );
  });

  test('a report has one line, with the counts of its controls once it is done', () => {
    const report = {
      report_id: 'r1',
      requested_at: 'now',
      status: 'queued',
      progress: 0,
      kind: 'demand',
      period: null,
      summary: null,
    };
    const { line } = commandOf('report list');
    expect(line?.(report)).toBe('now  queued      0 %    demand            r1  ');
    const summary = { pass: 1, fail: 2, error: 3, unknown: 4, not_applicable: 5 };
    expect(line?.({ ...report, kind: 'daily', period: '2026-01-31', summary })).toContain(
      'daily 2026-01-31  r1  1 pass  2 fail  3 error  4 unknown  5 n/a',
    );
  });

  test('a sign-off has one line, with how many have approved', () => {
    const decisions = [{ decision: 'approve' }, { decision: 'deny' }];
    const signOff = { signoff_id: 's1', state: 'pending', quorum: 2, act: 'keys.rotate', title: 'Rotate', decisions };
    expect(commandOf('signoff list').line?.(signOff)).toBe('s1  pending      1/2  keys.rotate  Rotate');
  });

  test('keys of health data have one line each, and a rotation one', () => {
    const key = { key_version: 2, state: 'current', created_at: 'now', destroyed_at: null };
    const rotation = { rotation_id: 'r1', state: 'running', key_version: 2, data_keys: null, rewrapped: 0 };
    const { lines } = commandOf('phi keys');
    expect(lines?.({ keys: [key], rotation: null })).toEqual(['    2  current    created now']);
    expect(lines?.({ keys: [{ ...key, destroyed_at: 'then' }], rotation: { ...rotation, data_keys: 7 } })).toEqual([
      '    2  current    created now  destroyed then',
      'rotation r1  running  to key 2  0 of 7 data keys',
    ]);
    for (const verb of ['phi rotate', 'phi rotation <'])
      expect(commandOf(verb).lines?.(rotation)).toEqual(['rotation r1  running  to key 2  0 of ? data keys']);
    expect(commandOf('phi rotate').asks?.({}, {})).toBe('create the next key and re-wrap every data key');
    expect(commandOf('phi shred').lines?.({ subject_id: 'p', destroyed_keys: 2, shredded_at: 'now' })).toEqual([
      'now  2 data keys of p destroyed',
    ]);
  });

  test('rules about health data have one line each', () => {
    const policy = { role: 'billing', purpose: 'payment', fields: ['name', 'visits'] };
    const shown = 'billing           payment             name,visits';
    expect(commandOf('privacy policies list').lines?.({ policies: [policy] })).toEqual([shown]);
    expect(commandOf('privacy policies set').lines?.(policy)).toEqual([shown]);
    expect(commandOf('privacy policies set').asks?.(policy, {})).toBe('let billing see name, visits for payment');
    const access = { break_glass_id: 'b', user_id: 'u', subject_id: 'p', opened_at: 'now', expires_at: 'then' };
    const { line } = commandOf('privacy break-glass list');
    expect(line?.({ ...access, outcome: null })).toBe('b  now  until then  u to p  not reviewed');
    expect(line?.({ ...access, outcome: 'justified', reviewed_by: 'o' })).toContain('justified, by o');
    const restriction = {
      restriction_id: 'r',
      subject_id: 'p',
      purposes: ['legal'],
      created_at: 'now',
      ended_at: null,
    };
    expect(commandOf('privacy restrictions list').lines?.({ restrictions: [restriction] })).toEqual([
      'r  p  legal  since now  in effect',
    ]);
    expect(commandOf('privacy restrictions add').lines?.(restriction)).toHaveLength(1);
    expect(commandOf('privacy restrictions end').lines?.({ ...restriction, ended_at: 'then' })[0]).toContain(
      'ended then',
    );
  });

  test('what is kept about a person has one line each', () => {
    const disclosure = { disclosed_at: 'now', purpose: 'legal', recipient: null, description: null };
    const { line } = commandOf('privacy disclosures list');
    expect(line?.(disclosure)).toBe('now  legal               (destroyed)  (destroyed)');
    expect(line?.({ ...disclosure, recipient: 'court', description: 'letter' })).toContain('court  letter');
    const request = {
      request_id: 'r',
      kind: 'export',
      subject_id: 'p',
      state: 'queued',
      due_at: 'then',
      receipt: null,
    };
    const { lines } = commandOf('privacy export');
    expect(lines?.(request)).toEqual(['r  export  p  queued  due then  ']);
    expect(lines?.({ ...request, receipt: { event_id: 'e', seq: null } })[0]).toContain('receipt e  not sealed yet');
    expect(lines?.({ ...request, receipt: { event_id: 'e', seq: 7 } })[0]).toContain('receipt e  sealed as event 7');
    expect(commandOf('privacy delete').lines?.(request)).toHaveLength(1);
    const consent = { recorded_at: 'now', purpose: 'research', version: 1, granted: true, terms: '2026' };
    expect(commandOf('privacy consents list').lines?.({ consents: [consent] })).toEqual([
      'now  research  version 1  granted  terms 2026',
    ]);
    expect(
      commandOf('privacy consents withdraw').lines?.({ withdrawn: [{ ...consent, granted: false }] })[0],
    ).toContain('version 1  not granted');
    const hold = { hold_id: 'h', subject_id: 'p', created_at: 'now', ended_at: null };
    expect(commandOf('privacy holds list').lines?.({ holds: [hold] })).toEqual(['h  p  since now  in effect']);
    expect(commandOf('privacy holds place').lines?.(hold)).toHaveLength(1);
    expect(commandOf('privacy holds end').lines?.({ ...hold, ended_at: 'then' })[0]).toContain('ended then');
    const policy = { kind: 'exports', keep_days: null, least_days: null };
    const run = { run_id: 'r', created_at: 'now', dry_run: true, state: 'queued', counts: null };
    const done = { ...run, dry_run: false, state: 'done', counts: { exports: 2, consents: 0 } };
    const kept = { ...policy, keep_days: 9, least_days: 7 };
    expect(commandOf('privacy retention show').lines?.({ policies: [policy, kept], runs: [run, done] })).toEqual([
      'exports               kept for good',
      'exports               9 days  at least 7',
      'now  r  dry run  queued  ',
      'now  r  run  done  exports 2',
    ]);
  });

  test.each([
    ['privacy restrictions add', { subject_id: 'p', purposes: ['legal', 'research'] }, 'deny legal, research for p'],
    ['privacy restrictions end', { restriction_id: 'r' }, 'end the restriction r'],
    ['privacy export', { subject_id: 'p' }, 'export the data of p'],
    ['privacy delete', { subject_id: 'p' }, 'destroy the keys of p for good'],
    ['privacy consents withdraw', { subject_id: 'p' }, 'withdraw the consents of p'],
    ['privacy holds place', { subject_id: 'p' }, 'keep every record of p'],
    ['privacy holds end', { hold_id: 'h' }, 'end the legal hold h'],
    ['phi shred', { subject_id: 'p' }, 'destroy the data keys of p for good'],
  ])('%s says what it would do', (verb, input, asked) => expect(commandOf(verb).asks?.(input, {})).toBe(asked));
});
