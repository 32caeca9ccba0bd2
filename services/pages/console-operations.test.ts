// About: console/src/fold/
import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { actsOfRows, groupOperations } from '#console/src/fold/group.ts';
import { operation } from '#services/core/shared/operation.ts';
import { modules } from '#services/modules.ts';
import { OUTCOMES } from '#services/platform/define/audit-event.ts';
import { collectEndpoints } from '#tools/catalog/collect.ts';
import { describeOperations, isAdministrative } from './console-operations.ts';
import { memberWords, placeWords, valueWords } from './texts/member-words.ts';

const CONSOLE = resolve(import.meta.dirname, '../../console/src');
const operations = (await Promise.all(modules.map((module) => module.operations()))).flat();
const described = describeOperations(operations.map((each) => ({ operation: each })));
const groups = groupOperations(described);
/** `clients.why`: a list of one item. */
const placeOf = ({ segment, path }: (typeof described)[number]) => `${segment}.${path.split('/').at(-1)}`;

/** Writes that no page of the console has, each for a reason. */
const ON_NO_PAGE = {
  'PUT /v1/admin/queues/{part}': 'the board of the queues is a page of its own, which the API serves',
};

test('every write of administrators is on a page of the console, or has a reason to be on none', async () => {
  const files = globSync('pages/**/*.tsx', { cwd: CONSOLE }).map((file) =>
    readFileSync(resolve(CONSOLE, file), 'utf8'),
  );
  const folded = groups.flatMap(({ creates, acts }) =>
    [...creates, ...acts].flatMap(({ name, rehearsal }) => [name, rehearsal?.name]),
  );
  const writes = (await collectEndpoints())
    .filter((each) => each.method !== 'GET' && isAdministrative(each))
    .map(({ method, path }) => `${method} ${path}`);
  expect(writes.length).toBeGreaterThan(43);
  const missing = writes.filter((name) => !folded.includes(name) && !files.some((text) => text.includes(`'${name}'`)));
  expect(missing).toEqual(Object.keys(ON_NO_PAGE));
});

test('an operation without a word of description is on a page all the same, with a form of its shape', () => {
  const auth = { accepts: ['bearer'], for: 'anyone', subject: 'any', permission: 'widgets:manage' };
  const made = (method: string, path: string, more: object) => ({
    operation: operation(
      { method, path, auth, errors: [], summary: 'Paint a widget', ...more } as never,
      () => undefined,
    ),
  });
  const widgets = z.array(z.object({ widget_id: z.uuid(), made_at: z.iso.datetime() }));
  const body = z.object({ coats: z.int().min(1).max(3), reason: z.string() });
  const responses = { 200: z.object({ widgets, next: z.string().nullable() }) };
  const params = z.object({ widget_id: z.uuid() });
  const [group] = groupOperations(
    describeOperations([
      made('GET', '/v1/admin/widgets', { operation: 'listWidgets', responses }),
      made('POST', '/v1/admin/widgets/{widget_id}/paint', {
        operation: 'paintWidget',
        params,
        body,
        responses: { 204: null },
      }),
    ]),
  );
  expect(group).toMatchObject({
    segment: 'widgets',
    key: ['widget_id'],
    list: { answer: { list: 'widgets', paged: true } },
  });
  const coats = { kind: 'number', min: 1, max: 3, required: true };
  const says = { en: ['Paint widget', 'Paint a widget.'] };
  expect(group?.acts).toMatchObject([{ says, reason: 'body', members: { coats } }]);
});

test('a write on a row of a list of one item is on that row, and no field of it is asked for', () => {
  const ofRows = groups.flatMap((group) => group.lists.map((list) => actsOfRows(group, list).map(({ name }) => name)));
  expect(ofRows.flat()).toEqual(['DELETE /v1/admin/users/{user_id}/consents/{client_id}']);
});

/** Names that specifications give, which are no words of any language. */
const CODES =
  /^(?:urn:.*|[HR]S256|ES256|EdDSA|.*_(?:basic|post|jwt|auth|code|credentials|token|verified|at)|name|email|picture)$/;

test('outcomes of events are told apart by their words', () => {
  for (const at of [0, 1]) {
    const said = OUTCOMES.map((outcome) => (valueWords[`audit-events.${outcome}`] ?? valueWords[outcome])?.[at]);
    expect(said.filter((words, place) => words === undefined || said.indexOf(words) !== place)).toEqual([]);
  }
});

test('what people read of an operation has words in each language', () => {
  const writes = described.filter(({ method }) => method !== 'GET');
  const shown = [...writes, ...groups.flatMap(({ list, detail = list, lists }) => [list, detail, ...lists])];
  const [members, choices] = [new Set<string>(shown.flatMap(({ params }) => params)), new Set<string>()];
  JSON.stringify(shown, (key, value: object) => {
    for (const name of key === 'members' ? Object.keys(value) : []) members.add(name);
    for (const choice of key === 'choices' ? Object.values(value) : []) choices.add(String(choice));
    return value;
  });
  const named = new Set(Object.keys(memberWords).map((name) => name.split('.').at(-1)));
  expect([...members].filter((name) => !named.has(name))).toEqual([]);
  expect([...choices].filter((value) => !(value in valueWords) && !CODES.test(value))).toEqual([]);
  const places = groups.flatMap(({ segment, lists }) => [segment, ...lists.map(placeOf)]);
  expect(places.sort()).toEqual(Object.keys(placeWords).sort());
  expect(writes.filter(({ says }) => says?.de[1] === '')).toEqual([]);
});
