import { expect, test } from 'vitest';

import { isTrueClaim } from './true-claim.ts';

test('true and exactly the text "true" say yes, and nothing else does', () => {
  for (const yes of [true, 'true']) expect(isTrueClaim(yes)).toBe(true);
  for (const no of [
    false,
    'false',
    'True',
    'TRUE',
    ' true',
    'true\n',
    'yes',
    '1',
    1,
    {},
    [true],
    ['true'],
    null,
    undefined,
    '',
  ])
    expect([no, isTrueClaim(no)]).toEqual([no, false]);
});
