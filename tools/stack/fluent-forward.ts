import { connect, type Socket } from 'node:net';

/** MessagePack of what a log message needs: strings, one array of three, one map, one 32-bit time. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const head = Buffer.alloc(5);
  head.writeUInt8(0xdb, 0);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function seconds(value: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt8(0xce, 0);
  bytes.writeUInt32BE(value, 1);
  return bytes;
}

/** Message mode of the Fluentd forward protocol: `[tag, time, record]`. */
function encodeLogMessage(tag: string, atSeconds: number, record: Readonly<Record<string, string>>): Buffer {
  const fields = Object.entries(record);
  const map = Buffer.from([0x80 | fields.length]);
  const pairs = fields.flatMap(([name, value]) => [text(name), text(value)]);
  return Buffer.concat([Buffer.from([0x93]), text(tag), seconds(atSeconds), map, ...pairs]);
}

/** Sends log lines as Docker's fluentd driver does. */
export function connectLogDriver(port: number): { send(tag: string, line: string): void; close(): void } {
  const socket: Socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => undefined);
  return {
    send: (tag, line) => {
      const record = { log: line, source: 'stderr', container_name: `/${tag}` };
      socket.write(encodeLogMessage(tag, Math.floor(Date.now() / 1_000), record));
    },
    close: () => socket.destroy(),
  };
}
