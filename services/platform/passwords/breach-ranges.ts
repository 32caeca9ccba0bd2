import { guardedFetch } from '../http/outbound.ts';

const DEADLINE_MS = 1_500;
/** A padded answer has about a thousand lines of forty bytes. */
const ANSWER_BYTES_MAX = 262_144;

/**
 * Range lookup at a service with the API of Pwned Passwords. It asks only the configured host, which may be in a private
 * network: a redirect is a failure, and no input of a request chooses the host.
 * @param url address to which the five digits are appended, e.g. `https://api.pwnedpasswords.com/range`
 */
export function createBreachRanges(
  url: string,
  deadlineMs = DEADLINE_MS,
): { suffixesOf(prefix: string): Promise<string> } {
  const rules = { allowsPrivate: true, answerBytesMax: ANSWER_BYTES_MAX, deadlineMs };
  return {
    async suffixesOf(prefix) {
      // Padding hides the number of entries from an observer of the response length.
      const headers = { 'add-padding': 'true', 'user-agent': 'sallyport' };
      const response = await guardedFetch(rules, `${url}/${prefix}`, { headers });
      if (response.status !== 200) throw new Error(`the service of breached passwords answered ${response.status}`);
      return response.text();
    },
  };
}
