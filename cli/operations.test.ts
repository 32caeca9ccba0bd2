import { describe, expect, test } from 'vitest';
import { applicationOperations } from '../services/domain/access/application-operations.ts';
import { clientOperations } from '../services/domain/access/client-operations.ts';
import { roleOperations } from '../services/domain/access/role-operations.ts';
import { agentOperations } from '../services/domain/agents/operations.ts';
import { incidentOperations } from '../services/domain/security/operations.ts';
import type { CommandOptions } from '../services/platform/define/command-option.ts';
import type { Endpoint } from '../services/platform/define/endpoint.ts';
import { membersOf } from './operation-options.ts';

type Command = {
  readonly verb: string;
  readonly arguments?: Readonly<Record<string, string>>;
  readonly options?: CommandOptions;
  line?(item: object): string;
  lines?(answer: object): readonly string[];
  asks?(input: object, about: object): string;
};
type Folded = { readonly endpoint: Endpoint; readonly command: Command };

const all = [
  ...clientOperations,
  ...roleOperations,
  ...applicationOperations,
  ...agentOperations,
  ...incidentOperations,
];
const commands = (all as unknown as Folded[])
  .filter(({ command }) => command !== undefined)
  .map((folded) => [folded.command.verb, folded] as const);
const commandOf = (verb: string): Command =>
  (commands.find(([name]) => name.startsWith(verb)) as (typeof commands)[number])[1].command;

describe.each(commands)('%s', (verb, { endpoint, command }) => {
  const members = Object.keys(membersOf(endpoint));

  test('has arguments that are members of the request', () => {
    const names = [...verb.matchAll(/[<[](\w+)/g)].map(([, name = '']) => command.arguments?.[name] ?? name);
    for (const name of names) expect(members).toContain(name);
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

  test('an incident has one line', () => {
    const incident = {
      incident_id: 'i1',
      detection: 'token_replay',
      severity: 'high',
      state: 'open',
      count: 2,
      subject: { kind: 'user', id: 'u1' },
      last_seen_at: 'now',
    };
    const line = commandOf('incidents list').line?.(incident) as string;
    expect(line).toBe('now  open          high      token_replay           2x  user u1  i1');
    expect(commandOf('incidents show').lines?.(incident)[0]).toBe(line);
    for (const verb of ['acknowledge', 'close']) {
      expect(commandOf(`incidents ${verb}`).lines?.(incident)).toEqual([line]);
      expect(commandOf(`incidents ${verb}`).asks?.({}, incident)).toBe(`${verb} token_replay of user u1`);
    }
  });
});
