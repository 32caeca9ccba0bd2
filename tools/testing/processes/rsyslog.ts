// For tests only: rsyslog of Debian's packages as a receiver of syslog over TLS, which keeps each message as a line of JSON.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { ensureProgram, librariesOf, triplet } from '#tools/checks/debian-package.ts';
import { eventually } from '../eventually.ts';

/** What rsyslog parsed. */
type SyslogMessage = Readonly<Record<'pri' | 'host' | 'app' | 'msgid' | 'data' | 'text' | 'time', string>>;

export type Rsyslog = {
  /** In the order of their arrival. */
  messages(): SyslogMessage[];
  /** Lines that it wrote about itself: errors of TLS and of the protocol. */
  complaints(): string;
  kill(): Promise<void>;
  start(): Promise<void>;
};

export type RsyslogOptions = {
  readonly folder: string;
  readonly port: number;
  /** Paths of PEM files. With `asksForCertificate`, senders must show one of the authority. */
  readonly tls: {
    readonly ca: string;
    readonly cert: string;
    readonly key: string;
    readonly asksForCertificate?: boolean;
  };
};

const RSYSLOG = {
  package: 'rsyslog',
  name: 'rsyslogd',
  path: 'usr/sbin/rsyslogd',
  libraries: { libestr0: 'libestr.so.0', libfastjson4: 'libfastjson.so.4', liblognorm5: 'liblognorm.so.5' },
};
const OSSL = { package: 'rsyslog-openssl', name: 'lmnsd_ossl.so', path: `usr/lib/${triplet}/rsyslog/lmnsd_ossl.so` };

/** The program and its modules: from PATH, else unpacked from Debian's packages, which installs nothing. */
function programs(): { readonly rsyslogd: string; readonly modules: string } {
  const rsyslogd = ensureProgram(RSYSLOG);
  const own = join(dirname(dirname(rsyslogd)), `lib/${triplet}/rsyslog`);
  return { rsyslogd, modules: [own, dirname(ensureProgram(OSSL))].join(delimiter) };
}

export async function startRsyslog({ folder, port, tls }: RsyslogOptions): Promise<Rsyslog> {
  const { rsyslogd, modules } = programs();
  const [config, log] = [join(folder, 'rsyslog.conf'), join(folder, 'messages.jsonl')];
  const property = (out: string, name: string): string => `property(outname="${out}" name="${name}" format="jsonf")`;
  writeFileSync(
    config,
    `
global(workDirectory="${folder}" DefaultNetstreamDriverCAFile="${tls.ca}" DefaultNetstreamDriverCertFile="${tls.cert}"
  DefaultNetstreamDriverKeyFile="${tls.key}")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1"
  streamDriver.authMode="${tls.asksForCertificate ? 'x509/certvalid' : 'anon'}")
template(name="each" type="list" option.jsonf="on") {
  ${property('pri', 'pri')}
  property(outname="time" name="timestamp" dateFormat="rfc3339" format="jsonf")
  ${property('host', 'hostname')}
  ${property('app', 'app-name')}
  ${property('msgid', 'msgid')}
  ${property('data', 'structured-data')}
  ${property('text', 'msg')}
}
input(type="imtcp" port="${port}" address="127.0.0.1" ruleset="keep")
ruleset(name="keep") { action(type="omfile" file="${log}" template="each") }
`,
  );
  let child: ChildProcess | undefined;
  let said = '';
  const kill = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  const isListening = (): Promise<boolean> =>
    new Promise((answer) => {
      const socket = connect(port, '127.0.0.1', () => answer(true)).once('error', () => answer(false));
      socket.unref().end();
    });
  const start = async (): Promise<void> => {
    child = spawn(rsyslogd, ['-n', '-f', config, '-i', join(folder, 'pid'), '-M', modules], {
      env: librariesOf(RSYSLOG),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part) => (said += part));
    await eventually(`rsyslog to listen (${said})`, isListening);
  };
  await start();
  return {
    messages: () =>
      existsSync(log)
        ? readFileSync(log, 'utf8')
            .split('\n')
            // The last one is not yet whole: a long message is written in parts.
            .slice(0, -1)
            .map((line) => JSON.parse(line) as SyslogMessage)
        : [],
    complaints: () => said,
    kill,
    start,
  };
}
