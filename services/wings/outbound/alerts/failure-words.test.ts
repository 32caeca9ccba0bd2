import { expect, test } from 'vitest';
import { failureWords } from './failure-words.ts';

test.each([
  ['private_address', /ALERTS_PRIVATE=true/],
  ['http_410', /status 410/],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', /TLS to the target failed/],
  ['SomethingError', /^The attempt failed \(SomethingError\)\.$/],
])('a failure %s is told in words', (code, words) => expect(failureWords(code)).toMatch(words));

test('what did not fail has no words', () => expect(failureWords(null)).toBeNull());
