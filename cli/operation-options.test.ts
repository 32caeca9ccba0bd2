import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type CommandOptions, withOption } from '../services/platform/define/command-option.ts';
import { defineEndpoint } from '../services/platform/define/endpoint.ts';
import { addOptions, givenBy, membersOf, offeredBy } from './operation-options.ts';

const change = defineEndpoint({
  method: 'PATCH',
  path: '/things/{thing_id}',
  operation: 'changeThing',
  summary: 'Change a thing',
  tag: 'Tokens',
  auth: 'public',
  params: z.strictObject({ thing_id: z.string() }),
  query: z.strictObject({ live: z.enum(['true', 'false']).optional() }),
  body: z.strictObject({
    size: z.int().min(2).max(5).optional(),
    colour: z.enum(['red', 'blue']).nullable().optional(),
    tag_names: z.array(z.string()).optional(),
    is_open: z.boolean().optional(),
    home: z.string().nullable().default(null),
  }),
  responses: { 200: z.object({}) },
  errors: [],
});
const create = { ...change, method: 'POST' } as const;
const options = {
  live: { flags: '--live', help: 'only live ones', value: 'true' },
  size: { flags: '--size <count>', help: 'its size', default: '3' },
  colour: 'its colour',
  tag_names: 'its tags',
  is_open: { help: 'open it', no: 'close it' },
  home: { help: 'its home', no: 'without a home' },
} as const satisfies CommandOptions;

const ports = { sql: { query: () => Promise.resolve([]) } };
async function given(args: readonly string[], offers: CommandOptions = options) {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  const offered = offeredBy(change, offers);
  addOptions(command, change, offered);
  command.parse(args, { from: 'user' });
  return givenBy(change, offered, command.opts(), ports);
}

test('the members of an input are those of query, path and body', () => {
  expect(Object.keys(membersOf(change))).toEqual('live thing_id size colour tag_names is_open home'.split(' '));
  expect(membersOf({ ...change, body: undefined, query: undefined, params: undefined } as never)).toEqual({});
});

describe('options follow from the shapes', () => {
  const flagsOf = (endpoint: typeof change | typeof create) => {
    const command = new Command();
    addOptions(command, endpoint as never, offeredBy(endpoint as never, options));
    return command.options.map(({ flags, argChoices, defaultValue }) => [flags, argChoices, defaultValue]);
  };

  test('names, placeholders, choices and negations of a change', () =>
    expect(flagsOf(change)).toEqual([
      ['--live', undefined, undefined],
      ['--size <count>', undefined, '3'],
      ['--colour <text>', ['red', 'blue', 'default'], undefined],
      ['--tag-names <tag-names...>', undefined, undefined],
      ['--is-open', undefined, undefined],
      ['--no-is-open', undefined, undefined],
      ['--home <text>', undefined, undefined],
      ['--no-home', undefined, undefined],
    ]));

  test('creating takes nothing back', () =>
    expect(flagsOf(create).filter(([flags]) => String(flags).startsWith('--no-'))).toEqual([]));

  test('an option without a name must be of a member', () => {
    expect(() => offeredBy(change, { colours: 'its colour' })).toThrow('changeThing has no member colours');
    expect(offeredBy(change)).toEqual([]);
  });
});

describe('options that shapes declare', () => {
  const text = z.string().max(9);
  const body = z.strictObject({
    title: withOption(text, 'its title'),
    mode: withOption(z.enum(['on', 'off']), { help: 'its mode' }).default('on'),
    place: withOption(text.nullable(), { help: 'its place', no: 'nowhere' }).optional(),
    other: text.optional(),
  });
  const offered = (own?: CommandOptions, placed?: readonly string[]) =>
    offeredBy({ ...change, body }, own, placed).map(({ flags, option }) => [flags, option.help, option.default]);

  test('are offered by every command that has the member, with what the contract sets where there is none', () =>
    expect(offered()).toEqual([
      ['--title <text>', 'its title', undefined],
      ['--mode <text>', 'its mode', 'on'],
      ['--place <text>', 'its place', undefined],
    ]));

  test('give way to the options of the command, and are left out where the member is an argument', () =>
    expect(offered({ place: { flags: '--at <place>', help: 'where' } }, ['title'])).toEqual([
      ['--at <place>', 'where', undefined],
      ['--mode <text>', 'its mode', 'on'],
    ]));

  test('belong to one member, though others share the shape', () => {
    const shared = { a: withOption(text, 'of a'), b: withOption(text, 'of b'), c: text.optional() };
    const found = offeredBy({ ...change, body: z.strictObject(shared) });
    expect(found.map(({ option }) => option.help)).toEqual(['of a', 'of b']);
  });
});

describe('the values of options', () => {
  test('are members of the input; what is not given is left out', async () => {
    expect(await given([])).toEqual({ size: 3 });
    const args = ['--live', '--size', '5', '--colour', 'red', '--tag-names', 'a', 'b', '--is-open', '--home', 'here'];
    expect(await given(args)).toEqual({
      live: 'true',
      size: 5,
      colour: 'red',
      tag_names: ['a', 'b'],
      is_open: true,
      home: 'here',
    });
  });

  test.each([
    ['spaces', ['--tag-names', 'a', 'b', 'c']],
    ['commas', ['--tag-names', 'a,b, c']],
    ['both, and the option again', ['--tag-names', 'a,b', '--tag-names', 'c']],
  ])('of a list are separated by %s', async (_, args) => {
    expect(await given(args)).toMatchObject({ tag_names: ['a', 'b', 'c'] });
  });

  test('of a list may have commas of their own, where the option says so', async () => {
    const offers = { tag_names: { help: 'its tags', keepsCommas: true } };
    expect(await given(['--tag-names', 'a,b', 'c'], offers)).toEqual({ tag_names: ['a,b', 'c'] });
  });

  test('take back what is set, by --no- and by default', async () =>
    expect(await given(['--colour', 'default', '--no-is-open', '--no-home'])).toEqual({
      size: 3,
      colour: null,
      is_open: false,
      home: null,
    }));

  test('have the bounds of the shape', () =>
    expect(given(['--size', '6'])).rejects.toThrow('--size takes a whole number from 2 to 5'));

  test('may follow from the others', async () => {
    const offers = {
      colour: 'its colour',
      home: { help: 'its home', default: (members: Readonly<Record<string, unknown>>) => members.colour ?? 'none' },
    };
    expect(await given(['--colour', 'red'], offers as CommandOptions)).toEqual({ colour: 'red', home: 'red' });
    expect(await given(['--home', 'x'], offers as CommandOptions)).toEqual({ home: 'x' });
  });

  test('that set other members are read, and one member is not set twice', async () => {
    const offers = {
      name: { flags: '--certificate-name <kind=value>', help: 'a name', reads: 'certificate-name' },
      again: { flags: '--again <kind=value>', help: 'a name', reads: 'certificate-name' },
    } as const;
    expect(await given(['--certificate-name', 'san_dns=a=b'], offers)).toEqual({ tls_client_auth_san_dns: 'a=b' });
    await expect(given(['--certificate-name', 'x'], offers)).rejects.toThrow('has no kind');
    await expect(given(['--certificate-name', 'san_ip=1', '--again', 'san_ip=2'], offers)).rejects.toThrow(
      '--certificate-name and --again exclude each other',
    );
  });
});
