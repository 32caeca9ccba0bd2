import { expect, test } from 'vitest';
import type { HasRevocations } from './revocation-set.ts';
import { whyUnconfirmed } from './why-unconfirmed.ts';

test('a directory that cannot be confirmed is called stale, and the database rewound where it is', () => {
  const at = (rewound: boolean) => ({ revocations: { state: () => ({ rewound }) } }) as unknown as HasRevocations;
  expect(whyUnconfirmed(at(false)).code).toBe('directory_stale');
  expect(whyUnconfirmed(at(true)).code).toBe('state_rewound');
});
