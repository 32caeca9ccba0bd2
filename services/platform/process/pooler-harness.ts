// For tests only: a connection pooler in transaction mode that, unlike PgBouncer, passes on startup options. It has one
// session of PostgreSQL for all its clients.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import pg from 'pg';

const PROTOCOL_3 = 196_608;

const message = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};
const int16 = (value: number): Buffer => Buffer.from([(value >> 8) & 255, value & 255]);
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const text = (value: string): Buffer => Buffer.from(`${value}\0`);
const READY = message('Z', Buffer.from('I'));

function rowsOf({ fields, rows }: pg.QueryArrayResult): Buffer {
  const columns = fields.map(({ name }) =>
    Buffer.concat([text(name), int32(0), int16(0), int32(25), int16(-1), int32(-1), int16(0)]),
  );
  const lines = rows.map((row) => {
    const values = row.map((value: unknown) => Buffer.from(String(value)));
    return message('D', Buffer.concat([int16(values.length), ...values.flatMap((each) => [int32(each.length), each])]));
  });
  return Buffer.concat([
    message('T', Buffer.concat([int16(columns.length), ...columns])),
    ...lines,
    message('C', text('SELECT')),
    READY,
  ]);
}

/** Starts a pooler in front of the server of a URL. It understands simple queries. */
export async function startPooler(targetUrl: string): Promise<{ readonly url: string; dispose(): Promise<void> }> {
  let session: Promise<pg.Client> | undefined;
  const open = async (options: string): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: targetUrl, options });
    await client.connect();
    return client;
  };
  const sockets = new Set<Socket>();

  async function answer(socket: Socket, bytes: Buffer, isStartup: boolean): Promise<void> {
    if (isStartup) {
      const parameters = bytes.toString('utf8', 8).split('\0');
      const options = parameters[parameters.indexOf('options') + 1] ?? '';
      session ??= open(options);
      await session;
      socket.write(Buffer.concat([message('R', int32(0)), READY]));
    } else if (bytes.toString('latin1', 0, 1) === 'Q') {
      const statement = bytes.toString('utf8', 5, bytes.length - 1);
      const client = (await session) as pg.Client;
      socket.write(rowsOf(await client.query({ text: statement, rowMode: 'array' })));
    }
  }

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    let isStartup = true;
    // The clients of this test wait for each answer, so each chunk is one message.
    socket.on('data', (bytes: Buffer) => {
      const first = isStartup && bytes.readInt32BE(4) === PROTOCOL_3;
      isStartup = false;
      answer(socket, bytes, first).catch(() => socket.destroy());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(targetUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    dispose: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await (await session)?.end();
    },
  };
}
