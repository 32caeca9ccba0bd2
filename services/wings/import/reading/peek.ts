/** How much of a source is looked at before it is read. */
export const HEAD_BYTES = 65_536;

/** The first bytes of a source, all of them if it has no more, and the source from its beginning. */
export async function peek(
  stream: AsyncIterable<Uint8Array>,
  bytesMin = HEAD_BYTES,
): Promise<{ readonly head: Buffer; readonly stream: AsyncIterable<Uint8Array> }> {
  const source = stream[Symbol.asyncIterator]();
  const read: Uint8Array[] = [];
  let length = 0;
  while (length < bytesMin) {
    const { value, done } = await source.next();
    if (done) break;
    read.push(value);
    length += value.length;
  }
  const head = Buffer.concat(read);
  async function* whole(): AsyncGenerator<Uint8Array> {
    try {
      if (head.length > 0) yield head;
      for (let next = await source.next(); !next.done; next = await source.next()) yield next.value;
    } finally {
      await source.return?.();
    }
  }
  return { head, stream: whole() };
}
