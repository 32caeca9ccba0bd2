/** What a person reads of the code of a failed delivery or a refused address; with what to change, where it is a setting. */
const WORDS: Readonly<Record<string, string>> = {
  private_address: 'The address is on a private network. If it belongs there, set ALERTS_PRIVATE=true and restart.',
  private_name:
    'The name of the address leads to a private network. If it belongs there, set ALERTS_PRIVATE=true and restart.',
  not_https: 'The address is not https. If it is on a private network, set ALERTS_PRIVATE=true and restart.',
  name_unknown: 'The name of the address does not exist. Correct the address.',
  name_unanswered: 'No name server answered about the address. Check DNS of the workers.',
  redirected: 'The target answered with a redirect, which is not followed. Give the address that it leads to.',
  answer_compressed: 'The target compressed its answer, which is not read.',
  answer_too_large: 'The answer of the target is too large.',
  not_answered: 'The target closed the connection without an answer.',
  TimeoutError: 'The target did not answer in time.',
  ECONNREFUSED: 'Nothing listens at the address of the target.',
  ECONNRESET: 'The target closed the connection.',
  ENOTFOUND: 'The name of the address does not exist. Correct the address.',
  EHOSTUNREACH: 'There is no route to the target.',
  CERT_HAS_EXPIRED: 'The certificate of the target has expired.',
};

const TLS = /CERT|^UNABLE_TO_|^ERR_(TLS|SSL)/;

/** @param code of a delivery or of a refused address; null: it did not fail */
export function failureWords(code: string | null): string | null {
  if (code === null) return null;
  const status = /^http_(\d{3})$/.exec(code)?.[1];
  if (status !== undefined) return `The target answered with status ${status}.`;
  return WORDS[code] ?? (TLS.test(code) ? `TLS to the target failed (${code}).` : `The attempt failed (${code}).`);
}
