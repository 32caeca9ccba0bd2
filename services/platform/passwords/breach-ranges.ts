const DEADLINE_MS = 1_500;
/** A padded answer has about a thousand lines of forty bytes. */
const ANSWER_BYTES_MAX = 262_144;

/**
 * The range look-up of a service that speaks the form of Pwned Passwords. Asks the configured host alone: a redirect is
 * a failure, and nothing of the request chooses where it goes.
 * @param url what the five digits are appended to, e.g. `https://api.pwnedpasswords.com/range`
 */
export function createBreachRanges(
  url: string,
  deadlineMs = DEADLINE_MS,
): { suffixesOf(prefix: string): Promise<string> } {
  return {
    async suffixesOf(prefix) {
      const response = await fetch(`${url}/${prefix}`, {
        // Padding hides the number of entries from an observer of the response length.
        headers: { 'add-padding': 'true', 'user-agent': 'sallyport' },
        redirect: 'error',
        signal: AbortSignal.timeout(deadlineMs),
      });
      if (response.status !== 200) {
        await response.body?.cancel();
        throw new Error(`the list of stolen passwords answered ${response.status}`);
      }
      return readAtMost(response, ANSWER_BYTES_MAX);
    },
  };
}

async function readAtMost(response: Response, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw new Error('the answer of the list of stolen passwords is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
