import { defineMachineControl, type Observation } from '../control.ts';

/** Values that must not be in a line of the log, by the field or text they come in. */
const CANARIES = [
  ['password field', { password: 'canary-password-7f3a' }, 'canary-password-7f3a'],
  ['e-mail address in text', { msg: 'mail to canary-mail@example.test failed' }, 'canary-mail@example.test'],
  ['token in text', { msg: 'got eyJhbGciOiJFZERTQSJ9.canary-claims.canary-mac' }, 'canary-claims'],
  ['address field', { remoteAddress: '203.0.113.77' }, '203.0.113.77'],
  ['URL with credentials', { msg: 'connect postgres://canary-user:canary-pass@db/x' }, 'canary-pass'],
  ['cookie in a nested header', { req: { headers: { cookie: 'session=canary-cookie' } } }, 'canary-cookie'],
  ['private key', { msg: '-----BEGIN PRIVATE KEY-----canary-key-----END PRIVATE KEY-----' }, 'canary-key'],
] as const;

export const logLinesRedacted = defineMachineControl({
  name: 'log-lines-redacted',
  title: 'Log lines pass a redaction that removes credentials and personal data',
  clause: '164.502(b)',
  profile: 'current',
  requirement: 'required',
  population: 'planted values',
  probe: 'Sends seven lines with planted credentials and addresses through the redaction of this process',
  probeVersion: 1,
  evidence: 'Kinds of values that the redaction let through',
  pace: 'frequent',
  threat: 'Credentials or personal data leave through logs and error reports',
  humanDuty: 'Control who reads logs and traces.',
  check: async ({ installation }): Promise<Observation> => {
    const leaked = CANARIES.filter(([, fields, value]) =>
      installation.redactLine(`${JSON.stringify(fields)}\n`).includes(value),
    );
    return {
      population: CANARIES.length,
      exceptions: leaked.map(([kind]) => ({ resource: kind, why: 'the redaction lets the value through' })),
      observed: { kinds: CANARIES.map(([kind]) => kind), leaked: leaked.map(([kind]) => kind) },
    };
  },
});
