import { peek } from './peek.ts';
import { withoutBom } from './read-ndjson.ts';

const HEAD_CHARACTERS = 256;

/**
 * The first byte of a source that is no white space, as text, and the source from its beginning; '' when it has none in
 * its head. `head` is what follows, at most 256 characters.
 */
export async function sniff(
  source: AsyncIterable<Uint8Array>,
): Promise<{ readonly first: string; readonly head: string; readonly stream: AsyncIterable<Uint8Array> }> {
  const { head: bytes, stream } = await peek(withoutBom(source));
  const head = bytes.toString('latin1').trimStart().slice(0, HEAD_CHARACTERS);
  return { first: head.charAt(0), head, stream };
}
