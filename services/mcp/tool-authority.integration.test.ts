import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Callers,
  type Credential,
  insertRoles,
  newCallers,
  patiently,
} from '#tools/testing/flows/every-caller.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { OWN_SCOPES } from '../core/authority/own-scopes.ts';
import { type Need, namesOf, needOf } from '../core/shared/tool.ts';
import { loadList } from '../modules.ts';
import { callMcpEndpoint } from './contract.ts';
import { type McpHarness, openMcpHarness } from './mcp-harness.ts';
import { needOfTasks, taskToolsOf } from './task-shapes.ts';
import { plainToolsOf } from './task-tools.ts';
import { toolsOf } from './tools.ts';

const tools = await toolsOf({ leftOut: [] });
const kinds = await loadList('tasks');
const every = [...tools, ...taskToolsOf(kinds), ...plainToolsOf(needOfTasks(kinds))];

/**
 * Every tool × every kind of caller × nothing, everything except what it needs, that alone. The expected answer, and
 * whether the tool is listed, follow from the need that the tool declares.
 */

type KindName = keyof Callers;
type Rights = { readonly permissions: readonly string[]; readonly granted: readonly string[] };
type Subject = { readonly name: string; readonly need: Need };

const subjects: readonly Subject[] = every;

/** The only callers with a token for this server; every other credential is for the API, or is not accepted here. */
const WITH_TOKEN: readonly KindName[] = ['userByOtherClient', 'clientByToken', 'agentByToken', 'agentForOwner'];
/** Of these, the only one whose user granted its scopes to the application that calls. */
const GRANTED: KindName = 'userByOtherClient';

let harness: McpHarness;
let everything: Rights;
/** Callers of every kind by their rights. */
const callers = new Map<string, readonly [Rights, Callers]>();

const NOTHING: Rights = { permissions: [], granted: [] };
function rightsFor({ need }: Subject): readonly Rights[] {
  if (need === null) return [NOTHING];
  const names = namesOf(need);
  const lacking = {
    permissions: everything.permissions.filter((each) => !names.includes(each)),
    granted: everything.granted.filter((each) => !names.includes(each)),
  };
  const holding = names.map((name) =>
    'own' in need ? { permissions: [], granted: [name] } : { permissions: [name], granted: [] },
  );
  return [NOTHING, lacking, ...holding];
}

beforeAll(async () => {
  harness = await openMcpHarness();
  const { api } = harness;
  const all = (await harness.rows`SELECT name FROM permissions`).map(({ name }) => name as string);
  everything = { permissions: all, granted: OWN_SCOPES };
  for (const rights of subjects.flatMap(rightsFor)) {
    const key = JSON.stringify(rights);
    if (callers.has(key)) continue;
    const [role] = await insertRoles(harness, [rights.permissions]);
    await api.ports.access.load();
    const of = { role: role as string, ...rights, audience: harness.mcpUrl };
    callers.set(key, [rights, await patiently(() => newCallers(api, harness, of))]);
  }
}, 600_000);
afterAll(() => harness?.close());

const isAllowed = (need: Need, { permissions, granted }: Rights, kind: KindName): boolean => {
  if (need === null) return true;
  if ('own' in need) return kind === GRANTED && granted.includes(need.own);
  return need.anyOf.some((permission) => permissions.includes(permission));
};

const INPUTS: Readonly<Record<string, object>> = {
  read_audit_event: { seq: 0 },
  prove_audit_event: { seq: 0 },
  read_incident: { incident_id: randomUUID() },
  read_compliance_report: { report_id: randomUUID() },
  read_task: { task_id: 'x'.repeat(24) },
  cancel_task: { task_id: 'x'.repeat(24) },
};

const ask = (method: string, params: Json, { origin: _page, ...credential }: Credential) =>
  harness.ask(credential, method, params, {});

test('every tool answers every kind of caller by what it declares to need', async () => {
  const surprises: string[] = [];
  let cells = 0;
  for (const { name, need } of subjects) {
    const refusal = need !== null && 'own' in need ? 'scope_not_granted' : 'permission_missing';
    for (const wanted of rightsFor({ name, need })) {
      const [rights, kinds] = callers.get(JSON.stringify(wanted)) as readonly [Rights, Callers];
      for (const [kind, credential] of Object.entries(kinds) as [KindName, Credential][]) {
        const { status, text, body } = await ask('tools/call', { name, arguments: INPUTS[name] ?? {} }, credential);
        const code = body?.result?.structuredContent?.code;
        const isRefused = code === 'permission_missing' || code === 'scope_not_granted';
        const isAsDeclared = WITH_TOKEN.includes(kind)
          ? status === 200 && isRefused !== isAllowed(need, rights, kind) && (!isRefused || code === refusal)
          : status === 401;
        cells += 1;
        if (!isAsDeclared) surprises.push(`${name} by ${kind} (${JSON.stringify(wanted)}): ${status} ${text}`);
      }
    }
  }
  expect(surprises).toEqual([]);
  expect(cells).toBeGreaterThan(14 * 3 * (subjects.length - 1));
}, 600_000);

test('no tool does what asks for the rights of a role', () => {
  const auth = { accepts: ['bearer'], for: 'anyone', permission: 'keys:read', subject: 'any' } as const;
  expect(needOf({ ...callMcpEndpoint, auth })).toEqual({ anyOf: ['keys:read'] });
  expect(() => needOf({ ...callMcpEndpoint, auth: { ...auth, rightsOf: 'admin' } })).toThrow('the rights of a role');
});

test('a list of tools or resources has those that its caller may use, and no other', async () => {
  for (const [rights, kinds] of callers.values())
    for (const kind of WITH_TOKEN) {
      const of = async (method: string, member: string): Promise<string[]> =>
        (await ask(method, {}, kinds[kind])).body.result[member].map(({ name }: Json) => name).sort();
      const may = ({ need }: Subject) => isAllowed(need, rights, kind);
      const listed = subjects.filter(may).map(({ name }) => name);
      expect(await of('tools/list', 'tools')).toEqual(listed.sort());
      const readable = tools.filter((tool) => tool.resource !== undefined && may(tool)).map(({ name }) => name);
      const resources = await of('resources/list', 'resources');
      const templates = await of('resources/templates/list', 'resourceTemplates');
      expect([...resources, ...templates].sort()).toEqual(readable.sort());
    }
}, 600_000);
