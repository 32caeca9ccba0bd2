const DEADLINE_MS = 1_500;
/** A padded answer has about a thousand lines of forty bytes. */
const ANSWER_BYTES_MAX = 262_144;

/**
 * Range lookup at a service with the API of Pwned Passwords. It asks only the configured host: a redirect is
 * a failure, and no input of a request chooses the host.
 * @param url address to which the five digits are appended, e.g. `https://api.pwnedpasswords.com/range`
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
        throw new Error(`the service of breached passwords answered ${response.status}`);
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
    if (bytes > bytesMax) throw new Error('the answer of the service of breached passwords is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
