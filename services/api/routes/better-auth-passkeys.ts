import {
  challengeCookie,
  noChallengeCookie,
  passkeyChallenge,
} from '#services/core/identity/better-auth-client/challenge-cookies.ts';
import { clientPasskey, clientSignIn } from '#services/core/identity/better-auth-client/client-views.ts';
import {
  askForClientPasskeyEndpoint,
  listClientPasskeysEndpoint,
  prepareClientPasskeyEndpoint,
  registerClientPasskeyEndpoint,
  removeClientPasskeyEndpoint,
  renameClientPasskeyEndpoint,
  signInWithClientPasskeyEndpoint,
} from '#services/core/identity/contracts/client-passkeys-contract.ts';
import { readOwnPasskeys, renamePasskey } from '#services/core/identity/factors/own-factors.ts';
import { preparePasskey, registerPasskey } from '#services/core/identity/factors/register-passkey.ts';
import { removePasskey } from '#services/core/identity/factors/remove-factor.ts';
import { askForPasskey, signInWithPasskey } from '#services/core/identity/factors/sign-in-with-passkey.ts';
import { assertOwnPage } from '#services/core/identity/sessions/csrf.ts';
import type { SignInPorts } from '#services/core/identity/sign-in/sign-in.ts';
import { answer } from '#services/core/shared/answer.ts';
import { bind, type RouteContext } from '../bind.ts';

/** The name of a passkey that its owner did not name. */
const UNNAMED = 'Passkey';

const whole = (response: object): Readonly<Record<string, unknown>> => ({ clientExtensionResults: {}, ...response });

/** The calls of Better Auth's passkey client; the use-cases are those of `factors.ts`. */
export function clientPasskeyRoutes(routes: RouteContext, deps: SignInPorts): void {
  bind(routes, prepareClientPasskeyEndpoint, async ({ query: { authenticatorAttachment } }, caller) => {
    const { options, challenge } = await preparePasskey(deps, {}, caller);
    const selection = { ...(options.authenticatorSelection as object), authenticatorAttachment };
    const asked = { ...options, authenticatorSelection: selection };
    return answer(200, asked, { 'set-cookie': challengeCookie(deps, 'passkey', challenge) });
  });
  bind(routes, registerClientPasskeyEndpoint, async ({ body }, caller, { headers, signal }) => {
    const { cookie } = headers;
    const challenge = passkeyChallenge(deps, cookie);
    const { name = UNNAMED } = body;
    const asked = { challenge, response: whole(body.response), name, cookie, signal };
    const { passkeyId, recoveryCodes, signedIn } = await registerPasskey(deps, asked, caller);
    const row = (await readOwnPasskeys(deps, caller)).filter(({ id }) => id === passkeyId).map(clientPasskey);
    const made = { ...clientSignIn(signedIn), ...row[0], backupCodes: recoveryCodes };
    return answer(200, made, { 'set-cookie': [...signedIn.setCookie, noChallengeCookie(deps, 'passkey')] });
  });
  bind(routes, askForClientPasskeyEndpoint, async (_input, _caller, { headers }) => {
    assertOwnPage(deps, headers);
    const { options, challenge } = await askForPasskey(deps);
    return answer(200, options, { 'set-cookie': challengeCookie(deps, 'passkey', challenge) });
  });
  bind(routes, signInWithClientPasskeyEndpoint, async ({ body }, caller, { headers, signal }) => {
    assertOwnPage(deps, headers);
    const { cookie } = headers;
    const asked = { challenge: passkeyChallenge(deps, cookie), response: whole(body.response), cookie, signal };
    const made = await signInWithPasskey(deps, asked, caller);
    const forget = (['passkey', 'second_factor'] as const).map((kind) => noChallengeCookie(deps, kind));
    return answer(200, clientSignIn(made), { 'set-cookie': [...made.setCookie, ...forget] });
  });
  bind(routes, listClientPasskeysEndpoint, async (_input, caller) =>
    (await readOwnPasskeys(deps, caller)).map(clientPasskey),
  );
  bind(routes, renameClientPasskeyEndpoint, async ({ body: { id, name } }, caller) => {
    await renamePasskey(deps, { id, name }, caller);
    return { passkey: (await readOwnPasskeys(deps, caller)).filter((row) => row.id === id).map(clientPasskey)[0] };
  });
  bind(routes, removeClientPasskeyEndpoint, async ({ body: { id } }, caller, { headers, signal }) => {
    const made = await removePasskey(deps, { id, cookie: headers.cookie, signal }, caller);
    return answer(200, { ...clientSignIn(made), status: true }, { 'set-cookie': made.setCookie });
  });
}
