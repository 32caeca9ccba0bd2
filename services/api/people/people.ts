import type { LoginAnswer } from '../../domain/identity/open-session.ts';
import { type LoginPorts, type SignInInput, signIn } from '../../domain/identity/sign-in.ts';
import { type SignUpInput, signUp } from '../../domain/identity/sign-up.ts';
import type { Caller } from '../../domain/ports.ts';

/** The use-cases that make logins, wherever they are worked on. */
export type People = {
  signUp(input: SignUpInput, caller: Caller): Promise<LoginAnswer>;
  signIn(input: SignInInput, caller: Caller): Promise<LoginAnswer>;
};

/** Worked on where they are called. */
export const peopleHere = (ports: LoginPorts): People => ({
  signUp: (input, caller) => signUp(ports, input, caller),
  signIn: (input, caller) => signIn(ports, input, caller),
});
