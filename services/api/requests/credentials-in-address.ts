/** Names under which a client might put a credential into an address, where logs, histories and referrers keep it. */
const CREDENTIAL =
  /[?&](?:access_token|refresh_token|id_token|token|client_secret|client_assertion|password|code|code_verifier|session_token|csrf_token)(?:=|&|$)/i;

/** True for an address whose query names a credential, percent-encoded or not (RFC 9700 §4.3, RFC 6750 §2.3). */
export function namesCredential(url: string): boolean {
  const start = url.indexOf('?');
  if (start < 0) return false;
  const query = url.slice(start);
  if (CREDENTIAL.test(query)) return true;
  if (!query.includes('%')) return false;
  return CREDENTIAL.test(
    query.replaceAll(/%([0-7][0-9a-f])/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
  );
}
