/**
 * All that a page needs: copy this file into your app. The page and the API have different origins, so
 * - the operator lists the page's origin in CORS_ORIGINS;
 * - each request carries the session cookie (`credentials`), which no script can read;
 * - the browser adds the header Origin to each write, and the API refuses writes from origins that are not listed
 *   (CSRF). You need to add nothing. A server that forwards the cookie without Origin sends X-CSRF-Token.
 * @param {string} api
 * @param {() => Promise<string | null | undefined>} [oldToken] while you move here from another provider: a token of the
 *   user's live session there, or nothing
 */
export function createSallyport(api, oldToken = async () => null) {
  /** Tokens are kept in memory: whatever a page stores, a script that was smuggled into it can read. */
  let tokens;
  let expiresAtMs = 0;

  async function send(method, path, body) {
    const answer = await fetch(`${api}${path}`, {
      method,
      credentials: 'include',
      ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const content = answer.status === 204 ? null : await answer.json();
    if (answer.ok) return content;
    // `code` is for programs; `title` and `detail` are for people. All codes are in docs/reference/errors.md.
    throw Object.assign(new Error(content.detail ?? content.title), { code: content.code, status: answer.status });
  }

  /** The user of a live session of the old provider, which becomes one here. Null: the user signs in. */
  async function carryOver() {
    const token = await oldToken();
    if (!token) return null;
    tokens = undefined;
    try {
      return (await send('POST', '/v1/legacy/sessions', { token })).user;
    } catch (error) {
      // Refused, or not set up. After other failures, as 429 and 503, a later call can still carry the session over.
      if ([401, 403, 404].includes(error.status)) return null;
      throw error;
    }
  }

  return {
    /** @returns the user, or null if the address must be verified first: the user then follows the link of a mail */
    async signUp(email, password) {
      tokens = undefined;
      return (await send('POST', '/api/auth/signup', { email, password })).user ?? null;
    },
    async signIn(email, password) {
      tokens = undefined;
      return (await send('POST', '/api/auth/signin', { email, password })).user;
    },
    rename: async (name) => (await send('PATCH', '/api/auth/user', { name })).user,

    /** The signed-in user, or null. */
    async user() {
      try {
        return (await send('GET', '/api/auth/session')).user;
      } catch (error) {
        if (error.status === 401) return carryOver();
        throw error;
      }
    },

    async signOut() {
      tokens = undefined;
      await send('POST', '/api/auth/signout');
    },

    /** For the header `authorization: Bearer …` of requests to your own services. */
    async accessToken() {
      if (tokens && Date.now() < expiresAtMs) return tokens.access_token;
      const earlier = tokens;
      // If the refresh fails, the next call begins again with the session.
      tokens = undefined;
      tokens = earlier
        ? await send('POST', '/v1/tokens/refresh', { refresh_token: earlier.refresh_token })
        : await send('POST', '/v1/tokens', {});
      expiresAtMs = Date.now() + (tokens.expires_in - 30) * 1_000;
      return tokens.access_token;
    },
  };
}
