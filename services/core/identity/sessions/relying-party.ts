const LOOPBACK = /^(127\.\d+\.\d+\.\d+|\[::1\])$/;

/** WebAuthn accepts no IP addresses (§5.1.2): on a loopback address the relying party is `localhost`. */
export function relyingParty(baseUrl: string): { readonly rpID: string; readonly origins: readonly string[] } {
  const { hostname, origin, protocol, port } = new URL(baseUrl);
  if (!LOOPBACK.test(hostname)) return { rpID: hostname, origins: [origin] };
  return { rpID: 'localhost', origins: [origin, `${protocol}//localhost${port === '' ? '' : `:${port}`}`] };
}
