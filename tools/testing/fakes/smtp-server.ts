// For tests only: a server with as much SMTP (RFC 5321) as a client needs to deliver a mail.

import { type AddressInfo, createServer, type Socket } from 'node:net';

export type SmtpServer = {
  readonly url: string;
  /** Accepted mails, as received. */
  readonly taken: { readonly to: string; readonly data: string }[];
  close(): Promise<void>;
};

/** @param refuse the reply to a recipient that is refused */
export async function startSmtpServer(
  refuse: (to: string) => string | undefined = () => undefined,
): Promise<SmtpServer> {
  const taken: SmtpServer['taken'] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let [buffer, to, inData] = ['', '', false];
    const say = (line: string): void => void socket.write(`${line}\r\n`);
    const onLine = (line: string): void => {
      const verb = line.slice(0, 4).toUpperCase();
      if (verb === 'EHLO' || verb === 'HELO') say('250 sallyport.test');
      else if (verb === 'STAR') say('502 no TLS here');
      else if (verb === 'RCPT') {
        to = /<([^>]*)>/.exec(line)?.[1] ?? '';
        say(refuse(to) ?? '250 ok');
      } else if (verb === 'DATA') {
        inData = true;
        say('354 go on');
      } else if (verb === 'QUIT') socket.end('221 bye\r\n');
      else say('250 ok');
    };
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => {
      buffer += chunk.toString('utf8');
      for (;;) {
        const end = buffer.indexOf(inData ? '\r\n.\r\n' : '\r\n');
        if (end < 0) return;
        const part = buffer.slice(0, end);
        buffer = buffer.slice(end + (inData ? 5 : 2));
        if (inData) {
          taken.push({ to, data: part });
          inData = false;
          say('250 taken');
        } else onLine(part);
      }
    });
    say('220 sallyport.test ESMTP');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    taken,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
