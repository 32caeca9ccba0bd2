import { signups } from '#observability/metrics/identity.ts';
import { setAuditContext } from '#services/core/audit/audit-context.ts';
import type { Caller } from '#services/core/ports.ts';
import { assertMayIssue } from '#services/core/revocations/revocation-set.ts';
import { idempotentRequest, workOnce } from '#services/core/tokens/issue/idempotency.ts';
import { renewDraft } from '#services/core/tokens/issue/renew-draft.ts';
import { normaliseEmail } from '#services/platform/define/email.ts';
import { emailTaken } from '../contracts/sign-in-errors.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { admissionOf, inQueue } from '../passwords/hash-password.ts';
import { assertPasswordAllowed } from '../passwords/password-policy.ts';
import { endSessionIn } from '../sessions/end-session.ts';
import { createSessionFamily, draftSignIn, type SignInAnswer, type SignInDraft } from '../sessions/open-session.ts';
import { findByCookie } from '../sessions/read-session.ts';
import { signOrEnd } from './finish-sign-in.ts';
import type { SignInPorts } from './sign-in.ts';

export type SignUpInput = {
  readonly email: string;
  readonly password: string;
  readonly name?: string | undefined;
  /** Where the browser goes once the address is verified; an address on an allowed origin. */
  readonly page?: string | undefined;
  /** The Cookie header: the session it carries ends when the new one begins. */
  readonly cookie?: string | undefined;
  /** A retry with the same key, from the same address and with the same body, gets the same response. */
  readonly idempotencyKey?: string | undefined;
  readonly signal?: AbortSignal;
};

const EMAIL_UNIQUE = 'users_email_key';

export type SignUpPorts = SignInPorts & MailPorts;

/** The response is the same for new and known addresses; only the mail differs. */
export type SignUpPending = {
  readonly body: { readonly status: 'verification_required' };
  readonly setCookie: readonly string[];
};

/**
 * Creates user, account, session and token family in one transaction; the password is hashed before it. If addresses
 * must be verified first, this only queues a mail, and redeeming its code creates the account.
 * @throws the `passwordErrors`, requestInvalid for the key (400), emailTaken (409), idempotencyKeyReused (422),
 *   sessionEnded (401, of a retry), hashingBusy, signingUnavailable, storeUnavailable
 */
export async function signUp(
  ports: SignUpPorts,
  input: SignUpInput,
  caller: Caller,
): Promise<SignInAnswer | SignUpPending> {
  try {
    const answer = await attempt(ports, input, caller);
    signups.add(1, { outcome: 'status' in answer.body ? 'pending' : 'ok' });
    return answer;
  } catch (err) {
    const status = (err as { definition?: { status?: number } }).definition?.status ?? 500;
    signups.add(1, { outcome: status === 409 ? 'known' : status < 500 ? 'refused' : 'unavailable' });
    throw err;
  }
}

async function attempt(ports: SignUpPorts, input: SignUpInput, caller: Caller): Promise<SignInAnswer | SignUpPending> {
  assertMayIssue(ports.revocations);
  const email = normaliseEmail(input.email);
  const { password, name = '', idempotencyKey: key, page } = input;
  const request = key === undefined ? null : idempotentRequest(ports, caller, key, 'signUp', { email, password, name });
  await assertPasswordAllowed(ports, password, { email, name, caller });
  if (ports.verificationRequired) {
    // The reader of the mail chooses a password again, so that an attacker's password never becomes the owner's.
    const asked = { request, status: 200 };
    await ports.transact((tx) =>
      workOnce(tx, ports.random, asked, async () => {
        await queueMail(tx, ports, { template: 'sign_up', to: email, name, page }, caller);
        return {};
      }),
    );
    return { body: { status: 'verification_required' }, setCookie: [] };
  }
  const digest = await inQueue(ports.hasher.hash(password, admissionOf(caller, input.signal)));
  const replaced = await findByCookie(ports, input.cookie);
  let isReplay = request !== null;
  const draft = await ports.auth
    .transact((tx) => {
      const renew = (kept: SignInDraft) => renewDraft(tx, ports, kept, caller.request);
      return workOnce(tx, ports.random, { request, status: 201, renew }, async () => {
        isReplay = false;
        await setAuditContext(tx, caller, 'sign_up');
        if (replaced) await endSessionIn(tx, ports, replaced.session.id);
        const opened = await ports.auth.signUp({ email, name, digest }, caller.request);
        await queueMail(tx, ports, { template: 'verify_email', to: email, page }, caller);
        return draftSignIn(ports, await createSessionFamily(tx, ports, opened, caller));
      });
    })
    .catch((err: unknown) => {
      throw isUniqueEmail(err) ? emailTaken({ cause: err }) : err;
    });
  // The account stays and can sign in, even if this session fails; a retry with the same key gets this session.
  return signOrEnd(ports, draft, { cookie: input.cookie, isKept: request !== null, isReplay }, caller);
}

/** Whether the unique index refused the address: a concurrent sign-up committed after Better Auth looked it up. */
function isUniqueEmail(err: unknown): boolean {
  const { code, constraint } = err as { code?: unknown; constraint?: unknown };
  return code === '23505' && constraint === EMAIL_UNIQUE;
}
