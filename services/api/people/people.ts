import { changePassword } from '#services/domain/identity/accounts/change-password.ts';
import {
  acceptInvitation,
  type PasswordByCodePorts,
  resetPassword,
} from '#services/domain/identity/accounts/password-by-code.ts';
import { verifyEmail } from '#services/domain/identity/accounts/verify-email.ts';
import { type LoginPorts, signIn } from '#services/domain/identity/sign-in/sign-in.ts';
import { type SignUpPorts, signUp } from '#services/domain/identity/sign-in/sign-up.ts';
import { type CallbackPorts, handleOAuthCallback } from '#services/domain/identity/social/handle-oauth-callback.ts';
import { startSocialSignIn } from '#services/domain/identity/social/start-social-sign-in.ts';
import type { Caller } from '#services/domain/ports.ts';
import { factorUseCases } from './factor-use-cases.ts';

/** What every use-case below may need. */
export type PeoplePorts = LoginPorts & SignUpPorts & PasswordByCodePorts & CallbackPorts;

/**
 * The use-cases that make logins or cost Better Auth's time. Inputs and answers are plain data (what structured
 * cloning copies); an input's `signal` is carried apart. To add one, name it here.
 */
const useCases = {
  signUp,
  signIn,
  changePassword,
  resetPassword,
  acceptInvitation,
  verifyEmail,
  ...factorUseCases,
  startSocialSignIn,
  handleOAuthCallback,
} satisfies Record<string, (ports: PeoplePorts, input: never, caller: Caller) => Promise<unknown>>;

type UseCases = typeof useCases;

export type PeopleCall = keyof UseCases;

/** The same use-cases without their ports, wherever they are worked on. */
export type People = {
  readonly [Name in PeopleCall]: (input: Parameters<UseCases[Name]>[1], caller: Caller) => ReturnType<UseCases[Name]>;
};

/** Works on one call by name, as a message carries it. */
export type WorkOn = (name: PeopleCall, input: object, caller: Caller) => Promise<unknown>;

/** A `People` whose every call goes to `workOn`. */
export const peopleBy = (workOn: WorkOn): People =>
  Object.fromEntries(
    (Object.keys(useCases) as PeopleCall[]).map((name) => [
      name,
      (input: object, caller: Caller) => workOn(name, input, caller),
    ]),
  ) as unknown as People;

/** Worked on where they are called. */
export const workHere =
  (ports: PeoplePorts): WorkOn =>
  (name, input, caller) =>
    useCases[name](ports, input as never, caller);

export const peopleHere = (ports: PeoplePorts): People => peopleBy(workHere(ports));
