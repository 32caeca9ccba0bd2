import { defineSettings, type SettingsOf } from '../define/setting.ts';
import { type ConfigProblem, problemsOf } from './config-error.ts';
import { flag, itemsIn, namedPlaces, optionalText, readText, UnfitError } from './shapes.ts';

const TARGETS_MAX = 8;
const TARGET = /^([a-z][a-z0-9-]{0,31})=(ocsf|ecs)\+((https?|syslogs?):\/\/[\x21-\x7e]{1,2048})$/;
const AUTHORIZATION = /^([a-z][a-z0-9-]{0,31})=([\x21-\x7e]+ [\x20-\x7e]{1,2048})$/;

type Target = { readonly name: string; readonly format: 'ocsf' | 'ecs'; readonly url: string };

function targetOf(item: string): Target | undefined {
  const [, name, format, url = ''] = TARGET.exec(item) ?? [];
  if (name === undefined || !URL.canParse(url)) return undefined;
  const { username, password, hash, href, hostname, pathname, search, protocol } = new URL(url);
  const isSyslog = protocol.startsWith('syslog');
  const isPlace = !isSyslog || (search === '' && pathname.length <= 1);
  if (hostname === '' || username !== '' || password !== '' || hash !== '' || !isPlace) return undefined;
  return { name, format: format as Target['format'], url: href };
}

const PLACES = 'targets as name=ocsf+https://host/path or name=ecs+syslogs://host:6514';
const targets = namedPlaces(TARGETS_MAX, PLACES, targetOf);

const authorization = readText('', 16_384, (text) => {
  const read = itemsIn(text).map((item) => AUTHORIZATION.exec(item));
  if (read.every((each) => each !== null)) return new Map(read.map((each) => [each[1] as string, each[2] as string]));
  throw new UnfitError('must be pairs as name=Scheme credential, with commas between');
});

/** Targets to which workers export the whole sealed log. */
export const siemSettings = defineSettings({
  targets: {
    env: 'SIEM_TARGETS',
    schema: targets,
    use: `Where workers export the sealed audit log, as name=FORMAT+URL, comma separated, at most ${TARGETS_MAX}. FORMAT is ocsf or ecs; the URL is https://host/path, or syslogs://host:6514 for syslog over TLS. The name identifies the target: under another name it starts with new events.`,
  },
  authorization: {
    env: 'SIEM_AUTHORIZATION',
    schema: authorization,
    use: 'Authorization headers of https targets, as name=Scheme credential, comma separated.',
    secret: true,
  },
  allowsPrivate: {
    env: 'SIEM_PRIVATE',
    schema: flag(false),
    use: 'Export to addresses on private networks too, and over http:// and syslog:// without TLS.',
  },
  caFile: {
    env: 'SIEM_TLS_CA_FILE',
    schema: optionalText(),
    use: 'File of the authority whose certificates syslogs targets have; unset: those that Node.js knows.',
  },
  certificateFile: {
    env: 'SIEM_TLS_CERT_FILE',
    schema: optionalText(),
    use: 'File of the certificate, with its chain, that workers show to syslogs targets.',
  },
  keyFile: { env: 'SIEM_TLS_KEY_FILE', schema: optionalText(), use: 'File of its private key.' },
});

export type SiemSettings = SettingsOf<typeof siemSettings>;

/** Refuses a start with a target that can never be reached, or a credential for none. */
export const siemProblems = ({ targets, authorization, ...settings }: SiemSettings): ConfigProblem[] =>
  problemsOf((refuse) => {
    if (!settings.allowsPrivate && targets.some(({ url }) => /^(http|syslog):/.test(url)))
      refuse('SIEM_TARGETS', 'has a target without TLS', 'use https or syslogs, or set SIEM_PRIVATE');
    const nameless = [...authorization.keys()].find(
      (name) => !targets.some((target) => target.name === name && target.url.startsWith('http')),
    );
    if (nameless !== undefined)
      refuse('SIEM_AUTHORIZATION', `names "${nameless}", which is no https target`, 'name targets of SIEM_TARGETS');
    if ((settings.certificateFile === undefined) !== (settings.keyFile === undefined))
      refuse('SIEM_TLS_CERT_FILE', 'is set without SIEM_TLS_KEY_FILE, or that without it', 'set both or neither');
  });
