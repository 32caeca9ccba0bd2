import { expect, test } from 'vitest';
import { type AwayAnswer, violationOfAway, violationOfStream } from './gates-mcp.ts';

const of = (name: AwayAnswer['of'], status: number, copy: AwayAnswer['copy'] = 'A'): AwayAnswer => ({
  of: name,
  copy,
  status,
});
const served: readonly AwayAnswer[] = [of('API', 201), of('API', 201, 'B'), of('MCP', 503), of('MCP', 200, 'B')];

test('an MCP server without its tables answers 503, and nothing worse', () => {
  expect(violationOfAway(served)).toBeUndefined();
  expect(violationOfAway([...served, of('MCP', 500)])).toMatch('MCP at A answered 500');
  expect(violationOfAway([...served, of('MCP', 0)])).toMatch('answered nothing');
});

test('an API serves on while the MCP server in its process has no tables', () => {
  expect(violationOfAway([...served, of('API', 503, 'B')])).toMatch('the API of B gave 1 of 2 tokens');
  expect(violationOfAway(served.filter(({ copy }) => copy === 'A'))).toMatch('0 of 0');
});

const progress = 'event: message\ndata: {"method":"notifications/progress"}\n\n';
const result = 'data: {"result":{"structuredContent":{"task_id":"t-1","status":"working"}}}\n\n';

test('a stream is cut by no API that was told to stop', () => {
  expect(violationOfStream({ text: progress + result, isDrained: true }, 't-1')).toBeUndefined();
  expect(violationOfStream({ text: progress, isDrained: true }, 't-1')).toMatch('was cut');
  expect(violationOfStream({ text: progress + result, isDrained: true }, 't-2')).toMatch('was cut');
  expect(violationOfStream({ text: progress, isDrained: false }, 't-1')).toBeUndefined();
  expect(violationOfStream({ text: '', isDrained: false }, 't-1')).toMatch('without a notification');
});
