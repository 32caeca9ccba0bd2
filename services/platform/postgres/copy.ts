import { once } from 'node:events';
import type pg from 'pg';

/** What the connection does for COPY, beyond its published type. */
type CopyConnection = pg.Connection & {
  sendCopyFromChunk(chunk: Uint8Array): void;
  endCopyFrom(): void;
  sendCopyFail(reason: string): void;
};

/** What the client calls on a query in progress. */
type CopyQuery = {
  submit(connection: pg.Connection): void;
  handleRowDescription(): void;
  handleCopyInResponse(): void;
  handleCopyData(message: { readonly chunk: Buffer }): void;
  handleCommandComplete(): void;
  handleEmptyQuery(): void;
  handleError(err: Error): void;
  handleReadyForQuery(): void;
};

const BATCH_BYTES = 65_536;
/** Batches that wait for the reader before the server is asked to wait. */
const BATCHES_WAITING = 4;

const nothing = (): void => {};

/**
 * Runs `COPY … TO STDOUT` and returns its rows in batches. The server waits while the reader does, so memory is bounded
 * by a few batches and the longest row. A reader that stops early loses the connection.
 * @param onRow called with each row, in order; its bytes are overwritten afterwards
 */
export async function* copyOut(client: pg.Client, text: string, onRow: (row: Buffer) => void): AsyncGenerator<Buffer> {
  const ready: Buffer[] = [];
  let batch: Buffer[] = [];
  let batchBytes = 0;
  let connection: pg.Connection | undefined;
  let failure: Error | undefined;
  let isDone = false;
  let wake = Promise.withResolvers<void>();

  function flush(): void {
    if (batchBytes > 0) ready.push(Buffer.concat(batch, batchBytes));
    batch = [];
    batchBytes = 0;
    wake.resolve();
  }

  const query: CopyQuery = {
    submit(given) {
      connection = given;
      given.query(text);
    },
    handleRowDescription: nothing,
    handleCopyInResponse: nothing,
    handleEmptyQuery: nothing,
    handleCommandComplete: nothing,
    handleCopyData({ chunk }) {
      onRow(chunk);
      // The parser reuses the memory of the message.
      batch.push(Buffer.from(chunk));
      batchBytes += chunk.length;
      if (batchBytes >= BATCH_BYTES) flush();
      if (ready.length >= BATCHES_WAITING) connection?.stream.pause();
    },
    handleError(err) {
      failure = err;
      wake.resolve();
    },
    handleReadyForQuery() {
      isDone = true;
      flush();
    },
  };

  client.query(query);
  try {
    for (;;) {
      const next = ready.shift();
      if (next !== undefined) {
        if (ready.length < BATCHES_WAITING) connection?.stream.resume();
        yield next;
      } else if (failure !== undefined) throw failure;
      else if (isDone) return;
      else {
        await wake.promise;
        wake = Promise.withResolvers();
      }
    }
  } finally {
    if (!isDone && failure === undefined) connection?.stream.destroy();
  }
}

/**
 * Runs `COPY … FROM STDIN` with the rows of `source`. The server's memory and ours stay bounded.
 * @throws the error of the server, or of `source`; the statement then changed nothing
 */
export async function copyIn(client: pg.Client, text: string, source: AsyncIterable<Uint8Array>): Promise<void> {
  const started = Promise.withResolvers<CopyConnection>();
  const ended = Promise.withResolvers<void>();
  let connection: CopyConnection | undefined;
  let failure: Error | undefined;
  started.promise.catch(nothing);
  ended.promise.catch(nothing);

  const query: CopyQuery = {
    submit(given) {
      connection = given as CopyConnection;
      given.query(text);
    },
    handleRowDescription: nothing,
    handleCopyData: nothing,
    handleEmptyQuery: nothing,
    handleCommandComplete: nothing,
    handleCopyInResponse() {
      started.resolve(connection as CopyConnection);
    },
    handleError(err) {
      failure = err;
      started.reject(err);
      ended.reject(err);
    },
    handleReadyForQuery() {
      ended.resolve();
    },
  };

  client.query(query);
  const to = await started.promise;
  try {
    for await (const chunk of source) {
      if (failure !== undefined) throw failure;
      to.sendCopyFromChunk(chunk);
      if (to.stream.writableNeedDrain) await Promise.race([once(to.stream, 'drain'), ended.promise]);
    }
  } catch (err) {
    if (failure === undefined) {
      to.sendCopyFail('the source failed');
      await ended.promise.catch(nothing);
    }
    throw err;
  }
  to.endCopyFrom();
  await ended.promise;
}
