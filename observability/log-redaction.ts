const REDACTED = '[redacted]';

/** Field names, without case, dashes and underscores, whose values are never written. */
const secretNames: ReadonlySet<string> = new Set(
  `authorization proxyauthorization cookie setcookie cookies password newpassword currentpassword passwordhash
  passphrase token accesstoken refreshtoken idtoken sessiontoken csrftoken subjecttoken actortoken devicecode usercode
  clientsecret clientassertion secret secrets apikey xapikey privatekey key kek pepper code otp totp backupcode
  backupcodes codeverifier assertion proof dpop nonce mac email emailaddress phone phonenumber name username firstname
  lastname address ip ipaddress remoteaddress useragent detail databaseurl redisurl credentials`.split(/\s+/),
);

/** Field names under which `code` is an error's code. */
const describingNames: ReadonlySet<string> = new Set(['err', 'error', 'cause', 'errors']);

/** A `code` of our error registry (`state_stale`), which an authorization or one-time code cannot look like. */
const errorCodeForm = /^[a-z]{2,}(?:_[a-z]{2,})+$/;

/** Credentials and addresses by shape, for text that contains them. */
const secretShapes: readonly RegExp[] = [
  /\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)*/g,
  /\bsp_[a-z]{2,}_[\w.~-]+/g,
  /\b(?:Bearer|Basic|DPoP)\s+[\w.~+/=-]{8,}/gi,
  /-----BEGIN [A-Z ]+-----[\s\S]*?(?:-----END [A-Z ]+-----|$)/g,
  /(?<=:\/\/)[^\s/@:]*:[^\s/@]+(?=@)/g,
  /[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+/g,
];

/** Control characters that JSON leaves unescaped, but terminals and log readers interpret. */
const unescapedControls = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

export const escapeControls = (text: string): string =>
  text.replace(unescapedControls, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`);

const isSecretName = (name: string): boolean => secretNames.has(name.toLowerCase().replaceAll(/[-_]/g, ''));

/** Bounds the cost of the patterns below on hostile text. */
const TEXT_MAX = 4_096;

function redactText(text: string): string {
  const bounded = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX).replace(/[\ud800-\udbff]$/, '')}…` : text;
  return secretShapes.reduce((rest, shape) => rest.replaceAll(shape, REDACTED), bounded);
}

function redactValue(value: unknown, describesError: boolean): unknown {
  if (typeof value === 'string') return redactText(value);
  if (Array.isArray(value)) return value.map((item) => redactValue(item, describesError));
  if (typeof value !== 'object' || value === null) return value;
  const kept: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) {
    const allowed = name === 'code' && (describesError || (typeof field === 'string' && errorCodeForm.test(field)));
    // Assigning to __proto__ would drop the field and hide its content.
    if (name === '__proto__') continue;
    if (isSecretName(name) && !allowed) kept[name] = REDACTED;
    else kept[redactText(name)] = redactValue(field, describingNames.has(name));
  }
  return kept;
}

/**
 * Removes secrets and personal data from a finished JSON line and leaves exactly one line: by field name at any depth,
 * and by shape inside text. Working on the line covers fields, child bindings, messages and serializers alike.
 */
export function redactLine(line: string): string {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch {
    return '{"level":"error","msg":"a log line was not JSON and was dropped"}\n';
  }
  return `${escapeControls(JSON.stringify(redactValue(fields, false)))}\n`;
}
