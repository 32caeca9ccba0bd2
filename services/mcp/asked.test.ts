import { expect, test } from 'vitest';
import { askedIn } from './asked.ts';

const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
const TASKS = { [CAPABILITIES]: { extensions: { 'io.modelcontextprotocol/tasks': {} } } };
const call = (name: unknown, _meta?: unknown) => ({ method: 'tools/call', params: { name, _meta } });

test('names the tools that a message or a batch calls, and whether a resource is read', () => {
  expect(askedIn(call('read_task'))).toMatchObject({ calls: new Set(['read_task']), readsResource: false });
  expect(askedIn([call('a'), call('b'), { method: 'resources/read' }])).toMatchObject({
    calls: new Set(['a', 'b']),
    readsResource: true,
  });
  expect(askedIn({ method: 'tools/list', params: { name: 'a' } }).calls.size).toBe(0);
});

test('says whether the client takes tasks, and whether it wants to hear of the progress of a call', () => {
  expect(askedIn(call('a', TASKS))).toMatchObject({ takesTasks: true, wantsProgress: false });
  expect(askedIn(call('a', { progressToken: 0 }))).toMatchObject({ takesTasks: false, wantsProgress: true });
  expect(askedIn({ method: 'tools/list', params: { _meta: { progressToken: 1 } } }).wantsProgress).toBe(false);
  for (const capabilities of [undefined, null, 'x', {}, { extensions: null }, { extensions: { other: {} } }])
    expect(askedIn(call('a', { [CAPABILITIES]: capabilities })).takesTasks).toBe(false);
});

test.each([undefined, null, 'text', 7, [], [null, 'x', [1]], { method: 'tools/call', params: null }])(
  'asks nothing of the server in %j',
  (body) => expect(askedIn(body)).toMatchObject({ readsResource: false, takesTasks: false, wantsProgress: false }),
);
