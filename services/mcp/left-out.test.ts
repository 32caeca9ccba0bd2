import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadList, modules } from '../modules.ts';
import { loadConfig } from '../platform/config/load.ts';
import { WINGS, type Wing } from '../platform/config/wings.ts';
import { compose } from './compose.ts';
import { taskToolsOf } from './task-shapes.ts';
import { toolsOf } from './tools.ts';

const served = async (...leftOut: Wing[]): Promise<string[]> =>
  [...(await toolsOf({ leftOut })), ...taskToolsOf(await loadList('tasks', { leftOut }))].map(({ name }) => name);

test('a tool of a wing that is left out is not served, and the others are', async () => {
  const absent = async (...leftOut: Wing[]) => {
    const kept = await served(...leftOut);
    return (await served()).filter((name) => !kept.includes(name));
  };
  expect(await absent('compliance')).toEqual([
    'read_compliance_status',
    'read_compliance_report',
    'request_compliance_report',
  ]);
  expect(await absent('signoff')).toEqual(['list_signoffs', 'list_my_signoffs', 'rotate_signing_keys']);
  expect(await absent('monitoring')).toEqual([
    'read_authentication_progress',
    'read_security_metrics',
    'read_component_progress',
  ]);
  expect(await absent('privacy', 'agents', 'outbound', 'import', 'recovery')).toEqual([]);
});

test('an installation without the MCP server refuses to start one, with the fix', async () => {
  const input = { config: loadConfig({ SALLYPORT_LEAVE_OUT: 'mcp' }) } as Parameters<typeof compose>[0];
  await expect(compose(input)).rejects.toMatchObject({
    problems: [{ env: 'SALLYPORT_LEAVE_OUT', fix: 'do not start it, or do not leave out mcp' }],
  });
});

test('every folder of wings has a module that can be left out, and every wing but the console, a face of the others, has one', () => {
  expect([...new Set([...modules.flatMap(({ wing }) => wing ?? []), 'console'])].sort()).toEqual([...WINGS].sort());
  const named = modules.filter(({ wing }) => wing !== undefined).map(({ name }) => name.split('/')[0]);
  expect([...new Set(named)].sort()).toEqual(readdirSync(new URL('../wings', import.meta.url)).sort());
});
