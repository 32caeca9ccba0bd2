/** An advisory of a peer that no test can repeat here. */
export type UntestedAdvisory = {
  readonly id: string;
  readonly peer: string;
  /** What went wrong at the peer, in one sentence without full stop. */
  readonly fault: string;
  /** Why it cannot happen here, in one sentence without full stop. */
  readonly why: string;
};

/** The advisories of peers that are near to us and reach nothing that the product has. Ordered by id. */
export const untestedAdvisories: readonly UntestedAdvisory[] = [
  {
    id: 'CVE-2024-37905',
    peer: 'authentik',
    fault: 'a user could make another user the owner of an API token',
    why: 'the owner of an API key is the caller who made it, and no operation changes it',
  },
  {
    id: 'CVE-2025-7365',
    peer: 'Keycloak',
    fault:
      'during a first sign-in at a provider the attacker could enter the address of the victim, who then confirmed it by mail',
    why: 'a sign-in at a provider takes the address that the provider has verified, and asks for no other',
  },
  {
    id: 'CVE-2026-104850',
    peer: 'MCP TypeScript SDK',
    fault: 'an MCP server named the authorization server to which its client sent its credentials',
    why: 'the product is an MCP server and connects to no other',
  },
  {
    id: 'CVE-2026-121802',
    peer: 'Better Auth',
    fault: 'its package for Expo signed a state that a caller chose',
    why: 'the package is not installed, and the product signs no state: it stores the hash of one that it made',
  },
  {
    id: 'CVE-2026-123542',
    peer: 'OpenAM',
    fault: 'the device grant accepted a PKCE challenge and never compared it',
    why: 'the device grant takes no challenge, so no client can rely on one: a device code is bound to its client and redeemed once',
  },
  {
    id: 'CVE-2026-1529',
    peer: 'Keycloak',
    fault: 'the payload of an invitation was believed without its signature',
    why: 'the code of an invitation is random and carries nothing: the row that it finds has the address and the roles',
  },
  {
    id: 'CVE-2026-16442',
    peer: 'Keycloak',
    fault: 'a sign-in that began at a SAML provider ignored that the provider was for linking only',
    why: 'there is no SAML, and every sign-in at a provider begins here',
  },
  {
    id: 'CVE-2026-19607',
    peer: 'Keycloak',
    fault: 'a user could take over the user name of another, who was locked out',
    why: 'accounts have no user names: a user is known by an address, which no two accounts have',
  },
  {
    id: 'CVE-2026-25227',
    peer: 'authentik',
    fault: 'a role that may test a mapping of attributes could run code on the server by it',
    why: 'no role can store code or expressions that the server evaluates',
  },
  {
    id: 'CVE-2026-4636',
    peer: 'Keycloak',
    fault: 'a policy of user-managed access named resources of another user',
    why: 'there is no user-managed access: users share no resources through the authorization server',
  },
  {
    id: 'CVE-2026-4874',
    peer: 'Keycloak',
    fault: 'a parameter of the token request became the host that the server called at sign-out',
    why: 'an address for logout tokens is registered as a whole, and no request fills in a part of it',
  },
  {
    id: 'CVE-2026-7571',
    peer: 'Keycloak',
    fault: 'a client that was forbidden the implicit flow got an access token by it',
    why: 'there is no implicit flow to forbid: the only response type is code',
  },
  {
    id: 'CVE-2026-88770',
    peer: 'Keycloak',
    fault: 'a device got tokens for an account that was locked after wrong passwords',
    why: 'such a lock stops further guesses alone: who is signed in stays signed in, and may allow a device',
  },
  {
    id: 'CVE-2026-9087',
    peer: 'Keycloak',
    fault: 'a mailed confirmation was not bound to the account at the provider that was to be linked',
    why: 'no mail links an account at a provider: a signed-in user links it, or an address that the provider has verified',
  },
  {
    id: 'CVE-2026-9792',
    peer: 'Keycloak',
    fault: 'a policy that forbids the password grant was skipped',
    why: 'there is no password grant to forbid',
  },
  {
    id: 'CVE-2026-9793',
    peer: 'Keycloak',
    fault: 'an encrypted request object was accepted without a signature inside',
    why: 'every request object is refused: parameters come from the address or from a pushed request',
  },
];
