import { expect, test } from 'vitest';
import { clerkAdapter } from './clerk.ts';
import { csvAdapter } from './generic.ts';
import { idOf, legacyUser } from './members.ts';

const OPTIONS = { columns: {}, parameters: {}, allowedHashes: [] };

test.each([clerkAdapter, csvAdapter])(
  '$kind writes no cell that a spreadsheet runs, and reads it as it was',
  async (adapter) => {
    const names = ['=1+1', '@SUM(A1)', '+cmd', '-cmd', "O'Hara", '+49 89 1234'];
    async function* users() {
      for (const [at, name] of names.entries())
        yield legacyUser({
          legacy_id: idOf(`u${at}`, null),
          email: `u${at}@example.com`,
          name: `Ada ${name}`,
          metadata: { first_name: 'Ada', last_name: name, username: name },
          totp_secret: name,
        });
    }
    let text = '';
    for await (const part of adapter.write(users(), OPTIONS)) text += part;
    expect(text.match(/(?:^|,)"?[=@]|(?:^|,)[+-]cmd/m)).toBeNull();
    expect(text).toContain("'=1+1");
    async function* stream() {
      yield Buffer.from(text);
    }
    const read = [];
    for await (const record of adapter.read(stream(), OPTIONS)) read.push('user' in record ? record.user : record);
    expect(read).toMatchObject(
      names.map((name) => ({ name: `Ada ${name}`, totp_secret: name, metadata: { last_name: name, username: name } })),
    );
  },
);
