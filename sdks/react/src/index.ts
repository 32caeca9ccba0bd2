/**
 * `<SignIn/>`, `<UserButton/>` and `<Protected/>` for React, and the session that they show.
 * @module
 */
'use client';

export { Protected, type ProtectedProps } from './protected.tsx';
export { type ProviderProps, SallyportProvider, type SallyportState, useSallyport } from './provider.tsx';
export { createSallyport, factorOf, type Sallyport, SallyportError, type Session, type User } from './session.ts';
export { SignIn, type SignInProps } from './sign-in.tsx';
export { UserButton, type UserButtonProps } from './user-button.tsx';
