import { withoutBom } from './read-ndjson.ts';

const HEAD_CHARACTERS = 256;

/**
 * The first byte of a source that is no white space, as text, and the source from its beginning; '' when it is empty.
 * `head` is what was read of it by then, at most 256 characters.
 */
export async function sniff(
  stream: AsyncIterable<Uint8Array>,
): Promise<{ readonly first: string; readonly head: string; readonly stream: AsyncIterable<Uint8Array> }> {
  const source = withoutBom(stream)[Symbol.asyncIterator]();
  const read: Buffer[] = [];
  let first = '';
  while (first === '') {
    const { value, done } = await source.next();
    if (done) break;
    read.push(value);
    first = value.toString('latin1').trimStart().charAt(0);
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield* read;
    for (let next = await source.next(); !next.done; next = await source.next()) yield next.value;
  }
  const head = Buffer.concat(read).toString('latin1').trimStart().slice(0, HEAD_CHARACTERS);
  return { first, head, stream: whole() };
}
